"""Is one run family better than another? Differences paired by seed, and many of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neglink.evaluation.intervals import SAME, interval

EXACT = 20
"""Most pairs for which all 2ⁿ sign patterns are looked at; beyond, `DRAWS` random ones."""
DRAWS = 100_000


def paired(
    a: Mapping[int, float], b: Mapping[int, float], level: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """Compare a with b on the seeds that both have, which fix the same split for both.

    Two tests of the mean difference being 0, both two-sided: the paired t-test, and the sign-flip
    permutation test, which assumes nothing but that a and b are exchangeable within a seed. The
    latter is exact up to 20 seeds; its smallest possible value is 2 / 2ⁿ, so with fewer than 6
    seeds it cannot fall below .05. Sources: Student (1908); Fisher (1935), chapter 21.

    Args:
        a: seed to value.
        b: seed to value.
        level: of the interval of the mean difference a − b (Student's t).
        seed: of the random sign patterns; not used up to 20 seeds.

    Returns:
        JSON values: "n", "mean_difference", "interval", "p_t", "p_permutation". The last three
        are None for one seed, p_t also where every difference is the same and not 0.

    Raises:
        ValueError: no seed in common, or a value that is not finite.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise ValueError(f"no seed in common: {sorted(a)} and {sorted(b)}")
    difference = np.array([a[s] - b[s] for s in seeds], dtype=np.float64)
    found = interval(difference.tolist(), level)
    several = difference.size > 1
    return {
        "n": len(seeds),
        "mean_difference": float(difference.mean()),
        "interval": asdict(found) if found else None,
        "p_t": _p_t(difference) if several else None,
        "p_permutation": _p_permutation(difference, seed) if several else None,
    }


def holm(pvalues: Sequence[float]) -> list[float]:
    """p-values adjusted for being many, in the given order: reject where the result is ≤ α.

    The i-th smallest of m is multiplied by m − i + 1, and none is below a smaller one before it.
    The chance of any false rejection is then at most α, however the tests depend on each other.
    Source: Holm (1979).

    Raises:
        ValueError: a value outside [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(pvalues, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values must lie in [0, 1]; got {list(pvalues)}")
    order = np.argsort(values, kind="stable")
    factors = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * factors).clip(max=1)
    return [float(value) for value in adjusted]


def _p_t(difference: NDArray[np.float64]) -> float | None:
    """Two-sided p of the one-sample t-test of the differences against 0."""
    if np.ptp(difference) <= SAME * abs(difference).max():
        return None if difference.any() else 1.0
    t = difference.mean() / (difference.std(ddof=1) / np.sqrt(difference.size))
    from scipy import special  # slow to import

    return float(2 * special.stdtr(difference.size - 1, -abs(t)))


def _p_permutation(difference: NDArray[np.float64], seed: int) -> float:
    """Share of sign patterns whose sum is at least as far from 0 as the one observed."""
    size = abs(difference)
    reached = abs(difference.sum()) - 1e-12 * size.sum()  # equal sums may differ in the last bits
    if difference.size <= EXACT:
        return float((abs(_signed_sums(size)) >= reached).mean())
    signs = np.random.default_rng(seed).integers(2, size=(DRAWS, size.size), dtype=np.int8) * 2 - 1
    extreme = int((abs(signs @ size) >= reached).sum())
    return (extreme + 1) / (DRAWS + 1)  # the observed pattern is one of those that could be drawn


def _signed_sums(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of `size` under all 2ⁿ sign patterns."""
    sums = np.zeros(1)
    for value in size:
        sums = np.concatenate([sums + value, sums - value])
    return sums
