"""Enclosing subgraphs of many node pairs at once, and the distance labels of their nodes.

Subgraphs are laid out one after the other, so that a batch of them is one block-diagonal graph.
They are collected for blocks of pairs with a table of pair × node, small enough that a block's
links can never pass `ENTRIES`; every step works on all pairs of a block, and loops run over hops.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from neglink.graph.graph import Graph
from neglink.graph.ragged import offsets, owners, slices, spread
from neglink.graph.sparse import SparseMatrix, csr_tensor, index_dtype

ENTRIES = 2**25
"""Most nodes and arcs that a block of pairs may visit: bounds memory at about 1 GB."""
KEPT_TABLE = 2**24
"""Largest table that stays with its graph for the next call (64 MiB)."""
_TABLE = "_subgraph_table"

Enclosing = Literal["union", "intersection"]


@dataclass(frozen=True, eq=False)
class Subgraphs:
    """Subgraphs of k pairs as one graph of N nodes and E arcs; pair after pair, nodes ascending."""

    nodes: Tensor
    """Node of the whole graph that each node stands for, shape [N]."""
    sizes: Tensor
    """Nodes of each subgraph, shape [k], int64."""
    ends: Tensor
    """Where u and v of each pair stand among the N nodes, shape [2, k], int64."""
    starts: Tensor
    """Where each node's slice of `columns` begins, shape [N + 1]."""
    columns: Tensor
    """Where the neighbours of each node stand among the N nodes, ascending, shape [E]."""

    @classmethod
    def join(cls, parts: "list[Subgraphs]") -> "Subgraphs":
        """Several batches as one, in their order."""
        nodes = torch.tensor([0, *(part.n for part in parts)]).cumsum(0).tolist()
        arcs = torch.tensor([0, *(part.columns.numel() for part in parts)]).cumsum(0).tolist()
        index = index_dtype(nodes[-1], arcs[-1])
        starts = [part.starts[:-1].to(index) + a for part, a in zip(parts, arcs, strict=False)]
        last = torch.tensor([arcs[-1]], dtype=index, device=parts[0].nodes.device)
        return cls(
            torch.cat([part.nodes for part in parts]),
            torch.cat([part.sizes for part in parts]),
            torch.cat([part.ends + n for part, n in zip(parts, nodes, strict=False)], 1),
            torch.cat([*starts, last]),
            torch.cat([part.columns.to(index) + n for part, n in zip(parts, nodes, strict=False)]),
        )

    @property
    def n(self) -> int:
        """Number of nodes, N."""
        return int(self.nodes.numel())

    @property
    def k(self) -> int:
        """Number of pairs."""
        return int(self.sizes.numel())

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, `reverse` included."""
        own = (self.nodes, self.sizes, self.ends, self.starts, self.columns)
        return sum(part.numel() * part.element_size() for part in own) + 8 * self.columns.numel()

    @property
    def pair(self) -> Tensor:
        """Index of the pair that each node belongs to, shape [N]."""
        return owners(self.sizes, self.n)

    @property
    def degree(self) -> Tensor:
        """Number of links of each node inside its subgraph, shape [N], int64."""
        return self.starts.diff().long()

    @property
    def arcs(self) -> Tensor:
        """Both directions of every link as positions in the batch, [2, E], by head, then tail."""
        return torch.stack([owners(self.degree, self.columns.numel()), self.columns.long()])

    @cached_property
    def reverse(self) -> Tensor:
        """Index of the opposite arc of each arc, shape [E], int64."""
        return torch.argsort(self.columns, stable=True)

    def product(self, values: Tensor) -> SparseMatrix:
        """The matrix [N, N] with these values [E] on the arcs."""
        opposite = values.index_select(0, self.reverse)
        shape = (self.n, self.n)
        return SparseMatrix(
            csr_tensor(self.starts, self.columns, values, shape),
            csr_tensor(self.starts, self.columns, opposite, shape),
        )

    def adjacency(self, dtype: torch.dtype = torch.float32) -> SparseMatrix:
        """The symmetric 0/1 matrix [N, N]."""
        values = torch.ones(self.columns.numel(), dtype=dtype, device=self.nodes.device)
        csr = csr_tensor(self.starts, self.columns, values, (self.n, self.n))
        return SparseMatrix(csr, csr)

    def places(self, chosen: Tensor) -> Tensor:
        """Positions of the nodes of the subgraphs with these indices [q], one after the other."""
        first = torch.cumsum(self.sizes, 0) - self.sizes
        return slices(first[chosen], self.sizes[chosen])

    def select(self, chosen: Tensor) -> "Subgraphs":
        """The subgraphs with these indices [q], in this order."""
        first = torch.cumsum(self.sizes, 0) - self.sizes
        sizes = self.sizes[chosen]
        here = self.places(chosen)  # [N']
        moved = torch.cumsum(sizes, 0) - sizes - first[chosen]  # of each pair
        begin = self.starts[first[chosen]].long()
        count = self.starts[(first + self.sizes)[chosen]].long() - begin
        columns = self.columns[slices(begin, count)]
        columns = columns + spread(moved.to(columns.dtype), count, columns.numel())
        starts = offsets(self.starts[here + 1] - self.starts[here])
        return Subgraphs(
            self.nodes[here], sizes, self.ends[:, chosen] + moved, starts.to(self.starts), columns
        )

    def keep(self, mask: Tensor) -> "Subgraphs":
        """The same subgraphs without the nodes where `mask` [N] is False; u and v must stay."""
        place = torch.cumsum(mask, 0) - 1  # new position of the nodes that stay
        heads, tails = self.arcs
        arcs = mask[heads] & mask[tails]
        stay = mask.nonzero().squeeze(1)
        index = self.columns.dtype
        degree = torch.bincount(heads[arcs], minlength=self.n)[stay]
        return Subgraphs(
            self.nodes[stay],
            torch.bincount(self.pair[stay], minlength=self.k),
            place[self.ends],
            offsets(degree).to(index),
            place[tails[arcs]].to(index),
        )

    def distances(self, limit: int | None = None) -> Tensor:
        """Distances [2, N] inside the subgraph: from u with v taken out, from v with u taken out.

        Args:
            limit: largest distance looked for; none looks for all.

        Returns:
            int64; −1 where there is no path (within the limit), and at the end taken out.
        """
        n, device = self.n, self.nodes.device
        distance = torch.full((2 * n,), -1, device=device)  # both searches run side by side
        shift = torch.tensor([[0], [n]], device=device)
        distance[(self.ends.flip(0) + shift).flatten()] = -2  # taken out: never reached
        frontier = (self.ends + shift).flatten()
        distance[frontier] = 0
        mark = torch.empty(2 * n, dtype=torch.int64, device=device)
        step = 0
        while frontier.numel() and (limit is None or step < limit):
            step += 1
            side = torch.where(frontier >= n, n, 0)
            node = frontier - side
            begin = self.starts[node].long()
            count = self.starts[node + 1].long() - begin
            found = self.columns[slices(begin, count)].long()
            found += spread(side, count, found.numel())
            found = found[distance[found] == -1]
            distance[found] = step
            frontier = _once(found, mark)
        return distance.clamp_(min=-1).view(2, n)


def double_radius_labels(subgraphs: Subgraphs) -> Tensor:
    """Labels [N], int64, that tell the nodes of an enclosing subgraph apart by their distances.

    1 + min(d_u, d_v) + (d // 2)(d // 2 + d % 2 − 1) with d = d_u + d_v and distances as in
    `Subgraphs.distances`; 1 for u and v, 0 where either cannot be reached.
    Source: Zhang & Chen (2018), eq. 10 (DRNL).
    """
    from_u, from_v = subgraphs.distances()
    both = from_u + from_v
    half = both // 2
    labels = 1 + torch.minimum(from_u, from_v) + half * (half + both % 2 - 1)
    labels = torch.where((from_u < 0) | (from_v < 0), 0, labels)
    labels[subgraphs.ends.flatten()] = 1
    return labels


def within(subgraphs: Subgraphs, hops: int) -> tuple[Subgraphs, Tensor]:
    """The subgraphs without nodes farther than `hops` from u or from v, and the distances left.

    Distances [2, N], int64, are those before the pruning; u has (0, 1) and v has (1, 0).
    Source: Teru et al. (2020), section 3.1, steps 1 and 2, as their code measures them.
    """
    distance = subgraphs.distances(hops)
    ends = subgraphs.ends
    distance[:, ends[0]] = torch.tensor([[0], [1]], device=distance.device)
    distance[:, ends[1]] = torch.tensor([[1], [0]], device=distance.device)
    mask = (distance >= 0).all(0)
    return subgraphs.keep(mask), distance[:, mask]


def enclosing_subgraphs(
    graph: Graph,
    pairs: Tensor,
    hops: int,
    *,
    enclosing: Enclosing = "union",
    per_hop: int | None = None,
) -> Subgraphs:
    """The subgraphs that enclose pairs, without the link between the two nodes of a pair.

    Args:
        graph: the only source of links.
        pairs: (u, v), u ≠ v, shape [2, k]; both orders give the same nodes and links.
        hops: radius of the neighbourhoods, measured without the link (u, v).
        enclosing: `union` takes the nodes within `hops` of u or v (Zhang & Chen, 2018), and
            `intersection` those within `hops` of u and v, and u and v (Teru et al., 2020).
        per_hop: most nodes that a hop may add to the neighbourhood: of the pair under `union`, of
            each end under `intersection`. The choice is a fixed pseudo-random one for each pair.

    Returns:
        Subgraphs of all pairs, in their order.
    """
    count = max(1, ENTRIES // (graph.n + 2 * graph.m))
    sides = 1 if enclosing == "union" else 2
    table = _take_table(graph, sides * min(count, pairs.shape[1]) * graph.n)
    parts = [
        _block(graph, part, hops, enclosing, per_hop, table)
        for part in torch.split(pairs, count, dim=1)
    ]
    graph.__dict__[_TABLE] = table if table.numel() <= KEPT_TABLE else None
    return parts[0] if len(parts) == 1 else Subgraphs.join(parts)


def _take_table(graph: Graph, size: int) -> Tensor:
    """At least `size` times −1, int32: the table kept with the graph if it is large enough.

    It is taken from the graph while in use, so that after an error none is left half written.
    """
    kept: Tensor | None = graph.__dict__.pop(_TABLE, None)
    if kept is not None and kept.numel() >= size:
        return kept
    return torch.full((size,), -1, dtype=torch.int32, device=graph.device)


def _block(
    graph: Graph, pairs: Tensor, hops: int, enclosing: Enclosing, per_hop: int | None, table: Tensor
) -> Subgraphs:
    """`enclosing_subgraphs` of one block. `table` holds −1 before and after."""
    n, k = graph.n, pairs.shape[1]
    rows = torch.arange(k, device=graph.device) * n
    ends = pairs + rows  # as keys pair · n + node
    if enclosing == "union":
        keys = _neighbourhoods(graph, ends, ends.flip(0), pairs, hops, per_hop, table)
        table[keys] = -1
    else:
        shift = torch.tensor([[0], [k * n]], device=graph.device)  # v's neighbourhoods after u's
        seeds, other = (ends + shift).reshape(1, -1), (ends.flip(0) + shift).reshape(1, -1)
        twice = pairs.repeat(1, 2)
        reached = _neighbourhoods(graph, seeds, other, twice, hops, per_hop, table)
        keys = reached[reached >= k * n] - k * n
        keys = torch.cat([keys[table[keys] >= 0], ends.flatten()])
        table[reached] = -1
    keys = _distinct(keys)
    nodes, pair = keys % n, keys // n
    table[keys] = torch.arange(keys.numel(), dtype=table.dtype, device=table.device)
    result = _induced(graph, pairs, table[ends].long(), keys, nodes, table)
    table[keys] = -1
    sizes = torch.bincount(pair, minlength=k)
    return Subgraphs(nodes.to(index_dtype(n)), sizes, *result)


def _neighbourhoods(
    graph: Graph,
    seeds: Tensor,
    other: Tensor,
    pairs: Tensor,
    hops: int,
    per_hop: int | None,
    table: Tensor,
) -> Tensor:
    """Keys row · n + node of all nodes within `hops` of the seeds of each row, unordered.

    Args:
        graph: whose links are walked.
        seeds: keys of the nodes to start from, shape [s, rows].
        other: key that each seed's first hop must not take: the pair's other end, [s, rows].
        pairs: the pair of each row, [2, rows]: chooses under `per_hop`.
        hops: radius.
        per_hop: see `enclosing_subgraphs`.
        table: −1 everywhere; afterwards not negative at the keys, and only there.
    """
    n = graph.n
    frontier, banned = seeds.flatten(), other.flatten()
    table[frontier] = 0
    levels = [frontier]
    for hop in range(hops):
        node = frontier % n
        begin, count = graph.row_starts[node], graph.degree[node]
        places = slices(begin, count)
        found = graph.arcs[1][places] + spread(frontier - node, count, places.numel())
        fresh = table[found] < 0
        if hop == 0:
            fresh &= found != spread(banned, count, places.numel())
        found = found[fresh]
        frontier = _once(found, table)
        if per_hop is not None:
            table[frontier] = -1
            frontier = _capped(frontier, pairs, n, per_hop)
            table[frontier] = 0
        levels.append(frontier)
    return torch.cat(levels)


def _capped(keys: Tensor, pairs: Tensor, n: int, limit: int) -> Tensor:
    """At most `limit` keys of each row: those of least hash of pair and node."""
    row, node = keys // n, keys % n
    low, high = pairs.min(0).values, pairs.max(0).values
    mixed = mix(mix(mix(low) + high)[row] + node) & (2**31 - 1)
    order = torch.argsort((row << 31) | mixed)
    keys, row = keys[order], row[order]
    rank = torch.arange(keys.numel(), device=keys.device)
    first = torch.searchsorted(row, torch.arange(pairs.shape[1], device=keys.device))
    return keys[rank - first[row] < limit]


def mix(x: Tensor) -> Tensor:
    """A bijection of 64-bit integers that leaves no pattern: the finaliser of SplitMix64."""
    x = (x ^ ((x >> 30) & (2**34 - 1))) * -4658895280553007687
    x = (x ^ ((x >> 27) & (2**37 - 1))) * -7723592293110705685
    return x ^ ((x >> 31) & (2**33 - 1))


def _induced(
    graph: Graph, pairs: Tensor, ends: Tensor, keys: Tensor, nodes: Tensor, table: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Ends, starts and columns of `Subgraphs`; `table` gives the position of each key."""
    begin, count = graph.row_starts[nodes], graph.degree[nodes]
    places = slices(begin, count)
    tails = graph.arcs[1][places] + spread(keys - nodes, count, places.numel())
    columns = table[tails]
    inside = columns >= 0
    before = offsets(count)
    # the arcs of a linked pair: their place in the graph gives their place here
    for one, two, at in ((pairs[0], pairs[1], ends[0]), (pairs[1], pairs[0], ends[1])):
        place, linked = graph.find_arcs(torch.stack([one, two]))
        inside[(before[at] + place - graph.row_starts[one])[linked]] = False
    starts = offsets(inside)[before]
    columns = columns[inside]
    index = index_dtype(columns.numel(), keys.numel())
    return ends, starts.to(index), columns.to(index)


def _once(found: Tensor, mark: Tensor) -> Tensor:
    """The distinct entries; writes `mark` there. Faster than sorting, in no certain order."""
    number = torch.arange(found.numel(), dtype=mark.dtype, device=mark.device)
    mark[found] = number
    return found[mark[found] == number]


def _distinct(keys: Tensor) -> Tensor:
    """The distinct keys, ascending."""
    ordered = keys.sort().values
    new = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]
