"""The planted graph: links drawn from probabilities that are known for every pair.

Where every p(u, v) is known, so is the best possible ranking, and a false negative can be counted
instead of guessed: what no real graph offers.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import scipy.sparse
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from neglink.errors import DataError
from neglink.graph import Graph, clean_links
from neglink.graph.io import feature_matrix
from neglink.registry import component

Floats = NDArray[np.float64]

SOLVER_PAIRS = 2_000_000
"""Pairs on which the scale is solved; all pairs where there are no more."""

BLOCK = 1 << 20
"""Candidate pairs, or entries of a features block, that are in memory at once."""


@component
class Planted:
    """Degree-corrected latent-position graph with a bag of words per node.

    1. Each node gets a class, evenly; a position z = centre of the class + standard normal noise
       in `dimensions`; and a weight θ from a power law, of mean 1.
    2. w(u, v) = θ_u θ_v exp(−|z_u − z_v|² / 2 reach²), times `mixing` where the classes differ.
    3. p(u, v) = c·w / (1 + c·w), with c such that the mean degree fits. Each pair is linked with
       its own p, independently of all others.
    4. Word t has a place a_t in the same space; node u holds it with probability
       1 − exp(−λ_ut), where λ_u sums to `words_per_node` and is a mixture of
       exp(−|z_u − a_t|² / 2 word_reach²) and of noise that knows nothing of u.

    Time and memory grow with the links, not with n², in step 3; in step 4 with n · features.
    Sources: Hoff, Raftery and Handcock (2002) for the positions; Karrer and Newman (2011) for the
    degrees.
    """

    nodes: Annotated[int, Field(ge=10, le=10_000_000)] = 1000
    """Number of nodes n."""
    mean_degree: Annotated[float, Field(gt=0)] = 10.0
    """Expected links per node; the graph at hand differs from it by chance."""
    exponent: Annotated[float, Field(gt=2, le=100)] = 2.5
    """Exponent of the power law of θ: nearer to 2 gives greater hubs, 100 gives equal nodes."""
    classes: Annotated[int, Field(ge=1)] = 5
    """Number of classes, which are also the labels."""
    separation: Annotated[float, Field(ge=0)] = 1.5
    """Standard deviation of the class centres per dimension; 0 lets the classes coincide."""
    mixing: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor on w across classes; smaller means stronger homophily."""
    dimensions: Annotated[int, Field(ge=1, le=64)] = 4
    """Dimensions of the latent space."""
    reach: Annotated[float, Field(gt=0)] = 1.2
    """Distance over which w falls; greater brings the graph nearer to one of degrees alone."""
    features: Annotated[int, Field(ge=0)] = 500
    """Number of words f; 0 gives a graph without features."""
    words_per_node: Annotated[float, Field(gt=0)] = 18.0
    """Expected number of draws from the words; the words that a node holds are slightly fewer."""
    word_reach: Annotated[float, Field(gt=0)] = 1.0
    """Distance over which a word is used; greater makes features say less about the position."""
    word_noise: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the draws that say nothing about the node; 1 makes features pure noise."""

    def build(self, seed: int) -> Graph:
        """The graph of a seed, with what `link_probability` needs in `truth`.

        Raises:
            DataError: the mean degree is out of reach for so few nodes.
        """
        rng = np.random.default_rng(seed)
        labels, positions = self._positions(rng)
        truth = {
            "theta": self._weights(rng),
            "positions": positions,
            "classes": labels,
            "reach": np.float64(self.reach),
            "mixing": np.float64(self.mixing),
        }
        truth["scale"] = np.float64(self._scale(truth, rng))
        links, _ = clean_links(_draw_links(truth, rng), self.nodes)
        return Graph(
            n=self.nodes,
            links=torch.from_numpy(links),
            features=feature_matrix(self._words(positions, rng)),
            labels=torch.from_numpy(labels),
            truth={name: np.asarray(value) for name, value in truth.items()},
        )

    def _positions(self, rng: Generator) -> tuple[NDArray[np.int64], Floats]:
        centres = self.separation * rng.standard_normal((self.classes, self.dimensions))
        labels = rng.permutation(np.arange(self.nodes) % self.classes)
        noise = rng.standard_normal((self.nodes, self.dimensions))
        return labels, centres[labels] + noise

    def _weights(self, rng: Generator) -> Floats:
        """θ from the power law, cut at √n: beyond it a node would be linked to nearly all."""
        theta = (1 - rng.random(self.nodes)) ** (-1 / (self.exponent - 1))
        theta = np.minimum(theta, np.sqrt(self.nodes))
        return np.asarray(theta / theta.mean())

    def _scale(self, truth: dict[str, Any], rng: Generator) -> float:
        """The c for which the mean p over pairs is mean_degree / (n − 1)."""
        target = self.mean_degree / (self.nodes - 1)
        if target > 0.5:
            raise DataError(
                f"planted graph: mean_degree={self.mean_degree:g} is more than half of the "
                f"{self.nodes - 1} other nodes. Lower it, or raise nodes"
            )
        from scipy.optimize import brentq  # slow to import, and only needed here

        w = _affinity(truth, _some_pairs(self.nodes, rng))

        def excess(log_scale: float) -> float:
            x = np.exp(log_scale) * w
            return float((x / (1 + x)).mean() - target)

        low = high = float(np.log(target / max(w.mean(), 1e-200)))  # p ≤ c·w: c is at least this
        while excess(high) < 0:
            if high > low + 100:
                raise DataError(
                    "planted graph: no scale gives the mean degree; most pairs are out of each "
                    f"other's reach={self.reach:g}. Raise it, or lower separation"
                )
            high += 2
        return float(np.exp(brentq(excess, low - 1, high, xtol=1e-10)))

    def _words(self, positions: Floats, rng: Generator) -> Any:
        """0/1 CSR matrix [n, f], drawn in blocks of rows; None without words."""
        if self.features == 0:
            return None
        nodes = rng.integers(self.nodes, size=self.features)
        places = positions[nodes] + rng.standard_normal((self.features, self.dimensions))
        noise = rng.pareto(1.0, self.features) + 1  # common and rare words
        noise *= self.word_noise / noise.sum()
        rows = max(1, BLOCK // self.features)
        blocks = []
        for start in range(0, self.nodes, rows):
            near = _closeness(positions[start : start + rows], places, self.word_reach)
            rate = self.words_per_node * ((1 - self.word_noise) * near + noise)
            held = rng.random(rate.shape) < -np.expm1(-rate)
            blocks.append(scipy.sparse.csr_array(held.astype(np.float32)))
        return scipy.sparse.vstack(blocks, format="csr")


def is_planted(graph: Graph) -> bool:
    """Whether the true link probabilities of this graph are known."""
    return "scale" in graph.truth


def link_probability(graph: Graph, pairs: Any) -> Floats:
    """The true p(u, v) of pairs; the best possible score of any predictor.

    Args:
        graph: made by `Planted`, or by `with_links` from such a graph.
        pairs: numpy array or tensor [2, k]; the order of u and v does not matter.

    Returns:
        Probabilities [k], float64; 0 where u = v.

    Raises:
        DataError: the graph is not a planted one.
    """
    if not is_planted(graph):
        raise DataError("link probabilities are known for a planted graph only; this is another")
    pairs = np.asarray(pairs.cpu() if isinstance(pairs, torch.Tensor) else pairs)
    parts = np.array_split(pairs, max(1, -(-pairs.shape[1] // BLOCK)), axis=1)
    return np.concatenate([_probability(graph.truth, part) for part in parts])


def _probability(truth: dict[str, Any], pairs: NDArray[np.int64]) -> Floats:
    x = truth["scale"] * _affinity(truth, pairs)
    return np.where(pairs[0] == pairs[1], 0.0, x / (1 + x))


def _affinity(truth: dict[str, Any], pairs: NDArray[np.int64]) -> Floats:
    """w(u, v), shape [k]."""
    u, v = pairs
    theta, positions, classes = truth["theta"], truth["positions"], truth["classes"]
    squares = ((positions[u] - positions[v]) ** 2).sum(axis=1)
    same = np.where(classes[u] == classes[v], 1.0, truth["mixing"])
    w: Floats = theta[u] * theta[v] * same * np.exp(-squares / (2 * truth["reach"] ** 2))
    return w


def _closeness(positions: Floats, places: Floats, reach: float) -> Floats:
    """Row-wise shares ∝ exp(−|z − a|² / 2 reach²), shape [rows, f]."""
    squares = (positions**2).sum(1)[:, None] - 2 * positions @ places.T + (places**2).sum(1)[None]
    exponents = -squares / (2 * reach**2)
    near = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return np.asarray(near / near.sum(axis=1, keepdims=True))


def _some_pairs(n: int, rng: Generator) -> NDArray[np.int64]:
    """All pairs u < v, or `SOLVER_PAIRS` uniform ones of them, shape [2, k]."""
    if n * (n - 1) // 2 <= SOLVER_PAIRS:
        return np.stack(np.triu_indices(n, 1))
    u = rng.integers(n, size=SOLVER_PAIRS)
    return np.stack([u, (u + rng.integers(1, n, size=SOLVER_PAIRS)) % n])


def _draw_links(truth: dict[str, Any], rng: Generator) -> NDArray[np.int64]:
    """Independent draws of all pairs, shape [2, m], without visiting all pairs.

    Nodes are put into bins of θ by powers of 2. Within a pair of bins every p is at most
    q = x / (1 + x) with x the scale times the bins' greatest θ. Candidates come with probability
    q each (by geometric gaps), and stay with probability p / q: exact, in time ∝ candidates.
    """
    theta = truth["theta"]
    bins = np.floor(np.log2(theta)).astype(np.int64)
    members = [np.flatnonzero(bins == value) for value in np.unique(bins)]
    drawn = []
    for i, first in enumerate(members):
        for second in members[: i + 1]:
            x = truth["scale"] * theta[first].max() * theta[second].max()
            for pairs in _candidates(first, second, x / (1 + x), rng):
                keep = rng.random(pairs.shape[1]) * x / (1 + x) < _probability(truth, pairs)
                drawn.append(pairs[:, keep])
    return np.concatenate(drawn, axis=1)


def _candidates(
    first: NDArray[np.int64], second: NDArray[np.int64], q: float, rng: Generator
) -> Iterator[NDArray[np.int64]]:
    """Each pair of first × second with probability q; within one bin, each unordered pair once."""
    within = first is second
    cells = first.size * second.size
    place, step = -1, min(BLOCK, int(cells * q * 1.1) + 64)
    while place < cells:
        gaps = np.minimum(rng.geometric(q, size=step), cells + 1)  # so that the sum cannot overflow
        places = place + np.cumsum(gaps)
        place = int(places[-1])
        places = places[places < cells]
        rows, columns = np.divmod(places, second.size)
        if within:
            rows, columns = rows[rows < columns], columns[rows < columns]
        yield np.stack([first[rows], second[columns]])
