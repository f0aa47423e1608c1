"""Where each link stands among negatives: the counts from which every metric is computed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ties = Literal["optimistic", "pessimistic", "mean"]
"""Rank of a link that scores the same as negatives: before them, behind them, or halfway."""

Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Places:
    """Counts for each link against its negatives; p links."""

    better: NDArray[np.int64]
    """Negatives that score above the link, shape [p]."""
    equal: NDArray[np.int64]
    """Negatives that score the same as the link, shape [p]."""
    count: int
    """Negatives that each link is ranked against."""

    def ranks(self, ties: Ties) -> NDArray[np.float64]:
        """Rank of each link, 1 is best, shape [p]; halves occur with `mean`."""
        if ties not in ("optimistic", "pessimistic", "mean"):
            raise ValueError(f"ties={ties!r}: must be 'optimistic', 'pessimistic' or 'mean'")
        share = {"optimistic": 0.0, "mean": 0.5, "pessimistic": 1.0}[ties]
        return 1 + self.better + share * self.equal


def places(positives: ArrayLike, negatives: ArrayLike) -> Places:
    """Count the negatives above and level with each link.

    Args:
        positives: scores of the links, shape [p].
        negatives: scores of shared negatives, shape [q], or of each link's own, shape [p, c].

    Raises:
        ValueError: a wrong shape, nothing to rank, or a score that is not finite.
    """
    links, others = checked(positives, negatives)
    if others.ndim == 1:
        return _shared_places(links, others)
    better = (others > links[:, None]).sum(axis=1)
    equal = (others == links[:, None]).sum(axis=1)
    return Places(better, equal, others.shape[1])


def pooled_places(positives: ArrayLike, negatives: ArrayLike) -> Places:
    """As `places`, but every link is ranked against all negatives [q] or [p, c] together."""
    links, others = checked(positives, negatives)
    return _shared_places(links, others.ravel())


def _shared_places(links: Scores, others: Scores) -> Places:
    """By bisection: O((p + q) log q)."""
    ascending = np.sort(others)
    below = np.searchsorted(ascending, links, side="left")
    not_above = np.searchsorted(ascending, links, side="right")
    return Places(others.size - not_above, not_above - below, others.size)


def checked(positives: ArrayLike, negatives: ArrayLike) -> tuple[Scores, Scores]:
    """Both as floating arrays of one type.

    Raises:
        ValueError: as in `places`.
    """
    links, others = np.asarray(positives), np.asarray(negatives)
    kind = np.result_type(links, others, np.float32)
    links, others = links.astype(kind, copy=False), others.astype(kind, copy=False)
    if links.ndim != 1 or others.ndim not in (1, 2):
        raise ValueError(
            f"scores of links have shape {links.shape}, of negatives {others.shape}: expected [p] "
            "with [q] (shared negatives) or [p, c] (each link's own)"
        )
    if others.ndim == 2 and others.shape[0] != links.size:
        raise ValueError(f"{links.size} links, but negatives for {others.shape[0]}")
    if links.size == 0 or others.size == 0:
        raise ValueError(f"{links.size} links and {others.size} negatives: nothing to rank")
    for name, scores in (("links", links), ("negatives", others)):
        bad = int(np.count_nonzero(~np.isfinite(scores)))
        if bad:
            raise ValueError(f"{bad} of {scores.size} scores of {name} are NaN or infinite")
    return links, others
