"""How well scores tell links from negatives, and how sure that is. numpy and scipy only."""

from neglink.evaluation.calibration import brier, calibration
from neglink.evaluation.ceiling import ceiling, false_negative_share
from neglink.evaluation.comparison import holm, paired
from neglink.evaluation.evaluate import evaluate
from neglink.evaluation.intervals import interval, summary
from neglink.evaluation.metrics import (
    METRICS,
    Metric,
    auc,
    average_precision,
    best_threshold,
    f1,
    hits_at,
    metric,
    mrr,
    ndcg,
    precision,
    recall,
    roc_threshold,
)

__all__ = [
    "METRICS",
    "Metric",
    "auc",
    "average_precision",
    "best_threshold",
    "brier",
    "calibration",
    "ceiling",
    "evaluate",
    "f1",
    "false_negative_share",
    "hits_at",
    "holm",
    "interval",
    "metric",
    "mrr",
    "ndcg",
    "paired",
    "precision",
    "recall",
    "roc_threshold",
    "summary",
]
