"""`Graph`: undirected links, node features, and what follows from them."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from neglink.graph.keys import keys_of, once
from neglink.graph.ragged import offsets
from neglink.graph.sparse import SparseMatrix, csr_tensor, index_dtype

BITS_LIMIT = 2**27
"""Largest n² for which links are kept as a bit table (16 MiB, what a cache holds); beyond it, a
filter tells most pairs that are none, and the rest are looked up among sorted keys."""
LOOKUP_BYTES = 8
"""Bytes of a bit table that are built in the time of one search among sorted keys."""
FILTER_BITS = 8
"""Least bits for each link of the table that spares most pairs the search among sorted keys."""
_MULTIPLIER = -0x61C8864680B583EB  # 2⁶⁴ / golden ratio, odd: spreads keys over the upper bits


@dataclass(frozen=True)
class Cleaning:
    """What `clean_links` found in a list of rows."""

    rows: int
    self_loops: int
    duplicates: int
    """Rows dropped because the same pair, in either direction, had come before."""
    reversed: int
    """Links that occur in both directions; 2 · links − … when the input was directed."""
    links: int


def clean_links(pairs: NDArray[Any], n: int) -> tuple[NDArray[np.int64], Cleaning]:
    """Undirected links of a list of node pairs: no self-loops, each once, smaller id first, sorted.

    Args:
        pairs: node ids, shape [2, rows], integers in [0, n).
        n: number of nodes.

    Returns:
        Links, shape [2, m], sorted by (first, second), and counts of what was dropped.

    Raises:
        ValueError: another shape, ids that are no integers, or an id outside [0, n).
    """
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[0] != 2:
        raise ValueError(
            f"pairs have shape {list(pairs.shape)}, expected [2, rows]: a pair in each column"
        )
    if pairs.dtype.kind not in "iuf":
        raise ValueError(f"node ids are of type {pairs.dtype}, expected integers")
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n):
        raise ValueError(f"node ids lie in [{pairs.min()}, {pairs.max()}], expected [0, {n})")
    if pairs.dtype.kind == "f" and (fraction := pairs != np.floor(pairs)).any():
        raise ValueError(f"a node id is {pairs[fraction][0]}, expected integers")
    pairs = pairs.astype(np.int64, copy=False)
    loops = pairs[0] == pairs[1]
    kept = pairs[:, ~loops]
    directed = once(kept[0] * n + kept[1])
    keys = once(keys_of(kept, n))
    links = np.stack([keys // n, keys % n]) if keys.size else np.zeros((2, 0), dtype=np.int64)
    cleaning = Cleaning(
        rows=int(pairs.shape[1]),
        self_loops=int(loops.sum()),
        duplicates=int(kept.shape[1] - keys.size),
        reversed=int(directed.size - keys.size),
        links=int(keys.size),
    )
    return links, cleaning


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph without self-loops. Letters: n nodes, m links, f features.

    Everything derived (degrees, adjacency, link tests) is computed on first use and kept. All
    tensors lie on one device.
    """

    n: int
    links: Tensor
    """Each link once, shape [2, m], int64, first id < second id, sorted."""
    features: SparseMatrix | Tensor | None = None
    """Node features [n, f]: sparse (bag of words), dense float32, or none."""
    labels: Tensor | None = None
    """Class of each node [n], int64; −1 where unknown. Never used to train a link predictor."""
    truth: dict[str, NDArray[Any]] = field(default_factory=dict)
    """What the planted graph knows about itself; see `datasets.planted`."""
    official: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Splits that come with the data: train, valid, test, pairs [2, k]; valid_neg and test_neg,
    pairs [2, q], or [2, k, c] where each link of the side has its own."""
    names: NDArray[np.str_] | None = None
    """Name of each node [n] where the input gave names in place of ids 0 … n − 1."""
    brief: bool = False
    """Made for one step, like a graph without the links of a batch: its links are not checked, and
    a bit table of them is made only where the look-ups of one call pay for it."""

    def __post_init__(self) -> None:
        """Refuse links that are not as stated.

        Raises:
            ValueError: not int64 [2, m]; a link twice or out of order, a first id that is not the
                smaller one, or an id outside [0, n).
        """
        if not self.brief and not self._links_as_stated():
            raise ValueError(
                f"links {list(self.links.shape)} of {self.links.dtype} are not what a graph holds: "
                f"int64 [2, m], first id < second id, sorted, each once, ids in [0, {self.n}). "
                "Pass them through neglink.graph.clean_links"
            )

    def _links_as_stated(self) -> bool:
        if self.links.dtype != torch.int64 or self.links.dim() != 2 or self.links.shape[0] != 2:
            return False
        if self.m == 0:
            return True
        first, second = self.links
        keys = self._keys(self.links)
        # as first id < second id < n, a negative id gives a negative key, and the least comes first
        in_range = (keys[0] >= 0) & (second.amax() < self.n)
        return bool(in_range & (first < second).all() & (keys[1:] > keys[:-1]).all())

    @property
    def m(self) -> int:
        """Number of links."""
        return int(self.links.shape[1])

    @property
    def f(self) -> int:
        """Number of features; 0 without any."""
        return 0 if self.features is None else int(self.features.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.links.device

    def with_links(self, links: Tensor) -> "Graph":
        """The same nodes and features with other links [2, m], already clean and sorted.

        Official splits stay behind: they hold links that the new graph may not know.
        """
        return replace(self, links=links, official={})

    def thinned(self, kept: Tensor) -> "Graph":
        """The same nodes with some of the links, `kept` bool [m]; its arcs come without sorting."""
        thin = replace(self, links=self.links[:, kept], official={}, brief=True)
        thin.__dict__["arcs"] = self.arcs[:, kept[self.arc_links]]
        return thin

    def to(self, device: torch.device | str) -> "Graph":
        """The same graph on another device."""
        if torch.device(device) == self.device:
            return self
        features = None if self.features is None else self.features.to(device)
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, links=self.links.to(device), features=features, labels=labels)

    @cached_property
    def arcs(self) -> Tensor:
        """Both directions of every link, shape [2, 2m], sorted by head, then tail."""
        keys = torch.cat([self._keys(self.links), self._keys(self.links.flip(0))]).sort().values
        return torch.stack([keys // self.n, keys % self.n])

    @cached_property
    def arc_links(self) -> Tensor:
        """Index into `links` of each arc, shape [2m]."""
        return self.index_of(self.arcs)

    @cached_property
    def degree(self) -> Tensor:
        """Number of links of each node, shape [n], int64."""
        return torch.bincount(self.links.flatten(), minlength=self.n)

    @cached_property
    def row_starts(self) -> Tensor:
        """Where each node's slice of `arcs` begins, shape [n + 1]."""
        return offsets(self.degree)

    @cached_property
    def scipy(self) -> Any:
        """The 0/1 adjacency without self-loops, scipy CSR [n, n], float32."""
        return scipy.sparse.csr_array(
            (
                np.ones(2 * self.m, dtype=np.float32),
                self.arcs[1].cpu().numpy().astype(np.int32),
                self.row_starts.cpu().numpy().astype(np.int32),
            ),
            shape=(self.n, self.n),
        )

    @cached_property
    def adjacency(self) -> SparseMatrix:
        """Â = D^-½ (A + I) D^-½ with D the degrees of A + I (Kipf & Welling, 2017, eq. 9)."""
        heads, tails = self.arcs
        nodes = torch.arange(self.n, device=self.device)
        scale = (1 + self.degree).to(torch.float32).rsqrt()
        # row u of A + I: its arcs in order, with u itself where it belongs
        before = torch.bincount(heads[tails < heads], minlength=self.n)  # arcs that precede u
        own = self.row_starts[:-1] + nodes + before
        place = torch.arange(heads.numel(), device=self.device) + heads + (tails > heads)
        columns = torch.empty(heads.numel() + self.n, dtype=torch.int64, device=self.device)
        values = torch.empty(columns.shape, dtype=torch.float32, device=self.device)
        columns[place], columns[own] = tails, nodes
        values[place], values[own] = scale[heads] * scale[tails], scale * scale
        rows = self.row_starts + torch.arange(self.n + 1, device=self.device)
        index = index_dtype(self.n, columns.numel())
        csr = csr_tensor(rows.to(index), columns.to(index), values, (self.n, self.n))
        return SparseMatrix(csr, csr)

    @cached_property
    def _bits(self) -> Tensor:
        """Bit table of the links, uint8 [⌈n²/8⌉]; built in numpy, once."""
        return _bit_table(self.arc_keys.cpu().numpy(), self.n * self.n).to(self.device)

    @cached_property
    def arc_keys(self) -> Tensor:
        """Every arc (u, v) as one number, u n + v, ascending [2m]."""
        return self._keys(self.arcs)

    def _keys(self, pairs: Tensor) -> Tensor:
        return pairs[0] * self.n + pairs[1]

    def _link_keys(self, pairs: Tensor) -> Tensor:
        """The key of each column of `pairs` [2, …] with its smaller id first."""
        return torch.minimum(*pairs) * self.n + torch.maximum(*pairs)

    def index_of(self, pairs: Tensor) -> Tensor:
        """Index into `links` of each column of `pairs` [2, k], all of which are links."""
        return torch.searchsorted(self._keys(self.links), self._link_keys(pairs))

    def has_links(self, pairs: Tensor) -> Tensor:
        """Which columns of `pairs` [2, …] are links, in either direction; bool of shape […]."""
        bits = self.n * self.n
        pays = not self.brief or pairs[0].numel() * LOOKUP_BYTES > bits // 8
        if bits <= BITS_LIMIT and pays:
            return _bits_at(self._bits, self._keys(pairs))
        if self.brief:
            return self.find_arcs(pairs)[1]
        may = _bits_at(self._filter, self._slots(self._link_keys(pairs)))  # most others are told
        return may.masked_scatter(may, self.find_arcs(pairs[:, may])[1])

    @property
    def _filter_width(self) -> int:
        """Binary digits of a slot: 2 to this power is at least `FILTER_BITS` · m."""
        return max(3, (FILTER_BITS * self.m - 1).bit_length())

    def _slots(self, keys: Tensor) -> Tensor:
        """Bit of `_filter` of each key: Bloom's filter with one hash (Bloom, 1970)."""
        width = self._filter_width
        return (keys * _MULTIPLIER >> (64 - width)) & ((1 << width) - 1)

    @cached_property
    def _filter(self) -> Tensor:
        """A bit for each link, at its key's slot, which others may share; uint8."""
        slots = self._slots(self._keys(self.links)).cpu().numpy()
        return _bit_table(slots, 1 << self._filter_width).to(self.device)

    def find_arcs(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Where each column of `pairs` [2, …] stands among `arcs`, and whether it is one at all.

        The place of a pair that is no arc means nothing, but lies inside.
        """
        keys = self._keys(pairs)
        if self.m == 0:
            return torch.zeros_like(keys), torch.zeros_like(keys, dtype=torch.bool)
        place = torch.searchsorted(self.arc_keys, keys).clamp_(max=self.arc_keys.numel() - 1)
        return place, self.arc_keys[place] == keys


def _bit_table(places: NDArray[np.int64], bits: int) -> Tensor:
    """So many bits, uint8 [⌈bits / 8⌉], of which those at `places` are set."""
    table = np.zeros((bits + 7) // 8, dtype=np.uint8)
    np.bitwise_or.at(table, places >> 3, (1 << (places & 7)).astype(np.uint8))
    return torch.from_numpy(table)


def _bits_at(table: Tensor, places: Tensor) -> Tensor:
    """The bits at `places` […] of a table of `_bit_table`, as bool […]."""
    return ((table[places >> 3] >> (places & 7)) & 1).bool()
