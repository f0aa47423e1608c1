"""What no predictor can beat, and how often a negative is a hidden link."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neglink.evaluation.evaluate import KS, evaluate
from neglink.evaluation.ranks import Ties


def ceiling(
    valid_positives: ArrayLike,
    valid_negatives: ArrayLike,
    test_positives: ArrayLike,
    test_negatives: ArrayLike,
    ks: Sequence[int] = KS,
    ties: Ties | None = None,
) -> dict[str, Any]:
    """`evaluate` with the true link probabilities as scores.

    Pairs are independent given their probabilities, and ranking by them is the best there is
    (Neyman & Pearson, 1933): in expectation no predictor has a higher AUC on the same graph.
    On one test set a predictor may lie above by chance.

    Args:
        valid_positives: true probabilities of the ranked validation links, shape [p].
        valid_negatives: of their negatives, [q] or [p, c].
        test_positives: as for validation.
        test_negatives: as for validation.
        ks: the K of Hits@K.
        ties: see `evaluate`.

    Raises:
        ValueError: a value lies outside [0, 1].
    """
    groups = (valid_positives, valid_negatives, test_positives, test_negatives)
    if any(np.min(group) < 0 or np.max(group) > 1 for group in groups):
        raise ValueError("true probabilities must lie in [0, 1]")
    return evaluate(*groups, ks=ks, ties=ties)


def false_negative_share(
    negatives: ArrayLike, graph_links: ArrayLike, train_links: ArrayLike
) -> dict[str, Any]:
    """How many negatives that a sampler drew are hidden links.

    A hidden link is a link of the whole graph that the train graph does not have. A pair counts
    as often as it was drawn, in either direction.

    Args:
        negatives: drawn pairs, shape [2, k].
        graph_links: links of the whole graph, shape [2, m].
        train_links: links of the train graph, shape [2, t].

    Returns:
        "drawn", "false" (how many are hidden links), "share" (None where nothing was drawn).

    >>> false_negative_share([[0, 0], [1, 2]], [[1, 2], [0, 3]], [[2], [3]])
    {'drawn': 2, 'false': 1, 'share': 0.5}
    """
    drawn, whole, train = (np.asarray(pairs) for pairs in (negatives, graph_links, train_links))
    n = 1 + max((int(pairs.max()) for pairs in (drawn, whole, train) if pairs.size), default=0)
    hidden = np.setdiff1d(_keys(whole, n), _keys(train, n))
    false = int(np.isin(_keys(drawn, n), hidden).sum())
    count = int(drawn.shape[1])
    return {"drawn": count, "false": false, "share": false / count if count else None}


def _keys(pairs: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Keys min · n + max of each pair [2, k]: equal in either direction."""
    keys: NDArray[np.int64] = pairs.min(axis=0) * n + pairs.max(axis=0)
    return keys
