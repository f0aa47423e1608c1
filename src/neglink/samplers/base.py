"""The contract of a sampler, and the draw-until-valid loop that most samplers share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from neglink.graph import Graph

ROUNDS = 64
"""Redraws before the pairs that are still links are settled one by one."""

CANDIDATES_AT_ONCE = 2**21
"""Candidates that are drawn and scored together: bounds memory where there are millions of links,
and keeps a block's pairs below n² on all but tiny graphs."""

Scorer = Callable[[Tensor], Tensor]
"""Pairs [2, k] to logits [k], by the predictor as it is now, without gradient."""


@dataclass(frozen=True)
class Context:
    """What a sampler may look at: the train graph and the predictor as it is now."""

    train_graph: Graph
    """Links of the training side alone. Validation and test links are not in it."""
    score: Scorer | None = None
    """Current logits of pairs; None before a predictor exists."""
    embeddings: Tensor | None = None
    """Current node embeddings [n, d], detached; None for an edge-centric predictor."""
    epoch: int = 0
    """Epoch about to be trained, from 0."""

    def require_score(self, asker: str) -> Scorer:
        """The scorer.

        Raises:
            ValueError: there is none, and `asker` cannot work without.
        """
        if self.score is None:
            raise ValueError(
                f"{asker} ranks candidates by the current predictor: set context.score"
            )
        return self.score


class Sampler(Protocol):
    """Draws one negative per positive.

    An implementation is a `registry.component`: its fields are its settings.
    """

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives for a batch of links.

        Args:
            context: the train graph, the current embeddings or scorer, the epoch.
            positives: links (centre u, neighbour), shape [2, k], any order.
            generator: the only source of randomness.

        Returns:
            Pairs (u, v), shape [2, k]: row 0 equals positives[0]; v is neither u nor linked to u
            in the train graph.
        """
        ...


def remembers_for(sampler: Any) -> int:
    """Epochs from one at whose start a sampler remembers nothing to the next; 0: it always does.

    At such times a training can be taken up again. A sampler says so by a number `remembers_for`;
    one without it keeps nothing from epoch to epoch, which is 1.
    """
    return int(getattr(sampler, "remembers_for", 1))


def resolve(base: Any) -> Sampler:
    """A sampler from a name, a mapping with `kind` and its settings, or a sampler itself."""
    from neglink.samplers import SAMPLERS  # which imports what stands here

    if isinstance(base, str):
        return SAMPLERS.make(base)
    if isinstance(base, dict):
        settings = dict(base)
        kind = settings.pop("kind", "")
        return SAMPLERS.make(kind, where=f"sampler {kind}", **settings)
    return base  # type: ignore[no-any-return]


def in_blocks(positives: Tensor, candidates: int, draw: Callable[[Tensor], Tensor]) -> Tensor:
    """`draw` of links [2, k] in blocks of at most `CANDIDATES_AT_ONCE` candidates; pairs [2, k]."""
    parts = torch.split(positives, max(1, CANDIDATES_AT_ONCE // candidates), dim=1)
    return torch.cat([draw(part) for part in parts], 1)


Draw = Callable[[Tensor], Tensor]
"""Centres [k] to one candidate for each [k]."""


def redraw_links(
    graph: Graph, centres: Tensor, draw: Draw, generator: Generator, rounds: int = ROUNDS,
    last_resort: Draw | None = None,
) -> Tensor:  # fmt: skip
    """Pairs (u, v) with v from `draw`, drawn again where v is u or linked to u.

    The accepted v follow the drawn distribution restricted to valid nodes. Where `rounds` redraws
    have not found one (u is linked to nearly everything), v comes from the last resort.

    Args:
        graph: the train graph.
        centres: u, shape [k].
        draw: candidates for some of the centres, without regard to links.
        generator: used only in the uniform last resort.
        rounds: redraws before the last resort.
        last_resort: valid nodes for the centres that are left; none draws them uniformly.

    Returns:
        Pairs, shape [2, k].

    Raises:
        ValueError: a centre is linked to every other node, so it has no negative.
    """
    tails = draw(centres)
    pairs = torch.stack([centres, tails])
    bad = (graph.has_links(pairs) | (centres == tails)).nonzero().squeeze(-1)
    for _ in range(rounds):
        if bad.numel() == 0:
            return pairs
        again = centres[bad]
        candidates = draw(again)
        pairs[1, bad] = candidates
        still = graph.has_links(pairs[:, bad]) | (again == candidates)
        bad = bad[still]
    if bad.numel():
        left = centres[bad]
        pairs[1, bad] = (
            uniform_non_neighbours(graph, left, generator)
            if last_resort is None
            else last_resort(left)
        )
    return pairs


def uniform_non_neighbours(graph: Graph, centres: Tensor, generator: Generator) -> Tensor:
    """One uniform valid node for each centre by rank among its non-neighbours: exact, no rejection.

    Raises:
        ValueError: a centre is linked to every other node.
    """
    room = graph.n - 1 - graph.degree[centres]
    if bool((room <= 0).any()):
        node = int(centres[room <= 0][0])
        raise ValueError(f"node {node} is linked to every other node: it has no negative to draw")
    uniform = torch.rand(centres.numel(), generator=generator, device=centres.device)
    rank = (uniform * room).long().clamp_(max=graph.n - 1)
    rank = torch.minimum(rank, room - 1)
    # v is the rank-th node outside the sorted set N(u) ∪ {u}: bisect on (member − position)
    low, high = torch.zeros_like(rank), graph.degree[centres] + 1
    while bool((low < high).any()):
        middle = (low + high) // 2
        inside = _closed_neighbour(graph, centres, middle) - middle <= rank
        active = low < high
        low = torch.where(active & inside, middle + 1, low)
        high = torch.where(active & ~inside, middle, high)
    return rank + low


def _closed_neighbour(graph: Graph, centres: Tensor, position: Tensor) -> Tensor:
    """The position-th node of N(u) ∪ {u} in ascending order."""
    starts, degree = graph.row_starts[centres], graph.degree[centres]
    own = torch.searchsorted(graph.arc_keys, centres * graph.n + centres) - starts  # u's own place
    shifted = (position - (position > own).long()).clamp(max=(degree - 1).clamp(min=0))
    index = (starts + shifted).clamp(max=max(graph.arcs.shape[1] - 1, 0))
    neighbour = graph.arcs[1][index] if graph.arcs.shape[1] else centres
    return torch.where(position == own, centres, neighbour)
