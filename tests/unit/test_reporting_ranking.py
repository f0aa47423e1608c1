"""Comparisons that a suite names, and rankings with critical differences."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from neglink.reporting.against import Figure, gains_of
from neglink.reporting.inputs import Comparison, read_suite
from neglink.reporting.paired import paired_frame, pairs
from neglink.reporting.ranking import critical_difference, ranking_findings, rankings
from neglink.reporting.statistics import Results, relative_gain
from neglink.reporting.tables import make_tables
from tests.unit.reporting_data import metrics, suite, swept

FGAT = Comparison(
    ours={"predictor": "fgat", "sampler": "fns"},
    against={"predictor": "gcn", "sampler": "uniform"},
)


def run(seed: int, value: float, *, dataset: str = "cora", **names: Any) -> dict[str, Any]:
    test = {"hits@20": value, "hits@30": value, "auc": 0.9, "mrr": 0.3}
    return metrics(dataset=dataset, seed=seed, test=test, **names)


def results_of(folder: Path, runs: list[dict[str, Any]], **given: Any) -> Results:
    return Results(read_suite(suite(folder, runs, **given)).metrics)


def test_a_comparison_may_change_several_names_at_once(tmp_path: Path) -> None:
    runs = [
        *(run(seed, 0.4 + seed / 10, predictor="gcn") for seed in range(3)),
        *(run(seed, 0.5 + seed / 10, predictor="fgat", sampler="fns") for seed in range(3)),
        *(run(seed, 0.1, predictor="fgat", sampler="uniform") for seed in range(3)),
        *(run(seed, 0.1, predictor="gcn", sampler="fns") for seed in range(3)),
    ]
    results = results_of(tmp_path, runs)
    (pair,) = pairs(results, [FGAT])
    assert pair.ours == ("cora", "fgat", "fns", "plain")
    assert pair.other == ("cora", "gcn", "uniform", "plain")
    assert (pair.name, pair.against) == ("fgat · fns against gcn · uniform", "gcn · uniform")
    (row,) = paired_frame(results, [pair], ["hits@20"]).to_dict("records")
    assert row["difference"] == pytest.approx(0.1)
    assert row["n"] == 3


def test_a_comparison_passes_over_cells_that_lack_the_other(tmp_path: Path) -> None:
    runs = [run(0, 0.5, predictor="fgat", sampler="fns", dataset=name) for name in ("a", "b")]
    runs.append(run(0, 0.4, predictor="gcn", dataset="b"))
    assert [pair.ours[0] for pair in pairs(results_of(tmp_path, runs), [FGAT])] == ["b"]


def test_published_gains_follow_the_comparison_within_one_table() -> None:
    def printed(table: str, method: str, value: float) -> Figure:
        names = ("pubmed", "gcn-16", "uniform", method)
        return Figure("PULL", table, *names, "auc", value, 0.0, "80/10/10", "here")

    figures = [
        printed(table, method, value)
        for table, values in {"10": (0.9, 0.95), "20": (0.8, 0.84)}.items()
        for method, value in zip(("autoencoder", "pull"), values, strict=True)
    ]
    asked = [Comparison(ours={"method": "pull"}, against={"method": "autoencoder"})]
    found = [(a.value, b.value, against) for a, b, against in gains_of(figures, asked)]
    assert found == [(0.95, 0.9, "autoencoder"), (0.84, 0.8, "autoencoder")]
    assert gains_of(figures) == []


def test_the_paired_table_tells_what_was_compared(tmp_path: Path) -> None:
    runs = [run(seed, 0.5 + seed / 50) for seed in range(3)]
    runs += [run(seed, 0.6, sampler="dns") for seed in range(3)]
    compare = [{"ours": {"sampler": "dns"}, "against": {"sampler": "uniform"}}]
    inputs = read_suite(suite(tmp_path, runs, tables=["paired"], compare=compare))
    (made,) = make_tables(inputs, Results(inputs.metrics))
    assert set(made.frame["comparison"]) == {"dns against uniform"}
    assert any("dns against uniform on Hits@20: +0.0800" in note for note in made.notes)


def test_a_relative_gain_is_over_the_best_other_of_each_metric(tmp_path: Path) -> None:
    def scored(seed: int, predictor: str, f1: float, auc: float) -> dict[str, Any]:
        return metrics(predictor=predictor, seed=seed, test={"f1": f1, "auc": auc})

    runs = [scored(seed, "mlp", 0.5, 0.8 + seed / 10) for seed in (0, 1)]
    runs += [scored(seed, "gcn", 0.4, 0.9) for seed in (0, 1)]
    runs += [scored(seed, "fgat", 0.6, 0.9) for seed in (0, 1)]
    fuzzy = scored(0, "gcn", 0.9, 0.95)  # with FGAT's own negatives: no baseline
    runs.append({**fuzzy, "run": {**fuzzy["run"], "sampler": "fns"}})
    runs += [
        {**scored(s, "cn", 0.9, 0.9), "run": {"dataset": "cora", "predictor": "cn", "seed": s}}
        for s in (0, 1)
    ]
    found = relative_gain(
        results_of(tmp_path, runs), ("cora", "fgat", "uniform", "plain"), ["f1", "auc"]
    )
    # mlp is best in f1; gcn in auc, .9 against .85
    assert found.mean == pytest.approx((0.1 / 0.5 + 0) / 2)
    assert found.n == 2
    alone = results_of(tmp_path, [scored(0, "fgat", 0.6, 0.9)])
    assert relative_gain(alone, ("cora", "fgat", "uniform", "plain"), ["f1"]).n == 0


# --- ranking ----------------------------------------------------------------------------------


def ranked_runs() -> list[dict[str, Any]]:
    """Three samplers in twelve blocks: dns first in all, pns second in most."""
    rng = np.random.default_rng(0)
    values = {"uniform": 0.3, "pns": 0.33, "dns": 0.6}
    return [
        run(seed, value + rng.normal(0, 0.02), dataset=dataset, sampler=sampler)
        for dataset in ("cora", "citeseer")
        for seed in range(6)
        for sampler, value in values.items()
    ]


def test_mean_ranks_equal_those_by_hand(tmp_path: Path) -> None:
    runs = ranked_runs()
    results = results_of(tmp_path, runs)
    (samplers, both) = rankings(results, "hits@20")
    table = np.array([r["test"]["hits@20"] for r in runs]).reshape(12, 3)
    by_hand = (table[:, :, None] <= table[:, None, :]).sum(2).mean(0)  # no ties among these
    assert [samplers.ranks[n] for n in ("uniform", "pns", "dns")] == pytest.approx(by_hand)
    assert next(iter(samplers.ranks)) == "dns"
    assert samplers.p == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)
    assert samplers.difference == pytest.approx(critical_difference(3, 12))
    assert samplers.is_like_the_best("dns")
    assert not samplers.is_like_the_best("uniform")
    assert set(both.ranks) == {"uniform · plain", "pns · plain", "dns · plain"}


@pytest.mark.parametrize(("names", "q"), [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_the_critical_value_is_the_one_of_the_tables(names: int, q: float) -> None:
    """Demšar (2006), table 5a."""
    blocks = 20
    expected = q * (names * (names + 1) / (6 * blocks)) ** 0.5
    assert critical_difference(names, blocks) == pytest.approx(expected, rel=1e-3)


def test_incomplete_blocks_swept_runs_and_heuristics_do_not_count(tmp_path: Path) -> None:
    runs = ranked_runs()
    runs += [run(9, 0.9, sampler="uniform"), run(0, 0.9, sampler=None, method=None)]
    runs.append(swept("cora", "beta", 0.3, 0, test={"hits@20": 0.9}))
    ranking = rankings(results_of(tmp_path, runs), "hits@20")[0]
    assert (ranking.blocks, ranking.left_out) == (12, 1)


def test_a_name_run_in_few_blocks_is_left_out_and_told(tmp_path: Path) -> None:
    runs = [*ranked_runs(), *(run(seed, 0.9, sampler="slow") for seed in range(5))]
    inputs = read_suite(suite(tmp_path, runs, tables=["ranking"]))
    ranking = rankings(Results(inputs.metrics), "hits@20")[0]
    assert set(ranking.ranks) == {"uniform", "pns", "dns"}
    assert (ranking.blocks, ranking.skipped) == (12, ["slow"])
    (made,) = make_tables(inputs, Results(inputs.metrics))
    assert any("run in too few blocks to be ranked: slow" in note for note in made.notes)


def test_equal_values_share_a_rank_and_show_no_difference(tmp_path: Path) -> None:
    runs = [run(seed, 0.5, sampler=name) for seed in range(4) for name in ("a", "b", "c")]
    results = results_of(tmp_path, runs)
    (samplers, _) = rankings(results, "hits@20")
    assert set(samplers.ranks.values()) == {2.0}
    assert samplers.difference is None
    assert all(
        "no difference in rank is shown" in line for line in ranking_findings(results, "hits@20")
    )


def test_the_table_of_rankings_has_a_sheet_for_each(tmp_path: Path) -> None:
    inputs = read_suite(suite(tmp_path, ranked_runs(), tables=["ranking"]))
    (made,) = make_tables(inputs, Results(inputs.metrics))
    assert [sheet.title for sheet in made.sheets] == ["Samplers", "Samplers with methods"]
    assert made.frame.query("ranking == 'Samplers'").name.tolist()[0] == "dns"


def test_one_run_alone_is_not_ranked(tmp_path: Path) -> None:
    inputs = read_suite(suite(tmp_path, [run(0, 0.5)], tables=["ranking"]))
    assert make_tables(inputs, Results(inputs.metrics)) == []
