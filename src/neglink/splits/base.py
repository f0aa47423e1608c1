"""What a split and a protocol must give, and random pairs for both.

Settings are named in errors as in params.yaml: `split.…` and `evaluation.…`.
"""

import zlib
from dataclasses import dataclass
from typing import Literal
from typing import Protocol as Contract

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from neglink.graph import Graph
from neglink.graph.keys import Keys, once

Side = Literal["valid", "test"]
"""A side that is ranked."""
RANKED_SIDES: tuple[Side, Side] = ("valid", "test")


@dataclass(frozen=True, eq=False)
class Sides:
    """The links of a graph, each on one side; [2, *] int64, first id < second id, sorted."""

    train: Tensor
    valid: Tensor
    test: Tensor

    def of(self, side: Side) -> Tensor:
        """Links of a ranked side."""
        return self.valid if side == "valid" else self.test


@dataclass(frozen=True, eq=False)
class Ranked:
    """Links of one side and the negatives that they are ranked against; int64 ids."""

    positives: Tensor
    """Links, shape [2, p]; all of the side, or a sample of it."""
    negatives: Tensor
    """Shape [2, q] if `shared`, else [2, p, c]: the c negatives of each link."""
    shared: bool
    """Whether every link is ranked against the same negatives."""


class Split(Contract):
    """Divides the links of a graph. An implementation is a `registry.component`."""

    def divide(self, graph: Graph, rng: Generator) -> Sides:
        """Every link on exactly one side.

        Raises:
            SplitError: the graph does not allow it.
        """
        ...


class Protocol(Contract):
    """Chooses the ranked links and negatives. An implementation is a `registry.component`."""

    def rank(self, graph: Graph, sides: Sides, rng: Generator) -> dict[Side, Ranked]:
        """For both ranked sides, pairs that are no link of the whole graph.

        Args:
            graph: the whole graph.
            sides: its links, divided.
            rng: the only source of randomness.

        Raises:
            SplitError: the graph does not have the negatives asked for.
        """
        ...


def stream(seed: int, purpose: str) -> Generator:
    """The random numbers of one purpose, independent of those of every other."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def non_links(graph: Graph) -> int:
    """Number of pairs of distinct nodes that are no link."""
    return graph.n * (graph.n - 1) // 2 - graph.m


def distinct(rng: Generator, size: int, count: int) -> NDArray[np.int64]:
    """`count` distinct integers of [0, size), every subset and order equally likely.

    Memory is O(count), so size may be the number of all pairs of nodes.
    """
    if 2 * count > size:
        return rng.permutation(size)[:count]
    drawn = rng.integers(size, size=0)
    while drawn.size < count:  # each round misses less than half of what was missing
        drawn = once(np.append(drawn, rng.integers(size, size=count - drawn.size)))
    return rng.permutation(drawn)


def uniform_non_links(graph: Graph, count: int, rng: Generator) -> Keys:
    """Keys of `count` distinct non-links in random order; count ≤ `non_links(graph)`.

    Non-links are numbered in the order of their keys and drawn by number: exact, however few the
    non-links are. Of the pairs (0,1), (0,2), … before a non-link, number i has i non-links before
    it, and its place among all pairs is i plus the links before it.
    """
    n = graph.n
    first, second = graph.links.cpu().numpy()
    starts = _row_starts(n)
    link_places = starts[first] + second - first - 1  # ascending
    number = distinct(rng, non_links(graph), count)
    non_links_before = link_places - np.arange(link_places.size)
    place = number + np.searchsorted(non_links_before, number, side="right")
    head = np.searchsorted(starts, place, side="right") - 1
    keys: Keys = head * n + (place - starts[head] + head + 1)
    return keys


def _row_starts(n: int) -> NDArray[np.int64]:
    """Place of the pair (u, u + 1) among all pairs u < v in order, for u = 0 … n − 2."""
    u = np.arange(n - 1, dtype=np.int64)
    return u * n - u * (u + 1) // 2
