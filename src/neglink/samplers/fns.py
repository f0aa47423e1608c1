"""Negatives chosen by fuzzy rough sets."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.graph.distances import Points, nearest
from neglink.graph.neighbours import neighbours_of
from neglink.graph.ragged import offsets
from neglink.registry import component
from neglink.samplers.base import Context
from neglink.samplers.memory import Memory
from neglink.samplers.uniform import Uniform

NEAREST = 16
"""Nearest nodes kept for each node; where y is linked to all of them, every node is looked at."""
LOOK_UPS = 2**21
"""Link tests made together: bounds memory."""

Kernel = Literal["gaussian", "exponential", "rational-quadratic"]


@component
class FNS:
    """Of `candidates` random non-edges for each link, those of highest fuzzy quality stay.

    With R(x, z) a kernel similarity of two nodes' vectors and d_y(z) = 1 where z is linked to y,
    else 0, the lower approximation of the neighbourhood of y at x and the quality of a pair are

        L_y(x) = min over nodes z of max(1 − R(x, z), d_y(z))
        q(x, y) = α L_y(x) + (1 − α) L_x(y).

    L_y(x) is high where everything similar to x is linked to y. A linked z gives 1, the most there
    is, so L_y(x) = 1 − R(x, z*) with z* the node nearest to x that is not linked to y. For a pair
    that is no edge this is x itself, at R = 1, and every q is 0: x is therefore left out
    (`self_pair`). y stays in, so L_y(x) ≤ 1 − R(x, y).

    1. Draw `candidates` uniform negatives for each link, with the link's centre.
    2. Rate them by q, on the vectors as they are now.
    3. Keep the best: for each centre as many as it has links, or for each link one (`choice`).

    The source keeps the best half of all candidates at once, so that centres are not those of the
    links. No sampler may do that; the method `plain-global` does, with this sampler's settings.
    Source: FGAT (arXiv 2411.07482), eq. 2 and 3.
    """

    form: Literal["lower-approximation", "similarity"] = "lower-approximation"
    """Quality of a pair: q as above, or R(x, y) itself, the text's "high fuzzy similarity"."""
    choice: Literal["per-centre", "per-link"] = "per-centre"
    """Where candidates compete: among all of one centre, or among those of one link."""
    candidates: Annotated[int, Field(ge=1, le=1000)] = 2
    """Random non-edges for each one that stays; 1 is the uniform sampler."""
    kernel: Kernel = "gaussian"
    """R(x, z) for distance r: exp(−r²/δ), exp(−r/δ) or 1 − r²/(r² + δ)."""
    delta: Annotated[float, Field(gt=0)] = 1.0
    """δ of the kernel; the larger, the more alike are all nodes. The source gives no value."""
    relative: bool = True
    """Count δ in mean squared distances of two nodes (their root for the exponential kernel), so
    that one δ serves vectors of any length; else as it is."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight α of the first node's side. The source gives no value; ½ treats both ends alike."""
    space: Literal["embeddings", "features"] = "embeddings"
    """Vectors of the nodes: the predictor's embeddings as they are now (its features where it has
    no embeddings), or the features of the graph, for which the search is made once."""
    self_pair: bool = False
    """Leave x inside the minimum, as eq. 2 reads: every quality is 0 then, and the choice random.
    """
    refresh: Annotated[int, Field(ge=1)] = 1
    """Epochs between two looks at the embeddings, O(n² d) each under the lower approximation; as
    for mcns, one generator then serves one training run."""

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return self.refresh

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        repeated = positives.repeat_interleave(self.candidates, dim=1)
        pool = Uniform().sample(context, repeated, generator)  # [2, k · candidates]
        if self.candidates == 1:
            return pool
        quality = self.quality(context, pool, generator)
        negatives = positives.clone()
        if self.choice == "per-link":
            best = quality.view(-1, self.candidates).argmax(1, keepdim=True)  # [k, 1]
            negatives[1] = pool[1].view(-1, self.candidates).gather(1, best)[:, 0]
        else:
            order = positives[0].argsort(stable=True)
            negatives[1, order] = best_of_centres(pool, quality, self.candidates)[1]
        return negatives

    def quality(self, context: Context, pairs: Tensor, generator: Generator) -> Tensor:
        """The quality q (or R) of pairs (x, y) [2, k] that are no edges; [k], in [0, 1].

        Args:
            context: the train graph and the embeddings.
            pairs: non-edges, any order.
            generator: whose training run the epochs between two looks belong to; draws nothing.

        Raises:
            ValueError: there are no vectors to compare.
        """
        space = self._space(context, generator)
        if self.form == "similarity":
            return 1 - self._unlike(space.points, space.points.between(pairs))
        graph = context.train_graph
        first, second = (
            self._unlike(space.points, space.to_unlinked(graph, ends, self.self_pair))
            for ends in (pairs, pairs.flip(0))
        )
        return self.alpha * first + (1 - self.alpha) * second

    def _unlike(self, points: Points, squared: Tensor) -> Tensor:
        delta = self.delta
        if self.relative:
            delta *= points.spread if self.kernel != "exponential" else math.sqrt(points.spread)
        return unlikeness(squared, self.kernel, delta)

    def _space(self, context: Context, generator: Generator) -> "Space":
        graph, z = context.train_graph, context.embeddings
        if self.space == "features" or z is None:
            return self._of_features(graph)
        known, epoch = _KNOWN.recall(generator, self, graph), context.epoch
        if known is not None and epoch % self.refresh and known.in_period(epoch, self.refresh):
            return known.value
        space = self._space_of(Points(z))
        if self.refresh > 1:
            _KNOWN.remember(generator, self, graph, epoch, z, space)
        return space

    def _of_features(self, graph: Graph) -> "Space":
        """The features and their nearest nodes, found once and kept with the features."""
        if graph.features is None:
            raise ValueError(
                "fns compares nodes by their vectors, and there are none: this graph has no "
                "features, and the predictor no embeddings (or space = 'features')"
            )
        kept: dict[bool | None, Space] = getattr(graph.features, "_fns_spaces", {})
        key = None if self.form == "similarity" else self.self_pair
        if key not in kept:
            kept = kept | {key: self._space_of(Points(graph.features))}
            object.__setattr__(graph.features, "_fns_spaces", kept)
        return kept[key]

    def _space_of(self, points: Points) -> "Space":
        if self.form == "similarity":
            return Space(points)
        return Space(points, *nearest(points, NEAREST, itself=self.self_pair))


def unlikeness(squared: Tensor, kernel: Kernel, delta: float) -> Tensor:
    """1 − R of squared distances [k], in [0, 1], without the rounding of a difference from 1.

    >>> unlikeness(torch.tensor([0.0, 3.0]), "rational-quadratic", 1.0)
    tensor([0.0000, 0.7500])
    """
    delta = max(delta, torch.finfo(squared.dtype).tiny)  # no two nodes differ
    if kernel == "rational-quadratic":
        return squared / (squared + delta)
    distance = squared if kernel == "gaussian" else squared.sqrt()
    return -torch.expm1(-distance / delta)


@dataclass(frozen=True)
class Space:
    """Vectors of the nodes and the nodes nearest to each."""

    points: Points
    lists: Tensor | None = None
    """Nearest nodes [n, c]; none where no lower approximation is asked for."""
    distances: Tensor | None = None
    """Their squared distances [n, c]."""

    def to_unlinked(self, graph: Graph, pairs: Tensor, itself: bool) -> Tensor:
        """Squared distance of each x to the nearest z that is not linked to y.

        Args:
            graph: whose links count.
            pairs: (x, y), shape [2, k].
            itself: whether z may be x, as it was for the lists.

        Returns:
            Shape [k]; finite, since y is not linked to y.
        """
        assert self.lists is not None
        parts = torch.split(pairs, max(1, LOOK_UPS // self.lists.shape[1]), dim=1)
        best = torch.cat([self._among_lists(graph, part) for part in parts])
        left = best.isinf().nonzero().squeeze(-1)  # y is linked to all that are near x
        for some in torch.split(left, self.points.per_block):
            best[some] = self._among_all(graph, pairs[:, some], itself)
        return best

    def _among_lists(self, graph: Graph, pairs: Tensor) -> Tensor:
        assert self.lists is not None
        assert self.distances is not None
        x, y = pairs
        z = self.lists[x]  # [k, c]
        linked = graph.has_links(torch.stack([y[:, None].expand_as(z), z]))
        return self.distances[x].masked_fill(linked, math.inf).amin(1)

    def _among_all(self, graph: Graph, pairs: Tensor, itself: bool) -> Tensor:
        x, y = pairs
        table = self.points.table(x)  # [k, n]
        table[torch.arange(x.numel(), device=x.device), x] = 0 if itself else math.inf
        row, linked = neighbours_of(graph, y)
        table[row, linked] = math.inf
        return self.points.between(torch.stack([x, table.argmin(1)]))


def best_of_centres(pool: Tensor, quality: Tensor, candidates: int) -> Tensor:
    """Of each centre's candidates the best part, 1 in `candidates`.

    Args:
        pool: candidates [2, k · candidates], a multiple of `candidates` for each centre.
        quality: of each candidate; equals stay in their order.
        candidates: for each one that stays.

    Returns:
        Pairs [2, k], centres ascending, each centre's best first.
    """
    order = quality.argsort(descending=True, stable=True)
    order = order[pool[0, order].argsort(stable=True)]
    centres = pool[0, order]
    count = torch.bincount(centres)
    place = torch.arange(centres.numel(), device=centres.device) - offsets(count)[centres]
    return pool[:, order[place < (count // candidates)[centres]]]


_KNOWN: Memory[Space] = Memory()
