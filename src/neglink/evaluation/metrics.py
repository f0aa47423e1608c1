"""Metrics of scored links and negatives, and what each of them declares about itself.

Scores are anything `np.asarray` takes, logits or probabilities; only their order counts, except
where a threshold or a probability is asked for. Negatives are shared by all links, shape [q], or
each link's own, shape [p, c]; auc, average_precision and the thresholds pool the latter. A score
that is NaN or infinite, or nothing to rank, is a ValueError everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neglink.evaluation.calibration import brier
from neglink.evaluation.ranks import Places, Ties, checked, places, pooled_places


def hits_at(
    k: int, positives: ArrayLike, negatives: ArrayLike, *, ties: Ties = "pessimistic"
) -> float:
    """Share of links with rank ≤ k, that is above the k-th best negative; [0, 1], higher is better.

    By default a tie with the k-th negative is a miss. Source: ogb.linkproppred.Evaluator (Hu et
    al., 2020).

    Args:
        k: at least 1.
        positives: scores of the links, shape [p].
        negatives: scores of negatives, shape [q], q ≥ k, or [p, c], c ≥ k.
        ties: rank of a link among negatives of the same score.

    Raises:
        ValueError: fewer than k negatives, where every link would be a hit (OGB returns 1).

    >>> hits_at(1, [3.0, 0.5], [1.0, 0.0])
    0.5
    """
    return hits_of(k, places(positives, negatives), ties)


def hits_of(k: int, at: Places, ties: Ties = "pessimistic") -> float:
    """`hits_at` of places that are already counted."""
    if k < 1 or at.count < k:
        raise ValueError(f"Hits@{k} of links ranked against {at.count} negatives says nothing")
    return float((at.ranks(ties) <= k).mean())


def mrr(positives: ArrayLike, negatives: ArrayLike, *, ties: Ties = "mean") -> float:
    """Mean of 1 / rank over the links; (0, 1], higher is better.

    With shared negatives each link is ranked against all of them. With `mean` ties it equals
    ogb.linkproppred.Evaluator (Hu et al., 2020). One relevant item a query, so MRR is also MAP.

    >>> mrr([3.0, 0.5], [[1.0, 0.0], [1.0, 0.0]])
    0.75
    """
    return mrr_of(places(positives, negatives), ties)


def mrr_of(at: Places, ties: Ties = "mean") -> float:
    """`mrr` of places that are already counted."""
    return float((1 / at.ranks(ties)).mean())


def ndcg(positives: ArrayLike, negatives: ArrayLike, *, ties: Ties = "mean") -> float:
    """Mean of 1 / log2(1 + rank): discounted gain with one relevant item; (0, 1], higher is better.

    Source: Järvelin & Kekäläinen (2002).
    """
    return ndcg_of(places(positives, negatives), ties)


def ndcg_of(at: Places, ties: Ties = "mean") -> float:
    """`ndcg` of places that are already counted."""
    return float((1 / np.log2(1 + at.ranks(ties))).mean())


def auc(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Probability that a link scores above a negative, ties ½: area under the ROC curve; [0, 1].

    Negatives of all links are pooled. Equals sklearn.metrics.roc_auc_score. Source: Hanley &
    McNeil (1982).

    >>> auc([1.0, 2.0], [1.0, 0.0])
    0.875
    """
    return auc_of(pooled_places(positives, negatives))


def auc_of(at: Places) -> float:
    """`auc` of pooled places that are already counted."""
    return float(1 - (at.better + 0.5 * at.equal).mean() / at.count)


def average_precision(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Precision at the score of each link, averaged over the links; (0, 1], higher is better.

    Links and negatives of the same score enter together. Negatives of all links are pooled. Its
    value under random scores grows with the share of links, so it is only comparable at the same
    number of negatives per link. Equals sklearn.metrics.average_precision_score.
    """
    return average_precision_of(positives, pooled_places(positives, negatives))


def average_precision_of(positives: ArrayLike, at: Places) -> float:
    """`average_precision` of pooled places that are already counted."""
    found = _at_least(np.asarray(positives))
    return float((found / (found + at.better + at.equal)).mean())


def precision(positives: ArrayLike, negatives: ArrayLike, threshold: float) -> float:
    """Share of links among the pairs that score ≥ threshold; [0, 1]; 0 where there is none."""
    hit, false, _ = _confusion(positives, negatives, threshold)
    return hit / (hit + false) if hit + false else 0.0


def recall(positives: ArrayLike, negatives: ArrayLike, threshold: float) -> float:
    """Share of the links that score ≥ threshold; [0, 1]."""
    hit, _, missed = _confusion(positives, negatives, threshold)
    return hit / (hit + missed)


def f1(positives: ArrayLike, negatives: ArrayLike, threshold: float) -> float:
    """Harmonic mean of precision and recall at a threshold; [0, 1]; 0 where both are 0."""
    hit, false, missed = _confusion(positives, negatives, threshold)
    return 2 * hit / (2 * hit + false + missed)


def best_threshold(positives: ArrayLike, negatives: ArrayLike) -> float:
    """The threshold of highest F1, to be chosen on validation; of equal ones the highest.

    It is the score of a link: moving a threshold down to a negative adds only a false positive.

    >>> best_threshold([3.0, 2.0], [2.5, 1.0])
    2.0
    """
    links, _ = checked(positives, negatives)
    found, false = _curve(positives, negatives)
    return _highest(links, 2 * found / (found + false + links.size))


def roc_threshold(positives: ArrayLike, negatives: ArrayLike) -> float:
    """The threshold of highest true minus false positive rate; of equal ones the highest.

    Source: Youden (1950).
    """
    links, others = checked(positives, negatives)
    found, false = _curve(positives, negatives)
    return _highest(links, found / links.size - false / others.size)


def _curve(
    positives: ArrayLike, negatives: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Links and negatives that score at least as high as each link, both [p]."""
    at = pooled_places(positives, negatives)
    return _at_least(np.asarray(positives)), at.better + at.equal


def _at_least(links: NDArray[np.floating]) -> NDArray[np.int64]:
    """How many links score at least as high as each link, itself included, [p]."""
    count: NDArray[np.int64] = links.size - np.searchsorted(np.sort(links), links, side="left")
    return count


def _highest(links: NDArray[np.floating], value: NDArray[np.floating]) -> float:
    """The highest score among the links of highest value."""
    return float(links[value >= value.max() - 1e-12].max())


def _confusion(
    positives: ArrayLike, negatives: ArrayLike, threshold: float
) -> tuple[int, int, int]:
    """True positives, false positives, false negatives at score ≥ threshold."""
    links, others = checked(positives, negatives)
    hit = int((links >= threshold).sum())
    return hit, int((others >= threshold).sum()), links.size - hit


Needs = Literal["order", "threshold", "probabilities"]


@dataclass(frozen=True)
class Metric:
    """A metric and what holds for every value of it."""

    name: str
    function: Callable[..., float] = field(repr=False)
    """f(positives, negatives), and the threshold where one is needed."""
    low: float = 0.0
    """No value is below."""
    high: float = 1.0
    """No value is above."""
    higher_is_better: bool = True
    needs: Needs = "order"
    """What the function looks at: the order of scores, a threshold too, or probabilities."""
    chance: Callable[[int, int], float] | None = field(default=None, repr=False)
    """Expected value for p links and q shared negatives of random scores, where known."""


def _chance_hits(k: int, p: int, q: int) -> float:
    return min(k / (q + 1), 1.0)


def _chance_mrr(p: int, q: int) -> float:
    return float((1 / np.arange(1, q + 2)).mean())


def _chance_ndcg(p: int, q: int) -> float:
    return float((1 / np.log2(np.arange(2, q + 3))).mean())


def _chance_ap(p: int, q: int) -> float:
    """Mean over the places i of (1 + expected links before i, given a link at i) / i."""
    total = p + q
    place = np.arange(1, total + 1)
    return float(((1 + (place - 1) * (p - 1) / (total - 1)) / place).mean())


def _hits(k: int) -> Metric:
    return Metric(f"hits@{k}", partial(hits_at, k), chance=partial(_chance_hits, k))


METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        *(_hits(k) for k in (1, 3, 10, 20, 30, 50, 100)),
        Metric("mrr", mrr, chance=_chance_mrr),
        Metric("ndcg", ndcg, chance=_chance_ndcg),
        Metric("auc", auc, chance=lambda p, q: 0.5),
        Metric("ap", average_precision, chance=_chance_ap),
        Metric("precision", precision, needs="threshold"),
        Metric("recall", recall, needs="threshold"),
        Metric("f1", f1, needs="threshold"),
        Metric("brier", brier, higher_is_better=False, needs="probabilities"),
    )
}
"""Every metric by the name that it has in results; `metric` also knows Hits@K for any other K."""


def metric(name: str) -> Metric:
    """The metric called `name`.

    Raises:
        ValueError: there is none.

    >>> metric("hits@7").higher_is_better
    True
    """
    kind, _, k = name.partition("@")
    if kind == "hits" and k.isdecimal() and int(k) > 0:
        return METRICS.get(name, _hits(int(k)))
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; known: hits@K, {', '.join(sorted(METRICS))}")
    return METRICS[name]
