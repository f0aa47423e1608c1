"""All metrics of one run, as one JSON value."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from neglink.evaluation import metrics
from neglink.evaluation.ranks import Places, Ties, places, pooled_places

KS = (10, 20, 30, 50, 100)


def evaluate(
    valid_positives: ArrayLike,
    valid_negatives: ArrayLike,
    test_positives: ArrayLike,
    test_negatives: ArrayLike,
    ks: Sequence[int] = KS,
    ties: Ties | None = None,
) -> dict[str, Any]:
    """Metrics of both sides; precision, recall and F1 at the validation threshold of highest F1.

    Args:
        valid_positives: scores of validation links, shape [p].
        valid_negatives: scores of their negatives, shape [q] or [p, c].
        test_positives: as for validation; p may differ.
        test_negatives: as for validation.
        ks: the K of Hits@K.
        ties: rank of a link among negatives of the same score; None: pessimistic for Hits@K,
            mean for MRR and NDCG, as OGB does.

    Returns:
        "valid" and "test": hits@K (None where there are fewer than K negatives), mrr, ndcg, auc,
        ap, precision, recall, f1. "ties": hits@K, mrr and ndcg of the test side under each rule;
        where they differ much, the scores are too coarse to rank by. "threshold", and "counts".

    Raises:
        ValueError: a score is not finite, or shapes do not fit.
    """
    threshold = metrics.best_threshold(valid_positives, valid_negatives)
    at = places(test_positives, test_negatives)
    rules: tuple[Ties, ...] = get_args(Ties)
    by_rule = {rule: _ranking(at, ks, rule) for rule in rules}
    return {
        "valid": _side(valid_positives, valid_negatives, ks, ties, threshold),
        "test": _side(test_positives, test_negatives, ks, ties, threshold),
        "ties": {name: {rule: by_rule[rule][name] for rule in rules} for name in by_rule["mean"]},
        "threshold": threshold,
        "counts": {
            "valid_positives": int(np.size(valid_positives)),
            "valid_negatives": int(np.size(valid_negatives)),
            "test_positives": int(np.size(test_positives)),
            "test_negatives": int(np.size(test_negatives)),
        },
    }


def _side(
    positives: ArrayLike,
    negatives: ArrayLike,
    ks: Sequence[int],
    ties: Ties | None,
    threshold: float,
) -> dict[str, float | None]:
    """All metrics of one side."""
    pooled = pooled_places(positives, negatives)
    return _ranking(places(positives, negatives), ks, ties) | {
        "auc": metrics.auc_of(pooled),
        "ap": metrics.average_precision_of(positives, pooled),
        "precision": metrics.precision(positives, negatives, threshold),
        "recall": metrics.recall(positives, negatives, threshold),
        "f1": metrics.f1(positives, negatives, threshold),
    }


def _ranking(at: Places, ks: Sequence[int], ties: Ties | None) -> dict[str, float | None]:
    """The metrics that depend on the rule for ties."""
    hits = {
        f"hits@{k}": metrics.hits_of(k, at, ties or "pessimistic") if at.count >= k else None
        for k in ks
    }
    return hits | {
        "mrr": metrics.mrr_of(at, ties or "mean"),
        "ndcg": metrics.ndcg_of(at, ties or "mean"),
    }
