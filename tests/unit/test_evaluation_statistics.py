import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neglink.evaluation import (
    brier,
    calibration,
    ceiling,
    evaluate,
    false_negative_share,
    holm,
    interval,
    paired,
    summary,
)

VALUES = [0.81, 0.84, 0.79, 0.85, 0.80]


# --- intervals


def test_t_interval_equals_scipy() -> None:
    expected = stats.t.interval(0.9, 4, np.mean(VALUES), stats.sem(VALUES))
    found = interval(VALUES, level=0.9)
    assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["t", "percentile", "bca"])
def test_intervals_hold_the_mean_and_repeat(kind: str) -> None:
    found = interval(VALUES, kind=kind, seed=3)
    assert found.low < np.mean(VALUES) < found.high
    assert found == interval(VALUES, kind=kind, seed=3)
    assert interval([0.5], kind=kind) is None
    flat = interval([0.3, 0.3, 0.3], kind=kind)
    assert flat.low == flat.high == pytest.approx(0.3)


def test_the_default_covers_and_the_bootstrap_does_not() -> None:
    samples = np.random.default_rng(0).normal(size=(300, 3))
    covered = {
        kind: np.mean([(i := interval(s, kind=kind)).low <= 0 <= i.high for s in samples])
        for kind in ("t", "percentile")
    }
    assert covered["t"] > 0.91
    assert covered["percentile"] < 0.85


def test_summary() -> None:
    found = summary(VALUES)
    assert found["std"] == pytest.approx(np.std(VALUES, ddof=1))
    assert found["n"] == 5
    assert summary([0.5]) == {"n": 1, "mean": 0.5, "std": None, "interval": None}


def test_wrong_values_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        interval([0.1, float("nan")])
    with pytest.raises(ValueError, match="level=1"):
        interval(VALUES, level=1)
    with pytest.raises(ValueError, match="kind='exact'"):
        interval(VALUES, kind="exact")
    with pytest.raises(ValueError, match="no values"):
        summary([])


# --- comparison


def test_paired_equals_scipy() -> None:
    a = dict(enumerate(VALUES)) | {9: 0.1}
    b = dict(enumerate([0.80, 0.80, 0.80, 0.81, 0.79]))
    found = paired(a, b)
    difference = np.array(VALUES) - list(b.values())
    assert found["n"] == 5
    assert found["mean_difference"] == pytest.approx(difference.mean())
    assert found["p_t"] == pytest.approx(stats.ttest_rel(VALUES, list(b.values())).pvalue)
    expected = stats.permutation_test((difference,), np.mean, permutation_type="samples")
    assert found["p_permutation"] == pytest.approx(expected.pvalue)
    assert found["interval"]["low"] < found["mean_difference"] < found["interval"]["high"]


def test_the_smallest_permutation_p() -> None:
    a = {seed: 1.0 + 0.01 * seed for seed in range(5)}
    assert paired(a, dict.fromkeys(a, 0.0))["p_permutation"] == 2 / 2**5


def test_many_seeds_are_sampled() -> None:
    rng = np.random.default_rng(0)
    a, b = (dict(enumerate(rng.normal(size=30))) for _ in range(2))
    found = paired(a, b)
    assert found["p_permutation"] == pytest.approx(found["p_t"], abs=0.03)
    assert found == paired(a, b)


def test_differences_without_spread() -> None:
    same = paired({0: 0.5, 1: 0.25}, {0: 0.5, 1: 0.25})
    assert (same["p_t"], same["p_permutation"]) == (1.0, 1.0)
    shifted = paired({0: 0.5, 1: 0.25}, {0: 0.25, 1: 0.0})
    assert (shifted["p_t"], shifted["p_permutation"]) == (None, 0.5)
    one = paired({0: 0.5}, {0: 0.25})
    assert (one["n"], one["p_t"], one["interval"]) == (1, None, None)
    with pytest.raises(ValueError, match="no seed in common"):
        paired({0: 0.5}, {1: 0.5})


def test_holm_by_hand() -> None:
    # ascending .005, .01, .03, .04 times 4, 3, 2, 1 is .02, .03, .06, .04; the last is lifted
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match="p-values"):
        holm([float("nan")])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_order_and_only_raises(pvalues: list[float]) -> None:
    adjusted = holm(pvalues)
    assert all(p <= a <= 1 for p, a in zip(pvalues, adjusted, strict=True))
    order = np.argsort(pvalues, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


# --- calibration


def test_brier_by_hand() -> None:
    assert brier([0.8], [0.4, 0.0]) == pytest.approx((0.04 + 0.16) / 3)


@pytest.mark.parametrize("kind", ["equal_count", "equal_width"])
def test_true_probabilities_are_calibrated(kind: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60_000)
    linked = rng.random(60_000) < truth
    good = calibration(truth[linked], truth[~linked], bins=10, kind=kind)
    assert good["error"] < 0.01
    assert good["brier"] == pytest.approx(1 / 6, abs=0.005)
    bins = good["bins"]
    assert len(bins) == 10
    assert sum(b["count"] for b in bins) == 60_000
    assert all(b["low"] <= b["predicted"] <= b["high"] for b in bins)
    squeezed = 0.5 + (truth - 0.5) / 2
    assert calibration(squeezed[linked], squeezed[~linked], kind=kind)["error"] > 0.1


def test_calibration_by_hand() -> None:
    found = calibration([1.0, 0.6], [0.6, 0.1], bins=2, kind="equal_width")
    assert [b["count"] for b in found["bins"]] == [1, 3]
    assert found["bins"][1]["observed"] == pytest.approx(2 / 3)
    assert found["error"] == pytest.approx((0.1 + 3 * abs(2.2 / 3 - 2 / 3)) / 4)


def test_equal_probabilities_share_a_bin() -> None:
    found = calibration([0.5] * 50, [0.5] * 50, bins=10)
    assert found["bins"] == [
        {"low": 0.5, "high": 0.5, "count": 100, "predicted": 0.5, "observed": 0.5}
    ]


def test_logits_are_refused() -> None:
    with pytest.raises(ValueError, match="sigmoid"):
        calibration([2.0], [0.1])
    with pytest.raises(ValueError, match="bins=0"):
        calibration([0.5], [0.1], bins=0)


# --- ceiling


def test_no_scores_beat_the_true_probabilities() -> None:
    rng = np.random.default_rng(0)
    truth = rng.beta(0.5, 2, size=20_000)
    linked = rng.random(truth.size) < truth
    groups = [truth[linked], truth[~linked]]
    top = ceiling(*groups, *groups)["test"]["auc"]
    for noise in (0.05, 0.3):
        noisy = truth + noise * rng.normal(size=truth.size)
        found = evaluate(noisy[linked], noisy[~linked], noisy[linked], noisy[~linked])
        assert found["test"]["auc"] < top
    with pytest.raises(ValueError, match="probabilities"):
        ceiling([1.5], [0.0], [0.5], [0.0])


def test_false_negatives_count_every_draw_in_either_direction() -> None:
    whole, train = [[0, 1, 2], [1, 2, 3]], [[0], [1]]
    drawn = [[2, 1, 2, 0, 1], [1, 2, 3, 3, 0]]  # hidden, hidden again, hidden, none, train link
    found = false_negative_share(drawn, whole, train)
    assert found == {"drawn": 5, "false": 3, "share": 0.6}
    nothing = false_negative_share(np.zeros((2, 0), int), whole, train)
    assert nothing == {"drawn": 0, "false": 0, "share": None}


def test_the_room_needs_neither_torch_nor_sklearn() -> None:
    code = "import sys, neglink.evaluation; assert not {'torch', 'sklearn'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
