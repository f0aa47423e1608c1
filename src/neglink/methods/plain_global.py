"""Plain training on negatives that are chosen from all candidates at once."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Generator, Tensor

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.graph.keys import pairs_of
from neglink.methods.base import Run
from neglink.methods.plain import Plain, PlainUpdate
from neglink.predictors.base import LinkModel
from neglink.registry import component
from neglink.samplers.base import Context, Sampler, remembers_for
from neglink.splits.base import non_links, uniform_non_links


@component
class PlainGlobal(Plain):
    """As `plain`, but the negatives of an epoch are the best of random non-edges, as many as links.

    The sampler (`fns`) only rates: of `candidates` distinct uniform non-edges for each link, the
    half (or 1 in `candidates`) of highest quality stays, whatever their nodes. So a node may get
    more negatives than it has links, or none, which no sampler may do.
    Source: FGAT (arXiv 2411.07482), section 3.1.
    """

    def training_sampler(self, base: Sampler) -> Sampler:
        """The choice among all candidates, rated by the run's own sampler.

        Raises:
            TrainingError: that sampler does not rate pairs.
        """
        if not isinstance(base, Rater):
            raise TrainingError(
                f"method plain-global chooses by the sampler's quality, and "
                f"{type(base).__name__} has none: set the sampler to fns, or the method to plain"
            )
        return GlobalChoice(base)

    def updates(self, run: Run, model: LinkModel) -> PlainUpdate:
        """One epoch of this training, as a function."""
        return PlainUpdate(self, replace(run, sampler=self.training_sampler(run.sampler)), model)


@runtime_checkable
class Rater(Protocol):
    """A sampler that rates non-edges."""

    candidates: int
    """Non-edges that are rated for each one that stays."""

    def quality(self, context: Context, pairs: Tensor, generator: Generator) -> Tensor:
        """A number [k] for pairs [2, k]; the highest stay."""
        ...


@dataclass(frozen=True)
class GlobalChoice:
    """Draws as many negatives as it is given links. It is no `Sampler`: centres are not kept."""

    rater: Rater

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return remembers_for(self.rater)

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for k links, centres ascending, each at most once.

        Fewer where the graph has fewer than k non-edges.

        Raises:
            TrainingError: the graph has none.
        """
        graph, k = context.train_graph, positives.shape[1]
        pool = random_non_edges(graph, self.rater.candidates * k, generator)
        quality = self.rater.quality(context, pool, generator)
        kept = pool[:, quality.argsort(descending=True, stable=True)[:k]]
        return kept[:, kept[0].argsort(stable=True)]


@dataclass(frozen=True)
class UniformPairs:
    """Draws uniform non-edges, as many as it is given links. It is no `Sampler`, as above."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Distinct negatives [2, k] for k links, centres ascending.

        Fewer where the graph has fewer than k non-edges.

        Raises:
            TrainingError: the graph has none.
        """
        pairs = random_non_edges(context.train_graph, positives.shape[1], generator)
        return pairs[:, pairs[0].argsort(stable=True)]


def random_non_edges(graph: Graph, count: int, generator: Generator) -> Tensor:
    """`count` distinct uniform non-edges in random order and direction, [2, count].

    Fewer where the graph has fewer.

    Raises:
        TrainingError: the graph has none.
    """
    device, count = graph.device, min(count, non_links(graph))
    if count == 0:
        raise TrainingError("every pair of nodes is a training link: there is no negative")
    seed = torch.randint(2**62, (), generator=generator, device=device)
    keys = uniform_non_links(graph, count, np.random.default_rng(int(seed)))
    pairs = pairs_of(keys, graph.n).to(device)
    turned = torch.rand(count, generator=generator, device=device) < 0.5
    return torch.where(turned, pairs.flip(0), pairs)
