"""What reports show of PULL and DMNS: iterations, growth, gains, positivity."""

import math
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import linregress, t

from neglink.reporting.figures import Drawing, make_figures
from neglink.reporting.findings import findings
from neglink.reporting.inputs import read_suite
from neglink.reporting.iterations import iterations_of, missing_links
from neglink.reporting.published import cells
from neglink.reporting.scaling import fitted, growths
from neglink.reporting.sheets import markdown
from neglink.reporting.statistics import Results
from neglink.reporting.tables import make_tables
from tests.unit.reporting_data import RANDOM, metrics, suite

COMPARE = [
    {"ours": {"method": "pull"}, "against": {"method": other}}
    for other in ("autoencoder", "pull-ws")
]
SPLIT = {**RANDOM, "train": 0.8, "valid": 0.1, "test": 0.1}


def read(folder: Path, runs: list[dict[str, Any]], **given: Any) -> tuple[Any, Results]:
    shown = {"metrics_shown": ["auc", "ap"], "primary": "auc", "tables": [], **given}
    inputs = read_suite(suite(folder, runs, **shown))
    return inputs, Results(inputs.metrics)


def table(folder: Path, name: str, runs: list[dict[str, Any]], **given: Any) -> Any:
    inputs, results = read(folder, runs, tables=[name], **given)
    made = make_tables(inputs, results)
    return made[0] if made else None


def drawn(folder: Path, name: str, runs: list[dict[str, Any]], **given: Any) -> list[Drawing]:
    return make_figures(*read(folder, runs, figures=[name], **given))[0]


def lack(folder: Path, name: str, runs: list[dict[str, Any]], **given: Any) -> str:
    """What is said of a figure that is left out."""
    (said,) = make_figures(*read(folder, runs, figures=[name], **given))[1]
    return said


def pull(dataset: str = "pubmed", method: str = "pull-all", seed: int = 0, auc: float = 0.96,
         aucs: tuple[float, ...] = (0.90, 0.93, 0.92), **given: Any) -> dict[str, Any]:  # fmt: skip
    """A run of PULL; `aucs` are those of its iterations."""
    added = [50 * place for place in range(len(aucs))]
    history = {
        "iterations": {"added": added, "weight": [0.9 * x for x in added], "valid_auc": list(aucs)},
        "kept_iteration": 1 + aucs.index(max(aucs)),
    }
    return metrics(
        dataset, "gcn-16", "uniform", method, seed, test={"auc": auc, "ap": auc}, protocol=SPLIT,
        **{"history": history, "counts": {"links": 1000, "nodes": 500}, **given},
    )  # fmt: skip


def plain(seed: int = 0, auc: float = 0.95, **given: Any) -> dict[str, Any]:
    return pull(**{"method": "autoencoder", "seed": seed, "auc": auc, "history": {}, **given})


# --- iterations -------------------------------------------------------------------------------


def test_iterations_are_means_over_the_seeds_that_came_to_them(tmp_path: Path) -> None:
    runs = [pull(aucs=(0.90, 0.94, 0.92)), pull(seed=1, aucs=(0.92, 0.90)), plain()]
    made = table(tmp_path, "iterations", runs)
    frame = made.frame.set_index(["iteration", "quantity"])
    assert set(made.frame.method) == {"pull-all"}
    assert frame.loc[(1, "valid_auc")]["mean"] == pytest.approx(0.91)
    assert (frame.loc[(3, "valid_auc")].n, frame.loc[(3, "valid_auc")]["mean"]) == (1, 0.92)
    assert frame.loc[(2, "added")]["mean"] == 50
    assert frame.loc[(2, "weight")]["mean"] == pytest.approx(45)
    assert [frame.loc[(place, "added")].kept for place in (1, 2, 3)] == [1, 1, 0]
    text = markdown(made, "a test")
    assert "pubmed · gcn-16 · uniform · pull-all: 2" in text
    assert "| 200 |" in text  # a fifth of 1,000 links is missing


def test_there_is_no_table_of_iterations_without_any(tmp_path: Path) -> None:
    assert table(tmp_path, "iterations", [plain()]) is None
    assert "method with iterations" in lack(tmp_path, "iterations", [plain()])


def test_missing_links_are_those_of_the_held_out_sides(tmp_path: Path) -> None:
    _, results = read(tmp_path, [pull()])
    assert missing_links(results.metrics) == pytest.approx(200)
    assert missing_links([]) is None
    assert iterations_of([]) == []


def test_the_figure_of_iterations_has_a_panel_for_each_data_set(tmp_path: Path) -> None:
    runs = [
        pull(dataset, method, seed, aucs=(0.9, 0.91 + seed / 100, 0.92))
        for dataset in ("pubmed", "chameleon")
        for method in ("pull-all", "pull-no-correction-all")
        for seed in (0, 1)
    ]
    (drawing,) = drawn(tmp_path, "iterations", runs)
    assert drawing.stem == "iterations-gcn-16-uniform"
    assert "2 seeds" in drawing.caption
    assert len(drawing.svg) > 5000


# --- growth -----------------------------------------------------------------------------------


def timed(links: int, seconds: float, seed: int, method: str) -> dict[str, Any]:
    cost = {"train_seconds": seconds, "loop_seconds": seconds, "epochs": 100, "device": "cpu"}
    name = "pubmed" if links == 1000 else f"pubmed-{links // 10}"
    run = plain if method == "autoencoder" else pull
    return run(dataset=name, method=method, seed=seed, cost=cost, counts={"links": links})


SHARES = {"data": {"shares": {f"pubmed-{p}": {"of": "pubmed", "share": p / 100} for p in (20, 60)}}}


def test_a_power_of_the_links_is_found_exactly(tmp_path: Path) -> None:
    runs = [timed(m, 2e-3 * m**1.5, seed, method)
            for m in (200, 600, 1000) for seed in (0, 1) for method in ("autoencoder", "pull-all")
            ]  # fmt: skip
    inputs, results = read(tmp_path, runs, settings=SHARES)
    for quantity, shift in (("train_seconds", 2e-3), ("seconds_per_epoch", 2e-5)):
        for growth in growths(inputs, results, quantity):
            assert growth.where[0] == "pubmed"
            assert growth.slope == pytest.approx(1.5)
            assert (growth.low, growth.high) == pytest.approx((1.5, 1.5))
            assert math.exp(growth.shift) == pytest.approx(shift)
    (drawing,) = drawn(tmp_path, "scaling", runs, settings=SHARES)
    assert "pull-all: 1.50 [1.50, 1.50]" in drawing.caption


def test_the_slope_and_its_interval_are_those_of_a_linear_regression() -> None:
    points = [(100.0, 1.0), (200.0, 2.3), (400.0, 3.6), (800.0, 8.8)]
    found = fitted(("pubmed", "gcn-16", "uniform", "pull"), points)
    line = linregress([math.log(x) for x, _ in points], [math.log(y) for _, y in points])
    reach = t.ppf(0.975, 2) * line.stderr
    assert found.slope == pytest.approx(line.slope)
    assert found.at(1.0) == pytest.approx(math.exp(line.intercept))
    assert (found.low, found.high) == pytest.approx((line.slope - reach, line.slope + reach))


def test_two_sizes_and_graphs_of_different_kinds_give_no_line(tmp_path: Path) -> None:
    runs = [timed(m, m / 100, 0, "pull-all") for m in (200, 600)]
    said = lack(tmp_path, "scaling", runs, settings=SHARES)
    assert "3 sizes of a data set: list shares of it (data.shares)" in said
    runs = [timed(m, m / 100, 0, "pull-all") for m in (200, 600, 1000)]
    inputs, results = read(tmp_path, runs)  # without the shares, three data sets of one size
    assert growths(inputs, results, "train_seconds") == []


# --- what PULL is compared with ---------------------------------------------------------------


def test_pull_is_paired_with_what_the_suite_names(tmp_path: Path) -> None:
    runs = [
        made
        for seed in range(3)
        for made in (
            plain(seed, 0.95 + seed / 1000),
            pull(method="pull", seed=seed, auc=0.96 + seed / 1000 + seed**2 / 1e5),
            pull(method="pull-ws", seed=seed, auc=0.955 + seed / 1000 + seed**2 / 1e4),
        )
    ]
    made = table(tmp_path, "paired", runs, compare=COMPARE)
    compared = set(zip(made.frame.method, made.frame.against, strict=True))
    assert compared == {("pull", "autoencoder"), ("pull", "pull-ws")}


def test_cost_is_over_the_autoencoder(tmp_path: Path) -> None:
    def cost(seconds: float) -> dict[str, Any]:
        return {"cost": {"train_seconds": seconds, "epochs": 100, "peak_memory_mb": 100.0}}

    made = table(tmp_path, "cost", [plain(**cost(10.0)), pull(method="pull", **cost(35.0))])
    row = made.frame[made.frame.quantity == "train_seconds"].iloc[0]
    assert (row.method, row.against, row.ratio) == ("pull", "autoencoder", 3.5)
    assert made.title == "Cost over autoencoder training"
    assert not any("MeBNS" in note for note in made.notes)


def test_both_names_of_the_autoencoder_are_published_beside_one_run(tmp_path: Path) -> None:
    runs = [
        made
        for seed in range(3)
        for made in (plain(seed, 0.966 + seed / 1000), pull(method="pull", seed=seed, auc=0.97))
    ]
    made = table(tmp_path, "published", runs, compare=COMPARE)
    frame = made.frame.query("metric == 'auc' and table == 'Table 2, missing ratio 0.1'")
    of = frame.query("quantity == 'value'").set_index("printed")
    assert of.loc["gcn+ce"].published == 0.9645
    assert of.loc["gae"].published == 0.9635
    assert of.loc["gcn+ce"].ours == of.loc["gae"].ours == pytest.approx(0.967)
    assert set(of.loc[["gcn+ce", "gae", "pull"]].verdict) == {"reached"}
    gain = frame.query("quantity == 'gain'").iloc[0]
    assert gain.published == pytest.approx(0.9659 - 0.9645)  # over GCN+CE
    assert "missing ratio 0.2" not in " ".join(made.frame.table)  # another split, printed apart
    assert any(note.startswith("PULL, Table 2") and "pull − autoencoder" in note
               for note in made.notes)  # fmt: skip


def test_both_readings_of_a_wikipedia_graph_have_the_published_figure_and_a_caveat(
    tmp_path: Path,
) -> None:
    names = ("chameleon", "chameleon-directed")
    runs = [pull(name, "pull", seed, 0.97 + seed / 1000) for name in names for seed in (0, 1)]
    made = table(tmp_path, "published", runs)
    rows = made.frame.query("metric == 'auc' and printed == 'pull' and quantity == 'value'")
    table2 = rows[rows.table == "Table 2, missing ratio 0.1"]
    assert dict(zip(table2.dataset, table2.published, strict=True)) == dict.fromkeys(names, 0.9787)
    for name in names:
        assert any(note.startswith(f"PULL on {name}: ") for note in made.notes)
    assert "gae-16" not in set(cells("PULL").predictor)


# --- positivity -------------------------------------------------------------------------------


def dmns(
    seed: int, medians: tuple[float, float], method: str = "dmns", dataset: str = "cora"
) -> dict[str, Any]:
    levels = [
        {"t": t, "share": share, "median": median, "local_share": share / 2}
        for t, share, median in zip((5, 25), (0.9, 0.3), medians, strict=True)
    ]
    check = {"share": 0.6, "local_share": 0.3, "levels": levels, "queries": 200, "samples": 100,
             "covariance": "diagonal"}  # fmt: skip
    test = {"auc": 0.9, "ap": 0.9}
    return metrics(dataset, "dmns-gcn", "uniform", method, seed, test=test,
                   history={"positivity": check, "levels": [5, 25]})  # fmt: skip


def test_positivity_by_level_with_a_verdict(tmp_path: Path) -> None:
    runs = [dmns(0, (0.5, 1.2)), dmns(1, (0.52, 1.22)), dmns(2, (0.51, 1.21))]
    made = table(tmp_path, "positivity", runs)
    frame = made.frame.set_index(["t", "quantity"])
    assert frame.loc[(5, "share")]["mean"] == pytest.approx(0.9)
    assert frame.loc[(25, "violations")]["mean"] == pytest.approx(0.7)
    assert frame.loc[(25, "local_share")]["mean"] == pytest.approx(0.15)
    assert frame.loc[(5, "median")].verdict == "holds"
    assert frame.loc[(25, "median")].verdict == "violated"
    assert any("200 queries, 100 embeddings" in note for note in made.notes)


def test_positivity_is_not_settled_where_the_interval_crosses_1(tmp_path: Path) -> None:
    runs = [dmns(0, (0.5, 0.9)), dmns(1, (0.5, 1.1)), dmns(0, (0.5, 0.9), "dmns-forward")]
    inputs, results = read(tmp_path, runs, tables=["positivity"])
    tables = make_tables(inputs, results)
    found = findings(inputs, results, tables)
    assert any("of dmns, 0 < λ < 1 for the median query: holds at 1, not settled at 1" in line
               for line in found)  # fmt: skip
    assert any("of dmns-forward" in line and "not tested at 2" in line for line in found)


def test_where_positivity_was_checked_is_named(tmp_path: Path) -> None:
    runs = [dmns(seed, (0.5, 0.4), dataset=name) for name in ("cora", "actor") for seed in (0, 1)]
    runs += [dmns(seed, (0.5, 0.4), "dmns-forward") for seed in (0, 1)]
    inputs, results = read(tmp_path, runs, tables=["positivity"])
    said = " ".join(findings(inputs, results, make_tables(inputs, results)))
    assert "of dmns, 0 < λ < 1 for the median query: holds at 4 of 4 levels on cora, actor." in said
    assert "holds at 2 of 2 levels on cora." in said


def test_there_is_no_positivity_without_a_check(tmp_path: Path) -> None:
    assert table(tmp_path, "positivity", [plain()]) is None
