"""Uniform draws from the nodes within K hops, for many centres at once.

The sets of all nodes are one bit table, grown a hop at a time by OR-ing the rows of neighbours:
O(K · m · n / 8) bytes of work, n²/8 bytes of memory, and drawing is an exact rank-select with no
rejection. Graphs whose table would pass `TABLE_LIMIT` get their sets by sparse products, for the
centres asked for alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from neglink.graph.graph import Graph

TABLE_LIMIT = 2**28
"""Largest bit table in bytes (256 MiB, n ≈ 46,000)."""
BLOCK_BYTES = 2**25
WORD_BYTES = 64
"""Bytes between two entries of the running count of each row."""
CENTRES_AT_ONCE = 512

_POPCOUNT = torch.tensor([bin(b).count("1") for b in range(256)], dtype=torch.int64)


class KHopSets:
    """S(u) = nodes within `hops` of u that are neither u nor linked to u."""

    def __init__(self, graph: Graph, hops: int) -> None:
        self.graph = graph
        self.hops = hops
        width = -(-graph.n // (8 * WORD_BYTES)) * WORD_BYTES
        self._table: Tensor | None = None
        if graph.n * width <= TABLE_LIMIT:
            self._build(width)

    def _build(self, width: int) -> None:
        table = _ball_table(self.graph, self.hops, width)
        self._table = torch.from_numpy(table).to(self.graph.device)
        counts = (
            np.bitwise_count(table).reshape(self.graph.n, -1, WORD_BYTES).sum(2, dtype=np.int64)
        )
        self._running = torch.from_numpy(counts.cumsum(1)).to(self.graph.device)  # [n, words]

    def sizes(self, centres: Tensor) -> Tensor:
        """|S(u)| of each centre, shape [k]."""
        if self._table is not None:
            return self._running[centres, -1]
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
            return self._draw_by_products(centres, uniform)
        size = self._running[centres, -1]
        rank = torch.minimum((uniform * size).long(), (size - 1).clamp(min=0))
        return self._select(centres, rank), size > 0

    def _select(self, centres: Tensor, rank: Tensor) -> Tensor:
        """The node with this rank in each centre's set: word, then byte, then bit."""
        assert self._table is not None
        word = torch.searchsorted(self._running[centres], rank[:, None], right=True).squeeze(-1)
        word = word.clamp_(max=self._running.shape[1] - 1)
        before = torch.where(word > 0, self._running[centres, (word - 1).clamp(min=0)], 0)
        rank = rank - before
        offsets = torch.arange(WORD_BYTES, device=centres.device)
        chunk = self._table[centres[:, None], word[:, None] * WORD_BYTES + offsets]  # [k, bytes]
        running = _POPCOUNT.to(centres.device)[chunk.long()].cumsum(1)
        byte = torch.searchsorted(running, rank[:, None], right=True).squeeze(-1)
        byte = byte.clamp_(max=WORD_BYTES - 1)
        rows = torch.arange(centres.numel(), device=centres.device)
        rank = rank - torch.where(byte > 0, running[rows, (byte - 1).clamp(min=0)], 0)
        bits = (chunk[rows, byte].long()[:, None] >> torch.arange(8, device=centres.device)) & 1
        bit = torch.searchsorted(bits.cumsum(1), rank[:, None], right=True).squeeze(-1)
        return ((word * WORD_BYTES + byte) * 8 + bit).clamp_(max=self.graph.n - 1)

    def _blocks(self, centres: Tensor) -> Iterator[Any]:
        """CSR rows of S for successive blocks of centres."""
        adjacency = self.graph.scipy
        for part in torch.split(centres.cpu(), CENTRES_AT_ONCE):
            nodes = part.numpy()
            own = scipy.sparse.csr_array(
                (np.ones(nodes.size, np.float32), (np.arange(nodes.size), nodes)),
                shape=(nodes.size, self.graph.n),
            )
            ball = own
            for _ in range(self.hops):
                ball = ball + ball @ adjacency
                ball.data[:] = 1
            ball = (ball - adjacency[nodes] - own).tocsr()
            ball.eliminate_zeros()
            yield ball

    def _draw_by_products(self, centres: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        tails, found, start = [], [], 0
        for rows in self._blocks(centres):
            size = np.diff(rows.indptr)
            part = uniform[start : start + size.size].cpu().numpy()
            rank = np.minimum((part * size).astype(np.int64), np.maximum(size - 1, 0))
            place = np.minimum(rows.indptr[:-1] + rank, max(rows.nnz - 1, 0))
            chosen = rows.indices[place] if rows.nnz else np.zeros(size.size, dtype=np.int64)
            tails.append(np.where(size > 0, chosen, 0))
            found.append(size > 0)
            start += size.size
        return (
            torch.from_numpy(np.concatenate(tails)).long().to(centres.device),
            torch.from_numpy(np.concatenate(found)).to(centres.device),
        )


def _ball_table(graph: Graph, hops: int, width: int) -> NDArray[np.uint8]:
    """Bit table [n, width] of S(u)."""
    n = graph.n
    nodes = np.arange(n)
    own = np.zeros((n, width), dtype=np.uint8)
    own[nodes, nodes >> 3] = (1 << (nodes & 7)).astype(np.uint8)
    ball = own.copy()
    for _ in range(hops):
        ball = _grow(graph, ball)
    return ball & ~_grow(graph, own)


def _grow(graph: Graph, ball: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each row OR-ed with the rows of its neighbours, in blocks of nodes."""
    words = ball.view(np.uint64)
    grown = words.copy()
    starts = graph.row_starts.cpu().numpy()
    tails = graph.arcs[1].cpu().numpy()
    per_block = max(1, BLOCK_BYTES // ball.shape[1])
    first = 0
    while first < graph.n:
        last = int(np.searchsorted(starts, starts[first] + per_block, side="right")) - 1
        last = min(max(last, first + 1), graph.n)
        linked = np.flatnonzero(np.diff(starts[first : last + 1])) + first
        if linked.size:
            rows = words[tails[starts[first] : starts[last]]]
            merged = np.bitwise_or.reduceat(rows, starts[linked] - starts[first], axis=0)
            grown[linked] |= merged
        first = last
    return grown.view(np.uint8)
