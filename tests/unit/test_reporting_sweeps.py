"""Swept settings, differences over a whole suite, cost, and what a grid asks for."""

import math
from pathlib import Path
from typing import Any

import pytest

from neglink.reporting.cost import cost_findings, ratios
from neglink.reporting.findings import order_lines
from neglink.reporting.grid import asked_for, effort_text, why_not_run
from neglink.reporting.inputs import Inputs, read_suite
from neglink.reporting.paired import overall_lines, paired_frame, pairs
from neglink.reporting.sheets import markdown
from neglink.reporting.statistics import Results, overall
from neglink.reporting.sweeps import sweep_findings, sweeps
from neglink.reporting.tables import make_tables
from tests.unit.reporting_data import mebns_suite, metrics, suite, swept


def both(value: float) -> dict[str, Any]:
    """The same value of Hits@20 on both sides."""
    return {"valid": {"hits@20": value, "auc": 0.9}, "test": {"hits@20": value, "auc": 0.9}}


def base(seed: int, value: float, **settings: Any) -> dict[str, Any]:
    made_from = {"settings": {"method": {"kind": "mebns", **settings}}}
    return metrics(method="mebns", seed=seed, made_from=made_from, **both(value))


def loaded(folder: Path, runs: list[dict[str, Any]], **given: Any) -> tuple[Inputs, Results]:
    given = {"metrics_shown": ["hits@20", "auc"], **given}
    inputs = read_suite(suite(folder, runs, **given))
    return inputs, Results(inputs.metrics)


def table(folder: Path, name: str, runs: list[dict[str, Any]], **given: Any) -> Any:
    made = make_tables(*loaded(folder, runs, **{"tables": [name], **given}))
    return made[0] if made else None


# --- sweeps -----------------------------------------------------------------------------------


def beta_runs() -> list[dict[str, Any]]:
    """MeBNS at 0.5 with four seeds; at 0.1 and 0.3 with three."""
    runs = [base(seed, 0.4, beta=0.5) for seed in range(4)]
    for value, gains in {0.3: [0.02, 0.04, 0.06], 0.1: [-0.01, 0.0, 0.01]}.items():
        runs += [swept("cora", "beta", value, s, **both(0.4 + g)) for s, g in enumerate(gains)]
    return runs


def test_values_ascend_with_the_base_among_them_over_shared_seeds(tmp_path: Path) -> None:
    _, results = loaded(tmp_path, beta_runs())
    (found,) = sweeps(results)
    assert [(point.value, point.is_base) for point in found.points] == [
        *((0.1, False), (0.3, False), (0.5, True)),
    ]
    assert found.seeds == {0, 1, 2}
    assert found.summary(results, found.points[2].cell, "hits@20").n == 3
    best = found.best(results, "hits@20")
    assert best is not None
    assert best.value == 0.3


def test_differences_are_of_validation_and_adjusted_over_the_values(tmp_path: Path) -> None:
    frame = table(tmp_path, "sweep", beta_runs()).frame
    judged = frame[(frame.side == "valid") & (frame.metric == "hits@20")].set_index("value")
    assert judged.difference["0.3"] == pytest.approx(0.04)
    t = 0.04 / (0.02 / math.sqrt(3))
    p = 1 - t / math.sqrt(t * t + 2)
    assert judged.p_holm["0.3"] == pytest.approx(2 * p)
    assert judged.p_holm["0.1"] == pytest.approx(1.0)
    assert math.isnan(judged.difference["0.5"])
    assert judged.is_best.to_dict() == {"0.1": False, "0.3": True, "0.5": False}
    others = frame[(frame.side != "valid") | (frame.metric != "hits@20")]
    assert others.difference.isna().all()


def test_the_sweep_table_shows_validation_first_and_marks_base_and_best(tmp_path: Path) -> None:
    text = markdown(table(tmp_path, "sweep", beta_runs()), "")
    heads = next(line for line in text.splitlines() if line.startswith("| dataset"))
    assert heads.index("validation Hits@20") < heads.index("Holm p") < heads.index("test Hits@20")
    assert "| beta | **0.3** (best) | 3 | **0.4400 ± 0.0200**" in text
    assert "| beta | 0.5 (base) | 3 | 0.4000 ± 0.0000" in text


def test_a_swept_run_of_the_own_value_is_the_base_itself(tmp_path: Path) -> None:
    runs = [base(0, 0.4, beta=0.5), swept("cora", "beta", 0.5, 0), swept("cora", "beta", 1, 0)]
    (found,) = sweeps(loaded(tmp_path, runs)[1])
    assert [(point.value, point.is_base) for point in found.points] == [(0.5, True), (1, False)]


def test_a_base_has_the_value_of_a_setting_that_came_later(tmp_path: Path) -> None:
    runs = [base(0, 0.4, beta=0.5), *(swept("cora", "form", value, 0) for value in ("a", "b"))]
    unstated = {"mebns": {"form": "a", "beta": 9}}
    (found,) = sweeps(loaded(tmp_path, runs, unstated=unstated)[1])
    assert [(point.value, point.is_base) for point in found.points] == [("a", True), ("b", False)]
    (record,) = loaded(tmp_path, runs[:1], unstated=unstated)[1].metrics
    assert record.setting("beta") == 0.5


def test_none_stands_before_the_numbers(tmp_path: Path) -> None:
    runs = [swept("cora", "rate", value, 0) for value in (1.0, 0.1, None)]
    (found,) = sweeps(loaded(tmp_path, runs)[1])
    assert [point.value for point in found.points] == [None, 0.1, 1.0]


def test_a_sweep_without_its_base_has_no_difference(tmp_path: Path) -> None:
    made = table(tmp_path, "sweep", [swept("cora", "beta", 0.1, seed) for seed in (0, 1)])
    assert made.frame.difference.isna().all()
    assert "without a base row" in markdown(made, "")
    assert table(tmp_path / "b", "sweep", [metrics()]) is None


def test_values_are_pooled_over_graphs_and_samplers_with_a_graphs_seeds_as_blocks(
    tmp_path: Path,
) -> None:
    gains = {("cora", "uniform"): [0.02, 0.06], ("cora", "dns"): [0.0, 0.02],
             ("citeseer", "uniform"): [-0.01, 0.03], ("citeseer", "dns"): [0.03, 0.01]}  # fmt: skip
    runs = []
    for (dataset, sampler), values in gains.items():
        at = {"sampler": sampler}
        for seed, gain in enumerate(values):
            made = {"settings": {"method": {"kind": "mebns", "beta": 0.5}}}
            runs.append(metrics(dataset, method="mebns", seed=seed, made_from=made, **at,
                                **both(0.4)))  # fmt: skip
            runs.append(swept(dataset, "beta", 0.3, seed, **at, **both(0.4 + gain)))
    made = table(tmp_path, "sweep", runs)
    frame = made.frame[(made.frame.dataset == "all") & (made.frame.metric == "hits@20")]
    assert frame.value.tolist() == ["0.3", "0.5"]
    row = frame.iloc[0]
    blocks = [0.01, 0.04, 0.01, 0.02]  # cora seeds 0 and 1, citeseer seeds 0 and 1
    mean = sum(blocks) / 4
    spread = math.sqrt(sum((x - mean) ** 2 for x in blocks) / 3)
    assert (row.n, bool(row.is_best), bool(row.is_base)) == (4, True, False)
    assert row.difference == pytest.approx(mean)
    reach = 3.182446305284263 * spread / 2
    assert (row.difference_low, row.difference_high) == pytest.approx((mean - reach, mean + reach))
    assert frame.iloc[1].difference == 0
    text = markdown(made, "")
    assert text.index("## Over all") < text.index("## Swept settings")
    assert "| gcn | mebns | beta | **0.3** (best) | 4 | +0.0200" in text


def test_swept_runs_stay_out_of_the_other_tables(tmp_path: Path) -> None:
    runs = [*beta_runs(), *(metrics(seed=seed, **both(0.3)) for seed in range(3))]
    paired = table(tmp_path / "a", "paired", runs).frame
    assert set(zip(paired.method, paired.against, strict=True)) == {("mebns", "plain")}
    alone = table(tmp_path / "b", "results", runs).frame
    assert set(alone.method) == {"plain", "mebns", "mebns+beta-0.1", "mebns+beta-0.3"}
    inputs, results = loaded(tmp_path / "c", runs, tables=["results", "sweep"])
    beside = make_tables(inputs, results)[0]
    assert set(beside.frame.method) == {"plain", "mebns"}
    assert "The 2 swept variants are in the table" in markdown(beside, "")


def test_the_finding_of_a_sweep_says_where_validation_is_highest(tmp_path: Path) -> None:
    (text,) = sweep_findings(loaded(tmp_path, beta_runs())[1], "hits@20")
    assert text.startswith("beta of mebns: validation Hits@20 is highest at 0.3 (cora · gcn")
    assert "the base value in 0 of 1" in text
    assert "Of 2 values tested against the base, 0 are better and 0 worse" in text


# --- over a whole suite -----------------------------------------------------------------------


def gains(by_sampler: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Plain at 0.4 and MeBNS at 0.4 plus a gain, by sampler and seed."""
    runs = []
    for sampler, values in by_sampler.items():
        for seed, gain in enumerate(values):
            runs.append(metrics(sampler=sampler, seed=seed, **both(0.4)))
            runs.append(metrics(sampler=sampler, method="mebns", seed=seed, **both(0.4 + gain)))
    return runs


def test_seeds_are_the_blocks_of_the_difference_over_a_suite(tmp_path: Path) -> None:
    runs = gains({"uniform": [0.02, 0.04, 0.06], "pns": [0.0, 0.0, 0.0, 0.5], "dns": [0.9]})
    _, results = loaded(tmp_path, runs)
    compared = [(c, (*c[:3], "plain")) for c in results.cells if c[3] == "mebns"]
    found = overall(results, compared, "hits@20")
    # by seed .01, .02, .03; seed 3 is not everywhere, dns has one seed
    reach = 4.302652729911275 * 0.01 / math.sqrt(3)
    assert (found.pairs, found.left_out, found.difference.n) == (2, 1, 3)
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.low == pytest.approx(0.02 - reach)
    compared = pairs(results)
    frame = paired_frame(results, compared, ["hits@20"])
    (text,) = overall_lines(results, compared, frame, "hits@20")
    assert "mebns against plain on Hits@20: +0.0200 [" in text
    assert "3 seeds as blocks (not settled: the interval holds 0), 1 left out" in text
    assert "not tested in 1 of 3 comparisons" in text


def test_holm_is_over_the_comparisons_of_the_same_two_methods(tmp_path: Path) -> None:
    runs = gains({"uniform": [0.02, 0.04, 0.06]})
    runs += [metrics(method="mebns-m", seed=seed, **both(0.4 + seed / 50)) for seed in range(3)]
    results = loaded(tmp_path, runs)[1]
    frame = paired_frame(results, pairs(results), ["hits@20"])
    assert len(frame) == 3
    assert frame.p_holm.tolist() == frame.p.tolist()


def test_a_method_is_compared_with_the_plain_training_of_its_suffix(tmp_path: Path) -> None:
    names = ["plain", "plain-fair", "mebns", "mebns-fair"]
    _, results = loaded(tmp_path, [metrics(method=name) for name in names])
    assert {(pair.ours[3], pair.other[3]) for pair in pairs(results)} == {
        ("plain-fair", "plain"),
        ("mebns", "plain"),
        ("mebns", "mebns-fair"),
        ("mebns-fair", "plain-fair"),
    }


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"mebns": 0.06, "mebns-m": 0.04, "mebns-o": 0.02}, "holds"),
        ({"mebns": 0.06, "mebns-m": 0.02, "mebns-o": 0.04}, "does not hold"),
        ({"mebns": 0.06, "mebns-m": 0.06, "mebns-o": 0.04}, "is not settled"),
    ],
)
def test_the_papers_order_is_judged_by_intervals(
    tmp_path: Path, values: dict[str, float], word: str
) -> None:
    runs = [
        metrics(method=method, seed=seed, **both(0.4 + gain))
        for method, gain in values.items()
        for seed in range(3)
    ]
    (text,) = order_lines(loaded(tmp_path, runs)[1], "hits@20")
    assert text.startswith(f"The paper's order mebns > mebns-m > mebns-o {word} on Hits@20.")
    assert f"in {int(word == 'holds')} of 1 combinations" in text
    assert not list(order_lines(loaded(tmp_path / "b", runs[:6])[1], "hits@20"))


# --- cost -------------------------------------------------------------------------------------


def took(method: str, seed: int, seconds: float, **cost: Any) -> dict[str, Any]:
    whole = {"train_seconds": seconds, "epochs": 100, "peak_memory_mb": 200.0, "device": "cpu"}
    return metrics("pubmed", method=method, seed=seed, cost={**whole, "threads": 1, **cost})


def test_kappa_is_the_ratio_by_seed_in_all_and_by_epoch(tmp_path: Path) -> None:
    runs = [took("plain", 0, 10.0), took("plain", 1, 20.0)]
    runs += [took("mebns", 0, 30.0, epochs=150), took("mebns", 1, 80.0, peak_memory_mb=300.0)]
    frame = table(tmp_path, "cost", runs).frame.set_index("quantity")
    columns = ["ratio", "ratio_min", "ratio_max"]
    assert frame.loc["train_seconds", columns].tolist() == pytest.approx([3.5, 3.0, 4.0])
    assert frame.loc["seconds_per_epoch", columns].tolist() == pytest.approx([3.0, 2.0, 4.0])
    assert frame.loc["peak_memory_mb", columns].tolist() == pytest.approx([1.25, 1.0, 1.5])
    assert frame.published_kappa["train_seconds"] == 0.12
    assert math.isnan(frame.published_kappa["peak_memory_mb"])
    (text,) = cost_findings(loaded(tmp_path / "b", runs)[1])
    assert "gcn: 3.50 [3.00, 4.00] in time, 3.00" in text
    by_cell = table(tmp_path / "c", "cost", runs).sheets[1]
    assert by_cell.heads[-1] == "MeBNS's κ of time"
    assert by_cell.rows[0][-1].text == "0.12"


def test_loop_seconds_are_taken_where_every_run_has_them(tmp_path: Path) -> None:
    runs = [took("plain", 0, 10.0, loop_seconds=5.0), took("mebns", 0, 30.0, loop_seconds=10.0)]
    made = table(tmp_path / "a", "cost", runs)
    assert made.frame.set_index("quantity").ratio["seconds_per_epoch"] == pytest.approx(2.0)
    assert "without start-up" in markdown(made, "")
    made = table(tmp_path / "b", "cost", [*runs, took("mebns", 1, 30.0)])
    assert made.frame.set_index("quantity").ratio["seconds_per_epoch"] == pytest.approx(3.0)
    assert "start-up included" in markdown(made, "")


def test_other_devices_and_drops_are_not_compared(tmp_path: Path) -> None:
    runs = [took("plain", 0, 10.0), took("mebns", 0, 1.0, device="cuda")]
    runs += [took("plain-drop-20", 0, 9.0)]
    assert ratios(loaded(tmp_path, runs)[1]) == []
    assert table(tmp_path / "b", "cost", runs) is None


# --- the grid ---------------------------------------------------------------------------------


def grid_of(**grid: Any) -> dict[str, Any]:
    whole = {
        "datasets": ["cora", "pubmed"],
        "predictors": ["gcn"],
        "heuristics": ["ra"],
        "samplers": ["uniform"],
        "methods": ["plain", "mebns"],
        "seeds": 2,
        **grid,
    }
    return {"settings": {"suites": {"invented": whole}}}


def test_a_suite_asks_for_its_grids_and_heuristics(tmp_path: Path) -> None:
    also = [
        {"datasets": ["cora"], "predictors": ["mlp"], "samplers": ["pns"], "methods": ["plain"]}
    ]
    inputs, _ = loaded(tmp_path, [metrics()], **grid_of(also=also))
    asked = asked_for(inputs.suite)
    assert len(asked) == 2 * 2 + 2 + 1
    assert asked["pubmed", "ra", "–", "–"] == 2
    assert asked["cora", "mlp", "pns", "plain"] == 0
    assert asked_for(loaded(tmp_path / "b", [metrics()])[0].suite) == {}


def test_cells_without_a_run_are_named_with_the_reason_and_counted(tmp_path: Path) -> None:
    text = markdown(table(tmp_path, "results", [metrics()], **grid_of()), "")
    assert "| pubmed | gcn | uniform | mebns | 0 | not run: no run has the dataset pubmed |" in text
    assert "| cora | gcn | uniform | mebns | 0 | not run: no run has the method mebns |" in text
    assert "Not run: 5 of the 6 cells that the suite asks for; 1 more have fewer seeds" in text


def test_published_figures_of_cells_without_a_run_are_counted_by_reason(tmp_path: Path) -> None:
    runs = [metrics(seed=seed, **both(0.4)) for seed in (0, 1)]
    made = table(tmp_path, "published", runs, **grid_of(heuristics=[]))
    rows = made.frame[(made.frame.dataset == "pubmed") & (made.frame.quantity == "value")]
    assert set(rows.verdict) == {"not run"}
    assert set(rows.why) == {"no run has the dataset pubmed"}
    text = markdown(made, "")
    assert "Not run: 9 of the 12 figures listed: 6 because no run has the dataset pubmed;" in text
    assert "on datasets not in it: citeseer" in text


def test_the_reason_is_the_first_thing_that_no_run_shares(tmp_path: Path) -> None:
    runs = [
        metrics(),
        metrics("pubmed", "gat", "pns", "mebns"),
        metrics("pubmed", "gcn", "uniform", "mebns"),
    ]
    _, results = loaded(tmp_path, runs)
    assert why_not_run(("cora", "gat", "pns", "plain"), results) == "gat is not run on cora"
    assert why_not_run(("cora", "gcn", "pns", "plain"), results).startswith("gcn with pns is not")
    assert why_not_run(("cora", "gcn", "uniform", "mebns"), results).startswith("mebns is not run")
    assert why_not_run(("cora", "gcn", "dns", "plain"), results) == "no run has the sampler dns"


def test_signs_of_gains_are_counted_for_each_published_table(tmp_path: Path) -> None:
    runs = gains({"uniform": [0.05, 0.06, 0.07], "pns": [-0.05, -0.06, -0.07]})
    runs += gains({"dns": [-0.1, 0.0, 0.1]})
    made = table(tmp_path, "published", runs, metrics_shown=["hits@20", "auc"])
    hits = made.frame[(made.frame.quantity == "gain") & (made.frame.metric == "hits@20")]
    assert dict(zip(hits.sampler, hits.sign, strict=True)) == {
        "uniform": "reproduced",
        "pns": "reversed",
        "dns": "not settled",
    }
    text = markdown(made, "")
    assert "1 reproduced in sign with an interval that excludes 0, 1 reversed, 4 not" in text
    assert "of 9 figures of mebns, " in text


def test_what_a_suite_took_is_said_in_one_line(tmp_path: Path) -> None:
    inputs, results = loaded(tmp_path, [metrics(seed=seed) for seed in (0, 1, 4)])
    assert effort_text(inputs, results).startswith(
        "3 runs, seeds 0–1, 4 (3 seeds a cell), on cpu, threads 1; training 37.5 s in all"
    )


def test_the_suite_of_the_paper_makes_every_table(tmp_path: Path) -> None:
    runs = mebns_suite(datasets=("cora",), predictors=("gcn",), seeds=2)
    names = ["results", "published", "paired", "sweep", "cost"]
    made = make_tables(*loaded(tmp_path, runs, tables=names))
    assert [each.name for each in made] == names
    assert all(len(row) == len(s.heads) for each in made for s in each.sheets for row in s.rows)
