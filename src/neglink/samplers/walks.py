"""Negatives at the ends of random walks: near, and at a cost that no neighbourhood enters."""

import torch
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.samplers.base import Draw, redraw_links

WALKS = 100
"""Walks tried for each link before its negative is drawn uniformly."""


def walk_negatives(
    graph: Graph, centres: Tensor, hops: int, generator: Generator, walks: int = WALKS,
    last_resort: Draw | None = None,
) -> Tensor:  # fmt: skip
    """Pairs (u, v) [2, k], v the first end of a walk of `hops` steps that is no link of u, nor u.

    p(v) ∝ (D⁻¹A)^hops[u, v] over the valid v; uniform over all nodes not linked to u where no walk
    found one. A draw costs O(hops), whatever the size of the graph.

    Args:
        graph: the train graph.
        centres: u, shape [k].
        hops: steps of a walk.
        generator: source of randomness.
        walks: walks tried for each link.
        last_resort: what takes the place of the uniform draw; see `redraw_links`.
    """

    def ends(some: Tensor) -> Tensor:
        return walk_ends(graph, some, hops, generator)

    return redraw_links(graph, centres, ends, generator, walks - 1, last_resort)


def walk_ends(graph: Graph, starts: Tensor, steps: int, generator: Generator) -> Tensor:
    """Where one simple random walk from each start [k] stands after some steps, shape [k].

    A node without links is never left.
    """
    nodes = starts
    if graph.m == 0:
        return nodes
    for _ in range(steps):
        degree = graph.degree[nodes]
        uniform = torch.rand(nodes.numel(), generator=generator, device=nodes.device)
        chosen = torch.minimum((uniform * degree).long(), (degree - 1).clamp(min=0))
        arc = (graph.row_starts[nodes] + chosen).clamp(max=2 * graph.m - 1)
        nodes = torch.where(degree > 0, graph.arcs[1][arc], nodes)
    return nodes
