"""A few random candidates for each link: one end kept, the other replaced."""

from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.registry import component
from neglink.splits.base import Ranked, Side, Sides

BLOCK = 2**22
"""Random keys held at once while candidates are drawn."""


@component
class Candidates:
    """For each link one end, either with probability ½, is the query; the candidates are random.

    A candidate is any node but the query that is not linked to it in the whole graph; those of
    one link are distinct and every set of them is equally likely. The pairs are (query,
    candidate). Source: Nguyen & Fang (2024, DMNS), where 9 candidates are ranked with each link.
    """

    per_link: Annotated[int, Field(ge=1)] = 9
    """Candidates ranked with each link. MRR falls as it grows."""

    def rank(self, graph: Graph, sides: Sides, rng: Generator) -> dict[Side, Ranked]:
        """Candidates of both sides.

        Raises:
            SplitError: a query has too few nodes that it is not linked to.
        """
        return {
            "valid": self._side(graph, sides.valid, rng),
            "test": self._side(graph, sides.test, rng),
        }

    def _side(self, graph: Graph, links: Tensor, rng: Generator) -> Ranked:
        end = torch.from_numpy(rng.integers(2, size=links.shape[1]))
        queries = links.gather(0, end[None])[0]
        require_room(graph, queries, self.per_link, self.per_link)
        drawn = torch.from_numpy(_draw(graph, queries.numpy(), self.per_link, rng))  # [p, c]
        negatives = torch.stack([queries[:, None].expand_as(drawn), drawn])
        return Ranked(links, negatives, shared=False)


def require_room(graph: Graph, kept: Tensor, needed: int, per_link: int) -> None:
    """Refuse a kept node that is linked to too many nodes to have `needed` candidates.

    Raises:
        SplitError: there is one; the text says what `evaluation.per_link` allows.
    """
    room = graph.n - 1 - graph.degree.cpu()[kept]
    if kept.numel() and int(room.min()) < needed:
        worst = int(room.argmin())
        raise SplitError(
            f"evaluation.per_link={per_link} needs {needed} candidates for node "
            f"{int(kept[worst])}, but only {int(room[worst])} nodes are neither it nor linked to "
            f"it. Lower evaluation.per_link."
        )


def _draw(
    graph: Graph, queries: NDArray[np.int64], count: int, rng: Generator
) -> NDArray[np.int64]:
    """`count` distinct nodes for each query, neither it nor linked to it, [k, count].

    The c smallest of n random keys, those of forbidden nodes set to 2, are a uniform choice.
    """
    rows = max(1, BLOCK // graph.n)
    drawn = np.empty((queries.size, count), dtype=np.int64)
    for start in range(0, queries.size, rows):
        block = queries[start : start + rows]
        key = rng.random((block.size, graph.n), dtype=np.float32)
        key[linked_or_same(graph, block)] = 2
        drawn[start : start + rows] = np.argpartition(key, count - 1, axis=1)[:, :count]
    return drawn


def linked_or_same(
    graph: Graph, nodes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places (row, column) where a block [b, n] of nodes meets itself or a node linked to it."""
    links = graph.scipy[nodes].tocoo()
    row, column = links.coords
    return np.append(row, np.arange(nodes.size)), np.append(column, nodes)
