"""Do probabilities mean what they say? Brier score and calibration error."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neglink.evaluation.ranks import checked

Bins = Literal["equal_count", "equal_width"]


def brier(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Mean squared distance of the probability from 1 (link) or 0 (negative); [0, 1], lower better.

    It depends on the share of links among the pairs. Source: Brier (1950).

    Raises:
        ValueError: a score lies outside [0, 1].

    >>> brier([1.0], [0.5])
    0.125
    """
    predicted, observed = _labelled(positives, negatives)
    return float(((predicted - observed) ** 2).mean())


def calibration(
    positives: ArrayLike, negatives: ArrayLike, bins: int = 15, kind: Bins = "equal_count"
) -> dict[str, Any]:
    """Predicted probability against the observed share of links, bin by bin.

    The expected calibration error is the distance of the two, averaged over the pairs; [0, 1],
    lower is better. Source: Naeini, Cooper & Hauskrecht (2015); bins of equal count, Nguyen &
    O'Connor (2015): scores that crowd at one end leave bins of equal width nearly empty.

    Args:
        positives: probabilities of the links, shape [p].
        negatives: probabilities of the negatives, shape [q] or [p, c].
        bins: number of bins asked for; equal probabilities are never parted, so there may be
            fewer of equal count, and empty ones of equal width are left out.
        kind: bins with equally many pairs, or of equal width.

    Returns:
        "brier", "error", and "bins": of each its lowest and highest probability (`equal_width`:
        its bounds), count, mean predicted probability, observed share of links.

    Raises:
        ValueError: a score lies outside [0, 1], or bins < 1.
    """
    predicted, observed = _labelled(positives, negatives)
    if bins < 1:
        raise ValueError(f"bins={bins}: must be at least 1")
    which = (
        _equal_width(predicted, bins) if kind == "equal_width" else _equal_count(predicted, bins)
    )
    used, which = np.unique(which, return_inverse=True)
    count = np.bincount(which)
    mean = np.bincount(which, weights=predicted) / count
    share = np.bincount(which, weights=observed) / count
    low, high = (
        _bounds(predicted, which) if kind == "equal_count" else (used / bins, (used + 1) / bins)
    )
    return {
        "brier": float(((predicted - observed) ** 2).mean()),
        "error": float((count * abs(mean - share)).sum() / predicted.size),
        "bins": [
            dict(zip(("low", "high", "count", "predicted", "observed"), row, strict=True))
            for row in zip(
                low.tolist(),
                high.tolist(),
                count.tolist(),
                mean.tolist(),
                share.tolist(),
                strict=True,
            )
        ],
    }


def _labelled(
    positives: ArrayLike, negatives: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All probabilities and 1 for a link, 0 for a negative; both flat."""
    links, others = checked(positives, negatives)
    predicted = np.concatenate([links, others.ravel()]).astype(np.float64)
    if predicted.min() < 0 or predicted.max() > 1:
        raise ValueError(
            f"scores lie in [{predicted.min():g}, {predicted.max():g}], not probabilities: apply "
            "the sigmoid to logits first"
        )
    return predicted, np.repeat([1.0, 0.0], [links.size, others.size])


def _equal_width(predicted: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    return np.minimum((predicted * bins).astype(np.int64), bins - 1)


def _equal_count(predicted: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Bin by the place of the first pair of the same probability in ascending order."""
    place = np.searchsorted(np.sort(predicted), predicted, side="left")
    return place * bins // predicted.size


def _bounds(
    predicted: NDArray[np.float64], which: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest probability of each bin; no bin is empty."""
    order = np.argsort(predicted)
    starts = np.searchsorted(which[order], np.arange(which.max() + 1))
    ends = np.append(starts[1:], predicted.size) - 1
    return predicted[order][starts], predicted[order][ends]
