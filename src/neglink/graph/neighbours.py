"""Neighbours of many nodes, and those that the nodes of many pairs share, without loops."""

from collections.abc import Iterator

import torch
from torch import Tensor

from neglink.graph.graph import Graph
from neglink.graph.ragged import blocks_of, owners, slices

ENTRIES = 2**21
"""Neighbours looked at together in one block of pairs: bounds memory at about 150 MB."""


def neighbours_of(graph: Graph, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbours of each of `nodes` [k], ascending, one node's after the other's.

    Returns:
        Place in `nodes` of the one that each is a neighbour of, and the neighbours; both [e].
    """
    count = graph.degree[nodes]
    places = slices(graph.row_starts[nodes], count)
    return owners(count, places.numel()), graph.arcs[1][places]


def fewer_links_first(graph: Graph, pairs: Tensor) -> Tensor:
    """Each column of `pairs` [2, k], turned so that its first node has no more links."""
    swap = graph.degree[pairs[0]] > graph.degree[pairs[1]]
    return torch.where(swap, pairs.flip(0), pairs)


def shared_neighbours(
    graph: Graph, pairs: Tensor, below: Tensor | None = None, entries: int = ENTRIES
) -> Iterator[tuple[Tensor, Tensor]]:
    """The common neighbours of each column of `pairs` [2, k], in blocks of bounded memory.

    The neighbours of the end with fewer links are looked up among the links of the other end, so
    a pair costs min(deg(u), deg(v)) look-ups.

    Args:
        graph: has the links.
        pairs: the ends.
        below: only common neighbours with a smaller id than this, shape [k]; others cost nothing.
        entries: neighbours in a block.

    Yields:
        Column of `pairs`, and a node linked to both its ends; both [e], ascending over all blocks.
    """
    few, many = fewer_links_first(graph, pairs)
    for low, high in blocks_of(graph.degree[few], entries):
        column, neighbour = neighbours_of(graph, few[low:high])
        column += low
        if below is not None:
            smaller = neighbour < below[column]
            column, neighbour = column[smaller], neighbour[smaller]
        shared = graph.has_links(torch.stack([many[column], neighbour]))
        yield column[shared], neighbour[shared]


def share_neighbour(
    graph: Graph, pairs: Tensor, below: Tensor | None = None, entries: int = ENTRIES
) -> Tensor:
    """Whether the ends of each column of `pairs` share a neighbour, bool [k].

    The arguments are those of `shared_neighbours`.
    """
    share = torch.zeros_like(pairs[0], dtype=torch.bool)
    for column, _ in shared_neighbours(graph, pairs, below, entries):
        share[column] = True
    return share


def three_steps_apart(
    graph: Graph, pairs: Tensor, below: Tensor | None = None, entries: int = ENTRIES
) -> Tensor:
    """Whether a walk of three steps joins the ends of each column of `pairs` [2, k], bool [k].

    It looks at the neighbours of the neighbours of the first end.

    Args:
        graph: has the links.
        pairs: the ends.
        below: only walks whose second node has a smaller id than this, shape [k].
        entries: neighbours of first ends in a block, and again of those.
    """
    joined = torch.zeros_like(pairs[0], dtype=torch.bool)
    for low, high in blocks_of(graph.degree[pairs[0]], entries):
        column, middle = neighbours_of(graph, pairs[0, low:high])
        column += low
        if below is not None:
            smaller = middle < below[column]
            column, middle = column[smaller], middle[smaller]
        rest = torch.stack([middle, pairs[1, column]])
        joined[column[share_neighbour(graph, rest, entries=entries)]] = True
    return joined
