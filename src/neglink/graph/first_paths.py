"""Uniform draws from the nodes two or three hops away, with no set of them ever made.

A walk of d steps to a node at distance d is a shortest path to it. Of all shortest paths to a node
call that one first whose second node is smallest, then its third. Walks are drawn so that all are
equally likely, and one that is no first path is thrown away; every node has exactly one, so what
remains is uniform over the nodes. A try costs a look at the links of the two ends, or, over three
hops, of the neighbours of one of them: nothing grows with the graph.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Generator, Tensor

from neglink.graph.graph import Graph
from neglink.graph.neighbours import share_neighbour, three_steps_apart
from neglink.graph.ragged import offsets

FARTHEST = 3
"""Most hops whose first paths are told."""
TRIES_AT_ONCE = 2**14
"""Tries handled together, so that their intermediate values stay in the cache."""
ENTRIES = 2**16
"""Neighbours looked at together, for the same reason."""


class FirstPaths:
    """Walks of `nearest` to `farthest` steps from each node, and which of them are first paths.

    Raises:
        ValueError: distances other than 2 and 3.
    """

    def __init__(self, graph: Graph, nearest: int, farthest: int) -> None:
        if not 2 <= nearest <= farthest <= FARTHEST:
            raise ValueError(f"hops {nearest} to {farthest}: expected 2 to {FARTHEST}")
        self.graph = graph
        self.lengths = range(nearest, farthest + 1)
        starts, tails = graph.row_starts, graph.arcs[1]
        self.count = {1: graph.degree}
        """Steps → walks of so many steps from each node, [n]."""
        self._before: dict[int, Tensor] = {}
        """Steps → walks of so many steps from the tails of all arcs before each arc, [2m + 1]."""
        for steps in range(1, farthest):
            self._before[steps] = offsets(self.count[steps][tails])
            self.count[steps + 1] = self._before[steps][starts].diff()

    @cached_property
    def walks(self) -> Tensor:
        """Walks of all lengths from each node, [n]; where 0, no node lies at these distances."""
        return torch.stack([self.count[steps] for steps in self.lengths]).sum(0)

    def draw(self, centres: Tensor, generator: Generator, tries: int) -> tuple[Tensor, Tensor]:
        """A uniform node at these distances from each centre.

        Args:
            centres: u, shape [k].
            generator: source of randomness.
            tries: walks tried for each centre.

        Returns:
            Nodes [k], and a mask [k] that is False where no try was a first path.
        """
        nodes, found = torch.zeros_like(centres), torch.zeros_like(centres, dtype=torch.bool)
        waiting = (self.walks[centres] > 0).nonzero().squeeze(-1)
        for _ in range(tries):
            if waiting.numel() == 0:
                break
            for part in torch.split(waiting, TRIES_AT_ONCE):
                drawn, first = self._try(centres[part], generator)
                nodes[part] = torch.where(first, drawn, 0)
                found[part] = first
            waiting = waiting[~found[waiting]]
        return nodes, found

    def _try(self, u: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The end of a uniform walk from each u, and whether the walk is a first path."""
        size, total = (u.numel(),), self.walks[u]
        uniform = torch.rand(size, generator=generator, device=u.device, dtype=torch.float64)
        rank = torch.minimum((uniform * total).long(), total - 1)
        ends, first = torch.zeros_like(u), torch.zeros_like(u, dtype=torch.bool)
        for steps in self.lengths:
            count = self.count[steps][u]
            own = ((rank >= 0) & (rank < count)).nonzero().squeeze(-1)
            path = self.walk(u[own], steps, rank[own])
            ends[own] = path[-1]
            first[own] = self.is_first(path)
            rank = rank - count  # below 0 where the walk was one of these
        return ends, first

    def walk(self, u: Tensor, steps: int, rank: Tensor) -> list[Tensor]:
        """The nodes of one of the walks from u [k], `rank` [k] in [0, count[steps][u])."""
        starts, tails = self.graph.row_starts, self.graph.arcs[1]
        path = [u]
        for left in range(steps - 1, 0, -1):
            before = self._before[left]
            rank = before[starts[path[-1]]] + rank
            arc = torch.searchsorted(before, rank, right=True) - 1
            rank = rank - before[arc]
            path.append(tails[arc])
        path.append(tails[starts[path[-1]] + rank])
        return path

    def is_first(self, path: list[Tensor]) -> Tensor:
        """Whether each walk, node by node [k], is the first of the shortest paths to its end."""
        ends = torch.stack([path[0], path[-1]])
        last_two = torch.stack([path[-3], path[-1]])
        first = ends[0] != ends[1]
        first &= ~self.graph.has_links(ends)
        self._keep(first, share_neighbour, last_two, path[-2])
        if len(path) == 4:
            self._keep(first, share_neighbour, ends)
            self._keep(first, three_steps_apart, ends, path[1])
        return first

    def _keep(
        self,
        first: Tensor,
        fails: Callable[..., Tensor],
        pairs: Tensor,
        below: Tensor | None = None,
    ) -> None:
        """Strike out, among those still `first`, the ones whose `pairs` have a smaller path."""
        at = first.nonzero().squeeze(-1)
        below = None if below is None else below[at]
        first[at] = ~fails(self.graph, pairs[:, at], below, ENTRIES)
