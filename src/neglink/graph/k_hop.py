"""Uniform draws from the nodes within K hops, or at exactly K hops, for many centres at once.

The sets of all nodes are one bit table, grown a hop at a time by OR-ing the rows of neighbours:
O(K · m · n / 8) bytes of work, n²/8 bytes of memory and at most half as much for counts, and
drawing is an exact rank-select with no rejection: bisect on counts down to 64 bits, then the bit
by arithmetic on all its bytes at once. Graphs whose table would pass `TABLE_LIMIT` draw walks
until one is the first shortest path to its end (`first_paths`); where a set is a good part of the
graph, any node until one lies in it; else they make the sets of the centres asked for, by sparse
products.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from neglink.graph.first_paths import FARTHEST, FirstPaths
from neglink.graph.graph import Graph
from neglink.graph.neighbours import fewer_links_first, share_neighbour, three_steps_apart

TABLE_LIMIT = 2**28
"""Largest bit table in bytes (256 MiB, n ≈ 46,000)."""
BLOCK_BYTES = 2**25
WORDS_PER_BLOCK = 8
"""64-bit words between two entries of each row's count; within a block words have their own."""
CENTRES_AT_ONCE = 512
WITHIN = 3
"""Most hops that `within_hops` tells."""
REJECTION_ROUNDS = 200
"""Nodes tried for a centre before its whole set is made."""
TRIES = 50
"""Walks tried for a centre before its whole set is made."""
LOOKUPS_PER_WALK = 0.5
"""Tested neighbours that cost as much as one walk followed by sparse products; measured."""
DRAWS_AT_ONCE = 2**16
"""Draws handled together, so that their intermediate values stay in the cache."""

_ONES = 0x0101010101010101
_HIGH = -0x7F7F7F7F7F7F7F80  # 0x80 in every byte, as a signed number


def _nth_bits() -> Tensor:
    """Place of the r-th set bit of byte b at [8 b + r]; 0 where b has fewer."""
    table = torch.zeros(256, 8, dtype=torch.int64)
    for byte in range(256):
        places = [bit for bit in range(8) if byte >> bit & 1]
        table[byte, : len(places)] = torch.tensor(places, dtype=torch.int64)
    return table.flatten()


_NTH_BIT = _nth_bits()


class KHopSets:
    """S(u) = nodes more than `inner` and at most `hops` hops from u.

    With `inner` = 1 these are the nodes within `hops` that are neither u nor linked to u; with
    `inner` = hops − 1 those at exactly `hops`.
    """

    def __init__(self, graph: Graph, hops: int, inner: int = 1) -> None:
        self.graph = graph
        self.hops = hops
        self.inner = inner
        self._words = -(-graph.n // (64 * WORDS_PER_BLOCK)) * WORDS_PER_BLOCK  # in each row
        self._table: Tensor | None = None
        if graph.n * self._words * 8 <= TABLE_LIMIT:
            self._build()

    def _build(self) -> None:
        n, device = self.graph.n, self.graph.device
        table = _ball_table(self.graph, self.hops, self.inner, self._words)
        self._table = torch.from_numpy(table.view(np.int64)).flatten().to(device)
        counts = np.bitwise_count(table).reshape(n, -1, WORDS_PER_BLOCK)  # [n, blocks, 8]
        blocks = counts.sum(2, dtype=np.int32)
        # entries before each word of its block, and before each block of its row; the rows are
        # padded to a power of two, which bisecting needs, with a rank that no node has
        within = counts.cumsum(2, dtype=np.int16) - counts
        row = 1 << (blocks.shape[1] - 1).bit_length()
        before = np.full((n, row), np.iinfo(np.int32).max, dtype=np.int32)
        before[:, : blocks.shape[1]] = blocks.cumsum(1, dtype=np.int32) - blocks
        self._within = torch.from_numpy(within.astype(np.int16)).flatten().to(device)
        self._before = torch.from_numpy(before).to(device)
        self._size = torch.from_numpy(blocks.sum(1, dtype=np.int64)).to(device)

    def sizes(self, centres: Tensor) -> Tensor:
        """|S(u)| of each centre, shape [k]."""
        if self._table is not None:
            return self._size[centres]
        return torch.cat(
            [torch.from_numpy(np.diff(rows.indptr)).long() for rows in self._blocks(centres)]
        )

    def draw(self, centres: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """A uniform node of S(u) for each centre.

        Args:
            centres: u, shape [k].
            generator: source of randomness.

        Returns:
            Nodes [k], and a mask [k] that is False where S(u) is empty (the node is then 0).
        """
        uniform = torch.rand(
            centres.numel(), generator=generator, device=centres.device, dtype=torch.float64
        )
        if self._table is None:
            return self._draw_without_table(centres, uniform, generator)
        size = self._size[centres]
        rank = torch.minimum((uniform * size).long(), (size - 1).clamp(min=0))
        parts = (torch.split(part, DRAWS_AT_ONCE) for part in (centres, rank))
        nodes = torch.cat([self._select(*part) for part in zip(*parts, strict=True)])
        found = size > 0
        return nodes * found, found

    def contains(self, centres: Tensor, nodes: Tensor) -> Tensor:
        """Whether v ∈ S(u) for each u of `centres` and v of `nodes`, bool [k]."""
        if self._table is not None:
            word = self._table[centres * self._words + (nodes >> 6)]
            return ((word >> (nodes & 63)) & 1).bool()
        pairs = torch.stack([centres, nodes])
        return within_hops(self.graph, pairs, self.hops) & ~within_hops(
            self.graph, pairs, self.inner
        )

    def _select(self, centres: Tensor, rank: Tensor) -> Tensor:
        """The node with this rank in each centre's set: block, then word, then byte, then bit."""
        assert self._table is not None
        width = self._before.shape[1]
        block, rank = _bisect(self._before.flatten(), centres * width, width, rank)
        place = centres * self._words + block * WORDS_PER_BLOCK
        word, rank = _bisect(self._within, place, WORDS_PER_BLOCK, rank)
        return (block * WORDS_PER_BLOCK + word) * 64 + _nth_bit(self._table[place + word], rank)

    def _blocks(self, centres: Tensor) -> Iterator[Any]:
        """CSR rows of S for successive blocks of centres."""
        adjacency = self.graph.scipy
        for part in torch.split(centres.cpu(), CENTRES_AT_ONCE):
            nodes = part.numpy()
            # 32-bit like the adjacency: of two index types scipy copies the larger matrix each time
            index = adjacency.indices.dtype
            own = scipy.sparse.csr_array(
                (np.ones(nodes.size, np.float32), nodes.astype(index),
                 np.arange(nodes.size + 1, dtype=index)),
                shape=(nodes.size, self.graph.n),
            )  # fmt: skip
            ball = closed = reached = own
            for hop in range(self.hops):
                before, ball = ball, ball + reached @ adjacency
                ball.data[:] = 1
                if hop + 1 < self.hops:
                    reached = ball - before  # only the newly reached have links yet to follow
                    reached.eliminate_zeros()
                closed = ball if hop < self.inner else closed
            shell = (ball - closed).tocsr()
            shell.eliminate_zeros()
            yield shell

    def _draw_without_table(
        self, centres: Tensor, uniform: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """By the cheapest of three exact ways for each centre: walks, rejection, its whole set.

        Rejection draws any node until one lies in the set, so it pays where the set is a good part
        of the graph: there the set has as many members as nodes, and a test looks at two
        neighbourhoods only. Walks pay where fewer start at a centre than there are nodes: many of
        them would else share an end.
        """
        nodes, found = torch.zeros_like(centres), torch.zeros_like(centres, dtype=torch.bool)
        if self._paths is not None:
            walking = self._walks[centres].nonzero().squeeze(-1)
            nodes[walking], found[walking] = self._paths.draw(centres[walking], generator, TRIES)
        waiting = (self._rejects[centres] & ~found).nonzero().squeeze(-1)
        for _ in range(REJECTION_ROUNDS):
            if waiting.numel() == 0:
                break
            size = (waiting.numel(),)
            drawn = torch.randint(self.graph.n, size, generator=generator, device=centres.device)
            inside = self.contains(centres[waiting], drawn)
            nodes[waiting[inside]] = drawn[inside]
            found[waiting[inside]] = True
            waiting = waiting[~inside]
        rest = (~found).nonzero().squeeze(-1)  # never tried, or unlucky
        if rest.numel():
            nodes[rest], found[rest] = self._draw_by_products(centres[rest], uniform[rest])
        return nodes, found

    @cached_property
    def _paths(self) -> FirstPaths | None:
        """Walks of the lengths that end in S, where they can be told; none for an empty graph."""
        nearest = self.inner + 1
        told = 2 <= nearest <= self.hops <= FARTHEST and self.graph.m > 0
        return FirstPaths(self.graph, nearest, self.hops) if told else None

    @cached_property
    def _walks(self) -> Tensor:
        """Which centres are drawn by walks, bool [n]."""
        assert self._paths is not None
        return self._paths.walks < self.graph.n

    @cached_property
    def _rejects(self) -> Tensor:
        """Which centres are drawn by rejection: an estimate from numbers of walks, bool [n]."""
        n, degree = self.graph.n, self.graph.degree.double()
        if self._paths is None:
            return torch.zeros_like(degree, dtype=torch.bool)
        walks = self._paths.count[self.hops].double()
        share = -torch.expm1(-walks / n)  # of the nodes, if walks ended anywhere alike
        test = degree if self.hops == 2 else degree * (degree @ degree) / degree.sum()
        rejects = test < LOOKUPS_PER_WALK * walks * share.clamp(min=1e-12)
        return rejects & (share > 1 / REJECTION_ROUNDS)

    def _draw_by_products(self, centres: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """The set of each distinct centre is made once, whatever the number of its draws."""
        distinct, place = torch.unique(centres.cpu(), return_inverse=True)
        order = place.argsort(stable=True).numpy()
        ends = torch.bincount(place).cumsum(0).numpy()
        chance = uniform.cpu().numpy()
        tails, found = np.zeros(order.size, dtype=np.int64), np.zeros(order.size, dtype=bool)
        first = 0
        for rows in self._blocks(distinct):
            last = first + rows.shape[0]
            draws = order[ends[first - 1] if first else 0 : ends[last - 1]]
            row = place.numpy()[draws] - first
            size = np.diff(rows.indptr)[row]
            rank = np.minimum((chance[draws] * size).astype(np.int64), np.maximum(size - 1, 0))
            if rows.nnz:
                at = np.minimum(rows.indptr[row] + rank, rows.nnz - 1)
                tails[draws] = np.where(size > 0, rows.indices[at], 0)
            found[draws] = size > 0
            first = last
        return torch.from_numpy(tails).to(centres.device), torch.from_numpy(found).to(
            centres.device
        )


def within_hops(graph: Graph, pairs: Tensor, hops: int) -> Tensor:
    """Whether the nodes of each column of `pairs` [2, k] are at most `hops` apart, bool [k].

    Looks at the neighbours of both ends alone; `hops` is at most 3.

    Raises:
        ValueError: hops is larger.
    """
    if hops > WITHIN:
        raise ValueError(f"hops={hops}: expected at most {WITHIN}")
    near = pairs[0] == pairs[1]
    if hops >= 1:
        near |= graph.has_links(pairs)
    if hops >= 2:
        near[~near] = share_neighbour(graph, pairs[:, ~near])
    if hops == 3:
        rest = (~near).nonzero().squeeze(-1)
        near[rest] = three_steps_apart(graph, fewer_links_first(graph, pairs[:, rest]))
    return near


def _bisect(before: Tensor, start: Tensor, width: int, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Last place of `before`[start : start + width] whose count is ≤ rank, and rank − that count.

    `width` is a power of two, the counts ascend, the first of them is 0.
    """
    place = start
    step = width // 2
    while step:
        place = place + step * (before.index_select(0, place + step) <= rank)
        step //= 2
    return place - start, rank - before[place]


def _nth_bit(word: Tensor, rank: Tensor) -> Tensor:
    """Place of the rank-th set bit (from 0) of each 64-bit word, [k]."""
    count = word - ((word >> 1) & 0x5555555555555555)
    count = (count & 0x3333333333333333) + ((count >> 2) & 0x3333333333333333)
    count = (count + (count >> 4)) & 0x0F0F0F0F0F0F0F0F  # set bits of each byte
    running = count * _ONES  # and of the bytes up to each, none above 64
    passed = (((rank * _ONES | _HIGH) - running) >> 7) & _ONES  # 1 where rank ≥ running
    shift = ((passed * _ONES) >> 56).clamp_(max=7) * 8
    rank = rank - (((running << 8) >> shift) & 0xFF)
    byte = (word >> shift) & 0xFF
    return shift + _NTH_BIT.to(word.device)[byte * 8 + rank.clamp_(0, 7)]


def _ball_table(graph: Graph, hops: int, inner: int, words: int) -> NDArray[np.uint64]:
    """Bit table [n, words] of S(u); the bit of v is v mod 64 of word v div 64."""
    nodes = np.arange(graph.n)
    ball = np.zeros((graph.n, words), dtype=np.uint64)
    ball[nodes, nodes >> 6] = np.uint64(1) << (nodes & 63).astype(np.uint64)
    closed = ball
    for hop in range(hops):
        ball = _grow(graph, ball)
        closed = ball if hop < inner else closed
    return ball & ~closed


def _grow(graph: Graph, ball: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each row OR-ed with the rows of its neighbours, in blocks of nodes."""
    grown = ball.copy()
    starts = graph.row_starts.cpu().numpy()
    tails = graph.arcs[1].cpu().numpy()
    per_block = max(1, BLOCK_BYTES // (8 * ball.shape[1]))
    first = 0
    while first < graph.n:
        last = int(np.searchsorted(starts, starts[first] + per_block, side="right")) - 1
        last = min(max(last, first + 1), graph.n)
        linked = np.flatnonzero(np.diff(starts[first : last + 1])) + first
        if linked.size:
            rows = ball[tails[starts[first] : starts[last]]]
            merged = np.bitwise_or.reduceat(rows, starts[linked] - starts[first], axis=0)
            grown[linked] |= merged
        first = last
    return grown
