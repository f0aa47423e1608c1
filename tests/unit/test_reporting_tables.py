"""Numbers, verdicts and Markdown of the tables."""

import csv
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neglink.errors import ReportError
from neglink.reporting import make_report
from neglink.reporting.against import obstacles, published_frame
from neglink.reporting.inputs import read_suite
from neglink.reporting.sheets import markdown
from neglink.reporting.statistics import Results
from neglink.reporting.tables import make_tables
from tests.unit.reporting_data import RANDOM, metrics, planted, suite


def hits(value: float | None, auc: float = 0.9) -> dict[str, Any]:
    return {"test": {"hits@20": value, "hits@30": value, "auc": auc}}


def table(folder: Path, name: str, runs: list[dict[str, Any]], **given: Any) -> Any:
    inputs = read_suite(suite(folder, runs, **{"tables": [name], **given}))
    made = make_tables(inputs, Results(inputs.metrics))
    return made[0] if made else None


def seeds(values: list[float | None], **where: Any) -> list[dict[str, Any]]:
    return [metrics(seed=seed, **hits(value), **where) for seed, value in enumerate(values)]


def test_reporting_does_not_import_torch() -> None:
    check = "import sys, neglink.reporting.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_means_spreads_and_intervals_are_those_of_the_seeds(tmp_path: Path) -> None:
    frame = table(tmp_path, "results", seeds([0.5, 0.6, 0.7])).frame
    row = frame[frame.metric == "hits@20"].iloc[0]
    reach = 4.302652729911275 * 0.1 / math.sqrt(3)  # Student's t of 2 degrees of freedom, 97.5 %
    assert (row.n, row.unit) == (3, "fraction")
    assert [row["mean"], row["std"], row.low, row.high] == pytest.approx(
        [0.6, 0.1, 0.6 - reach, 0.6 + reach]
    )
    cost = frame[frame.metric == "train_seconds"].iloc[0]
    assert (cost["mean"], cost.unit) == (12.5, "s")


def test_the_best_of_each_dataset_is_bold_and_one_seed_has_no_interval(tmp_path: Path) -> None:
    runs = [
        metrics(**hits(0.4)),
        metrics(method="mebns", **hits(0.6)),
        metrics("citeseer", **hits(0.2)),
        metrics("cora", "adamic-adar", None, None, **hits(0.5)),
    ]
    text = markdown(table(tmp_path, "results", runs), "made by a test")
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| c")}
    assert "| cora | gcn | uniform | mebns | 1 | **0.6000** |" in text
    assert "| cora | gcn | uniform | plain | 1 | 0.4000 | 0.4000 | **0.9000** |" in text
    assert "| cora | adamic-adar | – | – | 1 | 0.5000 |" in text
    assert text.index("adamic-adar") > text.index("mebns")
    assert "**0.2000**" in lines["| citeseer"]
    assert text.endswith("*made by a test*\n")


def test_missing_values_are_left_out_and_counted(tmp_path: Path) -> None:
    made = table(tmp_path, "results", seeds([0.5, None, 0.7]))
    row = made.frame[made.frame.metric == "hits@20"].iloc[0]
    assert (row.n, row["mean"]) == (2, pytest.approx(0.6))
    assert "n=2" in markdown(made, "")
    none = table(tmp_path, "results", seeds([None, None]))
    assert none.frame[none.frame.metric == "hits@20"]["mean"].isna().all()


def test_a_metric_null_everywhere_is_a_dash(tmp_path: Path) -> None:
    made = table(tmp_path, "results", [metrics()], metrics_shown=["hits@20", "hits@100"])
    assert "| 1 | **0.5000** | – | 12.5 | 431 |" in markdown(made, "")


@pytest.mark.parametrize(("count", "told"), [(54, "cora (54)"), (5400, "cora"), (None, "cora")])
@pytest.mark.parametrize("name", ["results", "paired"])
def test_a_dash_for_want_of_negatives_is_explained(
    tmp_path: Path, name: str, count: int | None, told: str
) -> None:
    shown = ["hits@20", "hits@100"]
    runs = seeds([0.5, 0.6], counts={"test_negatives": count})
    assert table(tmp_path, name, runs, metrics_shown=shown).notes[-1] == (
        f"Hits@100 has no value where fewer than 100 negatives are ranked: {told}. Take another of "
        "the suite's metrics (and primary), or rank more negatives (evaluation)."
    )
    notes = table(tmp_path / "b", name, runs, metrics_shown=["hits@20"]).notes
    assert not any("no value" in note for note in notes)


# --- published --------------------------------------------------------------------------------


def published(folder: Path, runs: list[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
    inputs = read_suite(suite(folder, runs))
    frame = published_frame(Results(inputs.metrics))
    return {
        (row["quantity"], row["method"], row["metric"]): row for row in frame.to_dict("records")
    }


@pytest.mark.parametrize(
    ("values", "word", "why"),
    [
        ([0.40, 0.41, 0.42], "reached", "our whole interval is at or above it"),
        ([0.33, 0.35, 0.37], "reached", "our mean is at or above it"),
        ([0.32, 0.34, 0.36], "not settled", "our mean is below it, our interval holds it"),
        ([0.20, 0.21, 0.22], "below", "our whole interval is below it"),
        ([0.50], "not comparable", "fewer than 2 seeds, so no interval"),
    ],
)
def test_a_published_figure_is_judged_by_our_interval(
    tmp_path: Path, values: list[float | None], word: str, why: str
) -> None:
    row = published(tmp_path, seeds(values))["value", "plain", "hits@20"]
    assert row["published"] == 0.345
    assert (row["verdict"], row["why"], row["n"]) == (word, why, len(values))
    assert row["difference"] == pytest.approx(sum(v or 0 for v in values) / len(values) - 0.345)


def test_published_equal_to_the_upper_end_is_reached(tmp_path: Path) -> None:
    row = published(tmp_path, seeds([0.345, 0.345]))["value", "plain", "hits@20"]
    assert (row["low"], row["high"], row["verdict"]) == (0.345, 0.345, "reached")


@pytest.mark.parametrize(
    ("change", "metric", "why"),
    [
        ({"negatives_per_link": 5}, "hits@20", "ours has 5 per test link, not 1"),
        ({"negatives_per_link": None}, "hits@20", "an unknown number"),
        ({"train": 0.85, "valid": 0.05, "test": 0.1}, "auc", "70/10/20, ours is 85/5/10"),
        ({"split": "official"}, "auc", "random 70/10/20, ours is official"),
        ({"ranked": "heart"}, "auc", "our negatives are heart"),
    ],
)
def test_another_protocol_is_not_comparable(
    tmp_path: Path, change: dict[str, Any], metric: str, why: str
) -> None:
    rows = published(tmp_path, seeds([0.9, 0.8], protocol={**RANDOM, **change}))
    row = rows["value", "plain", metric]
    assert row["verdict"] == "not comparable"
    assert why in row["why"]


def test_more_ranked_negatives_leave_auc_comparable(tmp_path: Path) -> None:
    rows = published(tmp_path, seeds([0.9, 0.8], protocol={**RANDOM, "negatives_per_link": 5}))
    assert rows["value", "plain", "auc"]["verdict"] == "below"


def test_another_form_of_a_dataset_is_not_comparable(tmp_path: Path) -> None:
    rows = published(tmp_path, seeds([0.9, 0.8], counts={"nodes": 2485, "links": 5278}))
    row = rows["value", "plain", "hits@20"]
    assert "2,708 nodes published, ours 2,485" in row["why"]


def test_the_official_split_is_asked_for_ogbl_ddi(tmp_path: Path) -> None:
    official = {"split": "official", "ranked": "official"}
    for protocol, word in ((official, "reached"), (RANDOM, "not comparable")):
        rows = published(tmp_path, seeds([0.9, 0.8], dataset="ogbl-ddi", protocol=protocol))
        assert rows["value", "plain", "hits@20"]["verdict"] == word


def test_cells_that_were_not_run_are_listed(tmp_path: Path) -> None:
    rows = published(tmp_path, seeds([0.9, 0.8]))
    assert rows["value", "mebns", "hits@20"]["verdict"] == "not run"
    assert rows["gain", "mebns", "hits@20"]["why"] == "no run has the method mebns"
    assert {key[0] for key in rows} == {"value", "gain"}
    assert len(rows) == 9  # plain, mebns and gain; hits@20, hits@30 and auc


def test_the_published_gain_stands_beside_ours(tmp_path: Path) -> None:
    runs = seeds([0.3, 0.5]) + seeds([0.51, 0.73], method="mebns")
    row = published(tmp_path, runs)["gain", "mebns", "hits@20"]
    assert row["published"] == pytest.approx(0.5815 - 0.345)
    assert row["ours"] == pytest.approx(0.22)  # by seed: .21 and .23
    assert row["high"] - row["ours"] == pytest.approx(12.706204736 * 0.01, rel=1e-6)
    assert row["verdict"] == "not settled"


def test_a_figure_published_for_other_runs_can_stand_beside_ours(tmp_path: Path) -> None:
    """Cora, uniform: .5815 is printed for GCN with MeBNS."""
    beside = [
        {
            "ours": {"predictor": "gae", "method": "plain"},
            "against": {"predictor": "gcn", "method": "mebns"},
        }
    ]
    runs = seeds([0.58, 0.59], predictor="gae") + seeds([0.3, 0.4], predictor="gae", sampler="pns")
    made = table(tmp_path, "published", runs, beside=beside)
    rows = {
        (row["sampler"], row["metric"]): row
        for row in made.frame[made.frame["quantity"] == "beside"].to_dict("records")
    }
    row = rows["uniform", "hits@20"]
    assert (row["published"], row["verdict"]) == (0.5815, "reached")
    assert (row["predictor"], row["method"], row["printed"]) == ("gae", "plain", "gcn · mebns")
    assert len(rows) == 6  # two samplers; hits@20, hits@30 and auc
    assert (made.frame["quantity"] == "gain").sum() == 0
    text = markdown(made, "")
    assert "MeBNS, Table 2, gcn · mebns" in text
    assert "by gae · plain: of 6 figures of gcn · mebns, " in text


def test_a_figure_published_for_a_training_can_stand_beside_a_heuristic(tmp_path: Path) -> None:
    """Cora: GCN with MeBNS prints a Hits@20 of .5815 under the uniform sampler."""
    names = {"predictor": "gcn", "method": "mebns"}
    beside = [
        {"ours": {"predictor": "ra"}, "against": names | {"sampler": sampler}}
        for sampler in ("uniform", "pns")
    ]
    there = {"predictor": "ra", "sampler": None, "method": None}
    runs = seeds([0.6, 0.6], **there) + seeds([0.1, 0.1], dataset="citeseer", **there)
    made = table(tmp_path, "published", runs, beside=beside)
    frame = made.frame[(made.frame["quantity"] == "beside") & (made.frame["metric"] == "hits@20")]
    rows = frame[frame["dataset"] == "cora"]
    assert list(rows["printed"]) == ["gcn · uniform · mebns", "gcn · pns · mebns"]
    assert set(rows["ours"]) == {0.6}
    assert rows["published"].iloc[0] == 0.5815
    assert rows["verdict"].iloc[0] == "reached"
    text = markdown(made, "")
    assert "by ra: of 12 figures of 2 runs, " in text
    assert "; reached: cora " in text


def test_the_published_table_says_what_the_paper_leaves_out(tmp_path: Path) -> None:
    text = markdown(table(tmp_path, "published", seeds([0.9, 0.8])), "")
    assert "neither how many negatives are ranked per test link" in text
    assert "Not listed: 42 more figures" in text
    assert "| +0.2365 |" in text


def test_the_published_table_tells_what_ties_can_move(tmp_path: Path) -> None:
    ends = [(0.5, 0.9), (0.6, 1.0)]
    runs = [
        metrics(seed=seed, ties={"hits@20": {"pessimistic": low, "optimistic": high}}, **hits(low))
        for seed, (low, high) in enumerate(ends)
    ]
    text = markdown(table(tmp_path, "published", runs), "")
    assert "would lift Hits@20 of cora · gcn · uniform · plain 0.5500 to 0.9500." in text
    few = {"hits@20": {"pessimistic": 0.5, "optimistic": 0.505}}
    assert "would lift" not in markdown(table(tmp_path, "published", [metrics(ties=few)]), "")


def test_a_suite_without_published_figures_says_so(tmp_path: Path) -> None:
    made = table(tmp_path, "published", seeds([0.9, 0.8], dataset="mine"))
    assert made.frame.empty
    assert "No published figure" in markdown(made, "")


def test_obstacles_are_empty_under_the_papers_protocol(tmp_path: Path) -> None:
    inputs = read_suite(suite(tmp_path, seeds([0.9, 0.8])))
    results = Results(inputs.metrics)
    from neglink.reporting.against import figures_of

    ours = [figure for figure in figures_of(results) if figure.method == "plain"]
    assert len(ours) == 3
    assert not any(obstacles(figure, results) for figure in ours)


# --- paired -----------------------------------------------------------------------------------


def test_methods_are_compared_by_seed_and_adjusted_over_the_table(tmp_path: Path) -> None:
    runs = []
    for sampler, gains in {"uniform": [0.10, 0.11, 0.12], "pns": [0.01, -0.01, 0.03]}.items():
        runs += seeds([0.3, 0.5, 0.4], sampler=sampler)
        runs += seeds(
            [a + b for a, b in zip([0.3, 0.5, 0.4], gains, strict=True)],
            sampler=sampler,
            method="mebns",
        )
    frame = table(tmp_path, "paired", runs).frame
    shown = frame[frame.metric == "hits@20"].set_index("sampler")
    assert shown.difference.to_dict() == pytest.approx({"uniform": 0.11, "pns": 0.01})
    t = 0.11 / (0.01 / math.sqrt(3))
    p = 1 - t / math.sqrt(t * t + 2)  # two-sided, in closed form for 2 degrees of freedom
    assert shown.p["uniform"] == pytest.approx(p)
    assert shown.p_holm["uniform"] == pytest.approx(2 * p)
    assert shown.p_holm["pns"] == pytest.approx(shown.p["pns"])
    assert shown.verdict.to_dict() == {"uniform": "better", "pns": "no difference shown"}
    assert set(frame.metric) == {"hits@20", "hits@30", "auc"}


def test_only_shared_seeds_count_and_one_is_not_tested(tmp_path: Path) -> None:
    runs = [*seeds([0.3, 0.5]), metrics(method="mebns", seed=1, **hits(0.4))]
    row = table(tmp_path, "paired", runs).frame.iloc[0]
    assert (row.n, row.verdict) == (1, "not tested")
    assert row.difference == pytest.approx(-0.1)
    assert math.isnan(row.low)
    assert math.isnan(row.p_holm)


def test_variants_are_compared_with_their_method_and_drops_left_out(tmp_path: Path) -> None:
    names = ["plain", "mebns", "mebns-random", "plain-drop-65"]
    runs = [run for name in names for run in seeds([0.3, 0.5], method=name)]
    frame = table(tmp_path, "paired", runs).frame
    found = set(zip(frame.method, frame.against, strict=True))
    assert found == {("mebns", "plain"), ("mebns", "mebns-random"), ("mebns-random", "plain")}
    drops = [run for run in runs if run["run"]["method"].startswith("plain")]
    frame = table(tmp_path, "paired", drops).frame
    assert set(zip(frame.method, frame.against, strict=True)) == {("plain-drop-65", "plain")}


# --- planted ----------------------------------------------------------------------------------


def test_the_planted_table_gives_distance_and_false_negatives(tmp_path: Path) -> None:
    made = table(tmp_path, "planted", seeds([0.42, 0.44], dataset="planted", **planted()))
    values = made.frame.set_index("quantity")["mean"]
    assert values["ceiling hits@20"] == 0.52
    assert values["distance hits@20"] == pytest.approx(0.09)
    assert values["false negatives"] == pytest.approx(0.012)
    assert (values["ece"], values["brier"], values["spearman"]) == pytest.approx((0.05, 0.1, 0.61))
    assert "Hits@20 distance" in markdown(made, "")


def test_there_is_no_planted_table_without_a_planted_graph(tmp_path: Path) -> None:
    assert table(tmp_path, "planted", seeds([0.4])) is None


# --- what is refused --------------------------------------------------------------------------


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"'resluts' is not one of results, published"):
        table(tmp_path, "resluts", seeds([0.4]))


def test_missing_and_malformed_files_are_named(tmp_path: Path) -> None:
    path = suite(tmp_path, [metrics(), metrics(seed=1)])
    second = tmp_path / "metrics" / "1.json"
    second.write_text('{"run": {"dataset": "cora"}}')
    with pytest.raises(ReportError, match=r"1\.json: not a valid metrics file, at run\.predictor"):
        read_suite(path)
    second.write_text("{")
    with pytest.raises(ReportError, match=r"1\.json: damaged"):
        read_suite(path)
    second.write_text(suite(tmp_path / "b", [metrics()]).read_text().replace("cora", "NaN"))
    second.unlink()
    with pytest.raises(ReportError, match=r"1\.json: cannot be read"):
        read_suite(path)


def test_nan_is_refused(tmp_path: Path) -> None:
    path = suite(tmp_path, [metrics(**hits(0.125))])
    file = tmp_path / "metrics" / "0.json"
    file.write_text(file.read_text().replace("0.125", "NaN"))
    with pytest.raises(ReportError, match=r"0\.json: damaged \(NaN is no number of JSON\)"):
        read_suite(path)


def test_a_repeated_run_and_mixed_protocols_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="hold the same run"):
        read_suite(suite(tmp_path, [metrics(), metrics()]))
    other = metrics(seed=1, protocol={**RANDOM, "negatives_per_link": 2})
    with pytest.raises(ReportError, match="differ in their protocol"):
        read_suite(suite(tmp_path, [metrics(), other]))


def test_the_primary_metric_must_be_shown(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="'mrr' is not in metrics_shown"):
        read_suite(suite(tmp_path, [metrics()], primary="mrr"))


# --- the files --------------------------------------------------------------------------------


def report(folder: Path, runs: list[dict[str, Any]], **given: Any) -> Path:
    out = folder / "out"
    path = suite(folder, runs, **given)
    make_report(path, out / "tables", out / "figures", out / "page.html")
    return out


def test_tables_are_written_in_full_precision_with_a_summary_for_dvc(tmp_path: Path) -> None:
    out = report(
        tmp_path, seeds([0.1, 0.2]) + seeds([0.3], predictor="ra", sampler=None, method=None)
    )
    with (out / "tables" / "results.csv").open() as file:
        rows = {(row["predictor"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["gcn", "hits@20"]["mean"]) == pytest.approx(0.15, abs=1e-16)
    assert (rows["ra", "hits@20"]["sampler"], rows["ra", "hits@20"]["std"]) == ("–", "")
    summary = (out / "tables" / "metrics.json").read_text()
    assert '"cora"' in summary
    assert {path.name for path in (out / "tables").iterdir()} == {
        *(
            f"{name}.{kind}"
            for name in ("results", "published", "paired")
            for kind in ("csv", "md")
        ),
        *("metrics.json", "plots.csv"),
    }


def test_equal_inputs_give_equal_bytes_and_stale_files_go(tmp_path: Path) -> None:
    given = {"figures": ["comparison"]}
    out = report(tmp_path, seeds([0.1, 0.2], **planted()), **given)
    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert out / "tables" / "planted.md" in first
    kept = [out / "tables" / "made-from-x.json", out / "figures" / "made-from-x.svg"]
    kept += [out / "tables" / "notes.md", out / "figures" / "logo.png"]
    stale = [out / "figures" / "migration-cora-gcn-dns.svg", out / "figures" / "meta_weights-a.png"]
    for path in [*kept, *stale]:
        path.write_text("x")
    report(tmp_path, seeds([0.1, 0.2], **planted()), **given)
    assert {path: path.read_bytes() for path in first} == first
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in stale)
    report(tmp_path, seeds([0.1, 0.2]), **given)
    assert not (out / "tables" / "planted.md").exists()


def test_an_error_leaves_the_earlier_report_as_it_was(tmp_path: Path) -> None:
    out = report(tmp_path, seeds([0.1, 0.2]))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(ReportError, match="'pie' is not one of"):
        report(tmp_path, seeds([0.7, 0.8]), figures=["pie"])
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
