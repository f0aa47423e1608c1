import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from neglink.evaluation import (
    METRICS,
    Metric,
    auc,
    average_precision,
    best_threshold,
    evaluate,
    f1,
    hits_at,
    metric,
    mrr,
    ndcg,
    precision,
    recall,
    roc_threshold,
)

ORDER = [m for m in METRICS.values() if m.needs == "order"]

coarse = st.integers(-3, 3).map(float)  # few values, so that ties are common
few = st.lists(coarse, min_size=1, max_size=12)
"""Scores on few levels."""


def labels(p: int, q: int) -> np.ndarray:
    return np.repeat([1, 0], [p, q])


# --- by hand

LINKS, NEGATIVES = [4.0, 2.0, 1.0], [3.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("ties", "ranks"),
    [("optimistic", [1, 2, 4]), ("mean", [1, 3, 4]), ("pessimistic", [1, 4, 4])],
)
def test_ranks_with_ties_by_hand(ties: str, ranks: list[int]) -> None:
    for negatives in (NEGATIVES, [NEGATIVES] * 3):
        assert mrr(LINKS, negatives, ties=ties) == pytest.approx(np.mean([1 / r for r in ranks]))
        gain = [1 / np.log2(1 + r) for r in ranks]
        assert ndcg(LINKS, negatives, ties=ties) == pytest.approx(np.mean(gain))
        for k in (1, 2, 3, 4):
            expected = np.mean([r <= k for r in ranks])
            assert hits_at(k, LINKS, negatives, ties=ties) == pytest.approx(expected)


def test_threshold_metrics_by_hand() -> None:
    assert precision(LINKS, NEGATIVES, 2.0) == pytest.approx(2 / 5)
    assert recall(LINKS, NEGATIVES, 2.0) == pytest.approx(2 / 3)
    assert f1(LINKS, NEGATIVES, 2.0) == pytest.approx(2 * 2 / (3 + 5))
    assert precision(LINKS, NEGATIVES, 5.0) == recall(LINKS, NEGATIVES, 5.0) == 0
    assert f1(LINKS, NEGATIVES, 5.0) == 0
    # F1 at 4, 2, 1: 2/4, 4/8, 6/9
    assert best_threshold(LINKS, NEGATIVES) == 1.0
    # rates at 4, 2, 1: 1/3, 2/3 − 3/4, 1 − 3/4
    assert roc_threshold(LINKS, NEGATIVES) == 4.0


def test_hits_need_k_negatives() -> None:
    for negatives in (NEGATIVES, [NEGATIVES] * 3):
        with pytest.raises(ValueError, match="Hits@5 of links ranked against 4"):
            hits_at(5, LINKS, negatives)
    with pytest.raises(ValueError, match="Hits@0"):
        hits_at(0, LINKS, NEGATIVES)


# --- against peers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("k", [1, 20, 50])
def test_hits_equal_ogb(k: int) -> None:
    from ogb.linkproppred import Evaluator

    evaluator = Evaluator(name="ogbl-ddi")
    evaluator.K = k
    rng = np.random.default_rng(0)
    for levels in (8, 10**6):
        links, negatives = rng.integers(levels, size=300), rng.integers(levels, size=200)
        links, negatives = links.astype(np.float32), negatives.astype(np.float32)
        expected = evaluator.eval({"y_pred_pos": links, "y_pred_neg": negatives})
        assert hits_at(k, links, negatives) == pytest.approx(expected[f"hits@{k}"])


@pytest.mark.filterwarnings("ignore")
def test_mrr_and_its_hits_equal_ogb() -> None:
    from ogb.linkproppred import Evaluator

    evaluator = Evaluator(name="ogbl-citation2")
    rng = np.random.default_rng(0)
    for levels in (8, 10**6):
        links = torch.from_numpy(rng.integers(levels, size=200)).float()
        negatives = torch.from_numpy(rng.integers(levels, size=(200, 30))).float()
        expected = evaluator.eval({"y_pred_pos": links, "y_pred_neg": negatives})
        assert mrr(links, negatives) == pytest.approx(float(expected["mrr_list"].mean()))
        for k in (1, 3, 10):
            hits = float(expected[f"hits@{k}_list"].mean())
            assert hits_at(k, links, negatives, ties="mean") == pytest.approx(hits)


@given(links=few, negatives=few)
def test_auc_and_ap_equal_sklearn(links: list[float], negatives: list[float]) -> None:
    truth, scores = labels(len(links), len(negatives)), links + negatives
    assert auc(links, negatives) == pytest.approx(peer.roc_auc_score(truth, scores))
    expected = peer.average_precision_score(truth, scores)
    assert average_precision(links, negatives) == pytest.approx(expected)


@given(links=few, negatives=few, threshold=coarse)
def test_threshold_metrics_equal_sklearn(
    links: list[float], negatives: list[float], threshold: float
) -> None:
    truth = labels(len(links), len(negatives))
    predicted = np.array(links + negatives) >= threshold
    for ours, theirs in (
        (precision, peer.precision_score),
        (recall, peer.recall_score),
        (f1, peer.f1_score),
    ):
        expected = theirs(truth, predicted, zero_division=0)
        assert ours(links, negatives, threshold) == pytest.approx(expected)


@given(links=few, negatives=few)
def test_best_thresholds_are_the_best(links: list[float], negatives: list[float]) -> None:
    everywhere = [*links, *negatives, 9.0]
    best = best_threshold(links, negatives)
    most = max(f1(links, negatives, t) for t in everywhere)
    assert f1(links, negatives, best) == pytest.approx(most)

    def youden(t: float) -> float:
        return recall(links, negatives, t) - float(np.mean(np.array(negatives) >= t))

    among_links = max(youden(t) for t in links)
    assert youden(roc_threshold(links, negatives)) == pytest.approx(among_links)


# --- properties of every metric that ranks


@settings(max_examples=40)
@pytest.mark.parametrize("one", ORDER, ids=lambda m: m.name)
@given(
    links=st.lists(st.integers(-40, 40), min_size=1, max_size=10),
    negatives=st.lists(st.integers(-40, 40), min_size=100, max_size=110),
    own=st.booleans(),
)
def test_only_the_order_counts(
    one: Metric, links: list[int], negatives: list[int], own: bool
) -> None:
    p, q = np.array(links) / 8, np.array(negatives) / 8
    if own:
        q = np.stack([np.roll(q, i) for i in range(p.size)])
    value = one.function(p, q)
    assert one.low <= value <= one.high
    for change in (np.exp, np.tanh, lambda x: 3 * x - 7, lambda x: x**3):
        # rounded where tanh would let distinct scores meet: 1/8 steps below 5 stay apart
        assert one.function(change(p), change(q)) == pytest.approx(value)
    shuffled = np.random.default_rng(0).permutation(p.size)
    assert one.function(p[shuffled], q[shuffled] if own else q[::-1]) == pytest.approx(value)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("one", ORDER, ids=lambda m: m.name)
def test_best_and_worst_scores(one: Metric, own: bool) -> None:
    shape = (50, 200) if own else (200,)
    low, high = np.linspace(0, 1, 50), 2 + np.zeros(50)
    best = one.function(high, np.zeros(shape))
    worst = one.function(low, 3 * np.ones(shape))
    chance = one.function(*np.split(np.random.default_rng(0).random(250), [50]))
    assert best == pytest.approx(one.high)
    assert one.low <= worst < chance < best
    if one.name not in ("mrr", "ndcg", "ap"):  # those are positive always
        assert worst == one.low


@pytest.mark.parametrize("one", ORDER, ids=lambda m: m.name)
def test_value_under_random_scores(one: Metric) -> None:
    rng, p, q, rounds = np.random.default_rng(0), 8, 110, 4000
    values = [one.function(rng.random(p), rng.random(q)) for _ in range(rounds)]
    error = np.std(values) / np.sqrt(rounds)
    assert one.chance is not None
    assert abs(np.mean(values) - one.chance(p, q)) < 5 * error


def test_the_direction_of_every_metric() -> None:
    links, negatives = np.array([0.9, 0.8]), np.full(100, 0.1)
    for one in METRICS.values():
        extra = (0.5,) if one.needs == "threshold" else ()
        good, bad = (
            one.function(links, negatives, *extra),
            one.function(1 - links, 1 - negatives, *extra),
        )
        assert (good > bad) == one.higher_is_better


def test_look_up_by_name() -> None:
    assert metric("auc") is METRICS["auc"]
    assert metric("hits@7").function([2.0], [1.0] * 7) == 1
    for name in ("hits@0", "hits@x", "accuracy"):
        with pytest.raises(ValueError, match="no metric"):
            metric(name)


# --- refusals


@pytest.mark.parametrize("one", ORDER, ids=lambda m: m.name)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(one: Metric, bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 2 scores of links are NaN or infinite"):
        one.function([1.0, bad], np.zeros(200))
    with pytest.raises(ValueError, match="scores of negatives"):
        one.function([1.0], [bad] * 200)


@pytest.mark.parametrize(
    ("links", "negatives", "message"),
    [
        ([], [1.0], "nothing to rank"),
        ([1.0], [], "nothing to rank"),
        ([1.0], [[1.0], [2.0]], "1 links, but negatives for 2"),
        ([[1.0]], [1.0], "expected"),
    ],
)
def test_wrong_shapes_are_refused(links: list, negatives: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mrr(links, negatives)
    with pytest.raises(ValueError, match="ties='first'"):
        mrr([1.0], [1.0], ties="first")


# --- everything at once


@pytest.mark.parametrize("own", [False, True])
def test_evaluate_holds_the_single_metrics(own: bool) -> None:
    rng = np.random.default_rng(0)
    shape = (60, 40) if own else (40,)
    valid, test = rng.integers(9, size=(2, 60)).astype(float)
    valid_neg, test_neg = rng.integers(7, size=(2, *shape)).astype(float)
    found = evaluate(valid, valid_neg, test, test_neg)
    assert found["threshold"] == best_threshold(valid, valid_neg)
    assert found["test"]["hits@20"] == hits_at(20, test, test_neg)
    assert found["valid"]["hits@20"] == hits_at(20, valid, valid_neg)
    assert found["test"]["hits@50"] is None
    assert found["test"]["mrr"] == mrr(test, test_neg)
    assert found["test"]["ndcg"] == ndcg(test, test_neg)
    assert found["test"]["auc"] == auc(test, test_neg)
    assert found["test"]["ap"] == average_precision(test, test_neg)
    assert found["test"]["f1"] == f1(test, test_neg, found["threshold"])
    assert found["ties"]["hits@20"]["pessimistic"] == found["test"]["hits@20"]
    assert found["ties"]["hits@20"]["optimistic"] > found["test"]["hits@20"]
    assert found["ties"]["mrr"]["mean"] == found["test"]["mrr"]
    assert found["ties"]["hits@50"]["mean"] is None
    assert found["counts"]["test_negatives"] == test_neg.size
    lenient = evaluate(valid, valid_neg, test, test_neg, ties="optimistic")
    assert lenient["test"]["hits@20"] == found["ties"]["hits@20"]["optimistic"]


def test_torch_scores_are_taken() -> None:
    assert auc(torch.tensor([1.0]), torch.tensor([0.0, 1.0])) == 0.75
