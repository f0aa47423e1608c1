"""Hard negatives for each link: the candidates that simple similarities rank highest."""

from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.graph.similarity import SOURCES, pagerank_rows, resource_allocation_rows
from neglink.registry import component
from neglink.splits.base import RANKED_SIDES, Ranked, Side, Sides
from neglink.splits.candidates import linked_or_same, require_room

Scores = NDArray[np.float64]


@component
class Heart:
    """For each link (u, v), pairs (u, x) and (x, v) with the x most similar to the kept end.

    1. x is any node but the kept end that is not linked to it in the whole graph.
    2. The x are ranked by resource allocation and by personalised PageRank, both on the train
       graph. Equal scores share the best rank among them; a score of 0 has no rank.
    3. The better of the two ranks counts. Ties are broken at random, once per kept end and split.
    4. The first ⌈per_link / 2⌉ replace v, the first ⌊per_link / 2⌋ replace u. Nodes without a
       rank come last, in random order: they fill the list where similar nodes are too few.

    The candidates of a node depend on the node alone, so links that share an end share half their
    negatives, on the validation and on the test side alike. In the source a third ranking, by
    features, is used for some data sets; here features play no part.
    Source: Li et al. (2023, HeaRT), section 4.
    """

    per_link: Annotated[int, Field(ge=1)] = 500
    """Negatives ranked with each link. MRR and Hits@K fall as it grows."""
    positives: Annotated[int, Field(ge=1)] | None = None
    """Links drawn from each side to be ranked; none: all. Fewer are faster and less precise."""

    def rank(self, graph: Graph, sides: Sides, rng: Generator) -> dict[Side, Ranked]:
        """Hard negatives of both sides; every kept node is ranked once for both.

        Raises:
            SplitError: a kept node has too few candidates, or a side has too few links.
        """
        links = {side: self._sample(sides.of(side), side, rng) for side in RANKED_SIDES}
        depth = (self.per_link + 1) // 2
        kept = torch.unique(torch.cat([pairs.flatten() for pairs in links.values()]))
        require_room(graph, kept, depth, self.per_link)
        hard = torch.from_numpy(hardest(graph, sides.train, kept.numpy(), depth, rng))
        return {
            side: Ranked(pairs, self._around(pairs, kept, hard), shared=False)
            for side, pairs in links.items()
        }

    def _sample(self, links: Tensor, side: Side, rng: Generator) -> Tensor:
        """The links to rank, in the order of the side."""
        if self.positives is None:
            return links
        if self.positives > links.shape[1]:
            raise SplitError(
                f"evaluation.positives={self.positives}, but the {side} side has "
                f"{links.shape[1]} links. Lower it, raise split.{side}, or leave it out for all."
            )
        chosen = rng.choice(links.shape[1], self.positives, replace=False)
        return links[:, torch.from_numpy(np.sort(chosen))]

    def _around(self, links: Tensor, kept: Tensor, hard: Tensor) -> Tensor:
        """Negatives [2, p, c] of links [2, p], from the hardest nodes [nodes, depth] of `kept`."""
        half = self.per_link // 2
        tails = hard[torch.searchsorted(kept, links[0])]  # (u, x)
        heads = hard[torch.searchsorted(kept, links[1]), :half]  # (x, v)
        u = torch.cat([links[0][:, None].expand_as(tails), heads], dim=1)
        v = torch.cat([tails, links[1][:, None].expand_as(heads)], dim=1)
        return torch.stack([u, v])


def hardest(
    graph: Graph, train: Tensor, kept: NDArray[np.int64], depth: int, rng: Generator
) -> NDArray[np.int64]:
    """The `depth` best candidates of each kept node [k], best first; [k, depth] node ids.

    Args:
        graph: the whole graph; it only says which nodes are no candidates.
        train: links of the train graph, on which similarity is measured.
        kept: node ids, each with at least `depth` candidates.
        depth: candidates wanted.
        rng: breaks ties.
    """
    train_graph = graph.with_links(train)
    found = np.empty((kept.size, depth), dtype=np.int64)
    for i, walks in enumerate(pagerank_rows(train_graph, torch.from_numpy(kept))):
        part = slice(i * SOURCES, i * SOURCES + walks.shape[0])
        forbidden = linked_or_same(graph, kept[part])
        allocation = resource_allocation_rows(train_graph, kept[part]).toarray()
        rank = np.minimum(_ranks(allocation, forbidden), _ranks(walks.numpy().copy(), forbidden))
        found[part] = _first(rank + rng.random(rank.shape), forbidden, depth)
    return found


def _ranks(scores: Scores, forbidden: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Scores:
    """Rank of each score within its row, 1 is best, equal scores equal; n where the score is 0.

    Args:
        scores: not negative, shape [b, n]; overwritten.
        forbidden: places that are passed over.
    """
    scores[forbidden] = 0
    order = np.argsort(-scores, axis=1)
    descending = np.take_along_axis(scores, order, axis=1)
    # PageRank of nodes in equal position differs in the last bits, by the order of the sums
    fresh = np.ones(scores.shape, dtype=bool)
    fresh[:, 1:] = descending[:, :-1] - descending[:, 1:] > 1e-9 * descending[:, :-1]
    place = np.maximum.accumulate(np.where(fresh, np.arange(scores.shape[1]), 0), axis=1)
    ranks = np.empty_like(scores)
    np.put_along_axis(ranks, order, place + 1.0, axis=1)
    ranks[scores == 0] = scores.shape[1]
    return ranks


def _first(
    keys: Scores, forbidden: tuple[NDArray[np.int64], NDArray[np.int64]], depth: int
) -> NDArray[np.int64]:
    """Columns of the `depth` smallest keys of each row [b, n], ascending, forbidden ones last."""
    keys[forbidden] = np.inf
    first = np.argpartition(keys, depth - 1, axis=1)[:, :depth]
    order = np.argsort(np.take_along_axis(keys, first, axis=1), axis=1)
    columns: NDArray[np.int64] = np.take_along_axis(first, order, axis=1)
    return columns
