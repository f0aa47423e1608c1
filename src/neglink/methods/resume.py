"""Trainings that go on where they were killed, to the same weights.

A training's state is kept in a file now and then: weights, optimisers, generators, and what its
loop has found. Whatever else a draw or a step depends on must follow from settings and the epoch.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from neglink.errors import DataError
from neglink.tensors import Tensors, read_tensors, write_tensors

log = logging.getLogger("neglink")

Json = dict[str, Any]


@dataclass(frozen=True)
class Number:
    """A number that an object counts up, as a part of a training's state."""

    owner: Any
    name: str


Part = nn.Module | Optimizer | Generator | Number | list[float] | Tensors
Parts = Mapping[str, Part]
"""What changes in a training, by name; each is brought back in place."""


@runtime_checkable
class Resumable(Protocol):
    """An epoch's update whose state can be kept."""

    def parts(self, found: Tensors | None = None) -> Parts:
        """All that its epochs change, the trained model aside.

        Args:
            found: the stored tensors that are about to be brought back, for parts that only come
                to be in the first epoch.
        """
        ...


class Keeper:
    """Keeps the state of one training in a file, and brings it back."""

    def __init__(self, path: Path, seconds: float = 60.0) -> None:
        self.path, self.seconds = path, seconds
        self._last = time.monotonic()

    def keep(self, parts: Parts, note: Callable[[], Json]) -> None:
        """Store parts and note, if the last time is long enough ago."""
        if time.monotonic() - self._last < self.seconds:
            return
        tensors, numbers = captured(parts)
        write_tensors(self.path, tensors, {"note": note(), "numbers": numbers})
        self._last = time.monotonic()

    def load(self) -> "Kept | None":
        """What is stored; None where nothing is, or nothing that can be read."""
        if not self.path.exists():
            return None
        try:
            tensors, stored = read_tensors(self.path)
            return Kept(tensors, stored["numbers"], stored["note"])
        except DataError as error:
            log.warning("%s; the training begins anew", error)
            return None

    def clear(self) -> None:
        """Remove the file: the training has ended."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Kept:
    """A stored state."""

    tensors: Tensors
    numbers: Json
    note: Json

    def restore(self, parts: Parts) -> None:
        """Bring each part back to what it was."""
        for name, part in parts.items():
            found = inside(self.tensors, name)
            if isinstance(part, nn.Module):
                part.load_state_dict(found)
            elif isinstance(part, Optimizer):
                part.load_state_dict(_optimiser_state(found, self.numbers[name]))
            elif isinstance(part, Generator):
                part.set_state(found["state"])
            elif isinstance(part, Number):
                setattr(part.owner, part.name, self.numbers[name])
            elif isinstance(part, list):
                part[:] = self.numbers[name]
            else:
                part.clear()
                part.update(found)


def captured(parts: Parts) -> tuple[Tensors, Json]:
    """Tensors and numbers from which `Kept.restore` brings the parts back."""
    tensors: Tensors = {}
    numbers: Json = {}
    for name, part in parts.items():
        if isinstance(part, nn.Module):
            own: Mapping[str, Tensor] = part.state_dict()
        elif isinstance(part, Optimizer):
            own, numbers[name] = _flat(part.state_dict())
        elif isinstance(part, Generator):
            own = {"state": part.get_state()}
        elif isinstance(part, Number):
            own, numbers[name] = {}, getattr(part.owner, part.name)
        elif isinstance(part, list):
            own, numbers[name] = {}, list(part)
        else:
            own = part
        tensors |= {f"{name}/{key}": value for key, value in own.items()}
    return tensors, numbers


def inside(tensors: Tensors, name: str) -> Tensors:
    """The tensors of one part, by their names within it."""
    start = f"{name}/"
    return {k.removeprefix(start): value for k, value in tensors.items() if k.startswith(start)}


def _flat(state: Json) -> tuple[Tensors, Json]:
    """An optimiser's state as tensors, and the settings of its groups."""
    tensors = {
        f"{index}/{key}": value for index, own in state["state"].items()
        for key, value in own.items()
    }  # fmt: skip
    return tensors, state["param_groups"]


def _optimiser_state(tensors: Tensors, groups: Any) -> Json:
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": groups}
