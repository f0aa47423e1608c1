"""The contract of methods: what a training may see, its steps, and what a step leaves behind."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.methods.resume import Keeper
from neglink.predictors.base import LinkModel, Predictor
from neglink.samplers.base import Sampler


def number_of(seed: int, purpose: str) -> int:
    """A seed for one purpose: equal for equal seeds, independent between purposes."""
    name = f"{seed}/{purpose}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:7], "little")


def stream(seed: int, purpose: str, device: torch.device) -> Generator:
    """A generator for one purpose; see `number_of`."""
    return torch.Generator(device).manual_seed(number_of(seed, purpose))


@dataclass(frozen=True)
class Run:
    """All that a training may look at: no test link is in it."""

    graph: Graph
    """The train graph: its links are the training links."""
    valid_positives: Tensor
    """Validation links, shape [2, p]; used to choose the epoch, never for messages or negatives."""
    valid_negatives: Tensor
    """What they are ranked against: [2, q], or one list each [2, p, c]."""
    predictor: Predictor
    sampler: Sampler
    seed: int
    keeper: Keeper | None = None
    """Where the training's state is kept, so that it can go on after a kill; none keeps nothing."""

    def generator(self, purpose: str) -> Generator:
        """A generator for one purpose; see `number_of`."""
        return stream(self.seed, purpose, self.graph.device)

    def host_generator(self, purpose: str) -> Generator:
        """The same on the CPU: weights that it draws are equal on every device."""
        return stream(self.seed, purpose, torch.device("cpu"))

    def number(self, purpose: str) -> int:
        """A seed for one purpose, for torch's own generator; see `number_of`."""
        return number_of(self.seed, purpose)

    def model(self, weights: "dict[str, Tensor] | None" = None) -> LinkModel:
        """The predictor's model: with these weights, or freshly initialised by the seed."""
        model = self.predictor.build(self.graph, self.host_generator("initial weights"))
        if weights is not None:
            model.load_state_dict(weights)
        return model.to(self.graph.device)


@dataclass(frozen=True)
class Checkpoint:
    """What a training step leaves: weights, weights at asked-for epochs, and its history."""

    weights: dict[str, Tensor]
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)
    """Further arrays, such as the meta weights of the last epoch."""


@dataclass(frozen=True)
class MetaData:
    """Labelled pairs that are sure enough to guide the meta learner (MeBNS, O_m)."""

    pairs: Tensor
    """Shape [2, k]."""
    labels: Tensor
    """1 for links, 0 for negatives, shape [k], float32."""
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step of a method: its name, what it needs, what it makes, which settings it reads."""

    name: str
    makes: Literal["checkpoint", "metadata"]
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    """Fields of the method that this step reads: only they enter the step's digest."""


class Method(Protocol):
    """A training recipe; an implementation is a `registry.component`.

    Its steps are named in order; the last one makes the checkpoint that is evaluated.
    """

    needs_sampler: ClassVar[bool]

    def steps(self) -> tuple[Step, ...]:
        """The steps under these settings."""
        ...

    def training_sampler(self, base: Sampler) -> Sampler:
        """The sampler that the training really draws from, given the run's own."""
        ...

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Carry out one step, given what the earlier ones made."""
        ...


def fit(method: Method, run: Run) -> Checkpoint:
    """All steps of a method, one after the other, in memory."""
    made: dict[str, Any] = {}
    for step in method.steps():
        made[step.name] = method.fit_step(step.name, run, made)
    last: Checkpoint = made[method.steps()[-1].name]
    return last
