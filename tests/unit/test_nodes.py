"""Tasks of nodes as a part of the pipeline: settings, plan, split, command, packs, report."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

from neglink import cli
from neglink.errors import ReportError, SplitError
from neglink.files import read_json, write_json
from neglink.params import check_params, read_params, schema
from neglink.plan import Plan, Step
from neglink.predictors import PREDICTORS, Heuristic
from neglink.reporting.findings import findings
from neglink.reporting.inputs import Inputs, read_suite
from neglink.reporting.nodes import node_results, nodes_table
from neglink.reporting.page import make_page
from neglink.reporting.statistics import Results
from neglink.reporting.tables import make_tables
from neglink.splits import PROTOCOLS, SPLITS, LinkSplit, check, make_split
from neglink.stored import stored_files
from tests.conftest import random_graph
from tests.unit.reporting_data import metrics, suite
from tests.unit.test_params import refusal, values

NODES: dict[str, Any] = {"links": "whole", "train": 0.3, "valid": 0.2, "repeats": 2}
NML = {"kind": "nml", "epochs": 4, "metric_steps": 1, "metric_width": 8, "validate_every": 2}
SUITE: dict[str, Any] = {
    "data__planted": {"nodes": 90, "classes": 3, "features": 30, "mean_degree": 6},
    "methods__nml": {**NML, "weights": "distance"},
    "methods__nml-cosine": {**NML, "metric": "cosine"},
    "suites__one__methods": ["nml", "nml-cosine"],
    "suites__one__seeds": 2,
    "suites__one__nodes": NODES,
    "suites__one__split": {"kind": "whole"},
    "suites__one__metrics": ["auc"],
    "suites__one__primary": "auc",
    "suites__one__tables": ["nodes", "cost"],
    "suites__one__figures": [],
}


def plan(**changes: Any) -> Plan:
    return Plan(check_params(values(**{**SUITE, **changes})))


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "line"),
    [
        ({"repeats": 0}, "suites.one.nodes.repeats = 0: "),
        ({"repeat": 3}, "suites.one.nodes.repeat: unknown key"),
        ({"split": "own"}, "suites.one.nodes.split = 'own': "),
        ({"train": 0.6, "valid": 0.4}, "leaves no node to test"),
        ({"per_dataset": {"coro": {}}}, "suites.one.nodes.per_dataset.coro: no such data set"),
        (
            {"per_dataset": {"planted": {"valid": 2}}},
            "suites.one.nodes.per_dataset.planted.valid = 2: ",
        ),
        ({"per_dataset": ["cora"]}, "suites.one.nodes.per_dataset: expected data sets"),
    ],
)
def test_a_wrong_setting_is_told_once_with_its_path(nodes: dict[str, Any], line: str) -> None:
    text = refusal(**{**SUITE, "suites__one__nodes": nodes})
    assert line in text
    assert text.count("\n") == 0


def test_the_public_division_is_asked_of_planetoids_graphs_alone() -> None:
    asked = {"suites__one__datasets": ["cora", "photo"], "suites__one__heuristics": []}
    text = refusal(**{**SUITE, **asked, "suites__one__nodes": {"split": "public"}})
    assert text == (
        "suites.one.nodes.split = 'public' on photo: Planetoid divides cora, citeseer, pubmed "
        "alone; set nodes.per_dataset.photo: {split: random}"
    )
    own = {"split": "public", "per_dataset": {"photo": {"split": "random"}}}
    made = plan(**asked, suites__one__nodes=own)
    told = {step.settings["run"]["dataset"]: step.settings["nodes"]["split"] for step in made.nodes}
    assert told == {"cora": "public", "photo": "random"}


@pytest.mark.parametrize("dataset", ["planted", "mine", "half"])
def test_a_graph_of_your_own_has_no_public_division(dataset: str) -> None:
    asked = {"suites__one__datasets": [dataset], "data__custom": {"mine": {"links": "a.csv"}},
             "data__shares": {"half": {"of": "cora", "share": 0.5}}}  # fmt: skip
    text = refusal(**{**SUITE, **asked, "suites__one__nodes": {"split": "public"}})
    assert f"suites.one.nodes.split = 'public' on {dataset}: Planetoid divides cora" in text


@pytest.mark.parametrize("dataset", ["ogbl-ddi", "mine", "part"])
def test_nodes_without_classes_are_not_judged(dataset: str) -> None:
    asked = {"suites__one__datasets": [dataset], "data__custom": {"mine": {"links": "a.csv"}},
             "data__shares": {"part": {"of": "facebook", "share": 0.5}}}  # fmt: skip
    assert refusal(**{**SUITE, **asked}) == (
        f"suites.one.nodes: the nodes of {dataset!r} have no classes to be judged by; take "
        "another data set, or leave nodes out"
    )


@pytest.mark.parametrize("predictor", PREDICTORS.names())
def test_predictors_without_embeddings_are_not_judged_on_nodes(predictor: str) -> None:
    part = PREDICTORS.make(predictor)
    if isinstance(part, Heuristic):
        return
    asked = {**SUITE, "suites__one__predictors": [predictor], "suites__one__methods": ["plain"]}
    if part.build(random_graph(20, 40, f=4), torch.Generator()).edge_centric:
        assert refusal(**asked) == (
            f"suites.one.nodes: {predictor!r} scores pairs and has no embeddings of nodes; take "
            "another predictor, such as gcn, or leave nodes out"
        )
    else:
        check_params(values(**asked))


def test_a_table_of_nodes_wants_tasks_and_tasks_want_trained_runs() -> None:
    assert "suites.one.tables: 'nodes' shows" in refusal(**{**SUITE, "suites__one__nodes": None})
    bare: dict[str, Any] = {
        f"suites__one__{what}": [] for what in ("predictors", "samplers", "methods")
    }
    assert "suites.one.nodes: the suite trains nothing" in refusal(**{**SUITE, **bare})


def test_editors_know_the_settings() -> None:
    tasks = schema()["$defs"]["SuiteParams"]["properties"]["nodes"]["anyOf"][0]
    assert {"links", "split", "repeats", "per_dataset"} <= tasks["properties"].keys()
    assert tasks["additionalProperties"] is False


# --- plan -------------------------------------------------------------------------------------


def test_every_trained_run_has_its_tasks_and_a_heuristic_has_none() -> None:
    made = plan()
    assert [step.label for step in made.nodes] == [
        f"planted-gcn-dns-{method}-s{seed}" for method in ("nml", "nml-cosine") for seed in (0, 1)
    ]
    assert made.all("nodes") == sorted(made.nodes, key=lambda step: step.name)
    first = made.nodes[0]
    assert set(first.inputs) == {"graph", "split", "checkpoint"}
    assert first.path.startswith("results/nodes/planted-gcn-dns-nml-s0-")
    assert first.settings["nodes"]["split"] == "random"  # defaults are told too
    assert "neglink.steps.nodes" in first.modules
    assert "neglink.steps.evaluate" not in first.modules
    assert made.suite_file()["nodes"] == [step.path for step in made.nodes]
    assert {step.kind for step in made.trainings} == {"train"}


def test_the_tasks_change_no_other_step() -> None:
    made, without = plan(), plan(suites__one__nodes=None, suites__one__tables=["results"])
    assert without.nodes == []
    for kind in ("graph", "split", "train", "evaluate"):
        assert {s.name for s in made.all(kind)} == {s.name for s in without.all(kind)}
    other = plan(suites__one__nodes={**NODES, "repeats": 3})
    assert {s.path for s in made.nodes}.isdisjoint(s.path for s in other.nodes)
    assert made.marker != other.marker


def test_swept_runs_are_judged_too() -> None:
    made = plan(suites__one__sweep={"regularisation": [0.0]}, suites__one__seeds=1)
    sweeps = [step.settings["run"]["sweep"] for step in made.nodes]
    assert [sweep["value"] if sweep else None for sweep in sweeps] == [None, 0.0, None, 0.0]


# --- the split that keeps the whole graph ---------------------------------------------------------


@pytest.mark.parametrize("held", [1, 4])
def test_a_whole_split_holds_out_no_more_than_it_must(held: int) -> None:
    graph = random_graph()
    part, uniform = SPLITS.make("whole", held=held), PROTOCOLS.make("uniform")
    one, other, again = (make_split(graph, part, uniform, seed) for seed in (0, 1, 0))
    assert (one.train.shape[1], one.valid.shape[1], one.test.shape[1]) == (
        graph.m - 2 * held, held, held,
    )  # fmt: skip
    assert check(one, graph)["links"] == {"train": graph.m - 2 * held, "valid": held, "test": held}
    assert one.valid.equal(again.valid)
    assert not one.valid.equal(other.valid)


def test_a_whole_split_needs_a_link_to_train_on() -> None:
    graph = random_graph()
    with pytest.raises(SplitError, match=r"split\.held=60 holds out 120 of \d+ links"):
        make_split(graph, SPLITS.make("whole", held=60), PROTOCOLS.make("uniform"), 0)


# --- by hand, from params.yaml to the page --------------------------------------------------------


def call(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def carry_out(step: Step) -> None:
    """One step by its command, as its rule calls it."""
    given = [step.inputs[key].path for key in ("graph", "split") if key in step.inputs]
    outputs = [*step.paths.values()]
    checkpoint = [step.inputs["checkpoint"].path] if "checkpoint" in step.inputs else []
    if step.kind == "evaluate" and checkpoint:
        checkpoint = ["--checkpoint", *checkpoint]
        outputs, checkpoint = [*outputs, *checkpoint], []
    told = ["--settings", step.told, "--made-from", step.made_from]
    call(step.kind, *given, *checkpoint, *outputs, *told)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every step of the suite was carried out, the report too."""
    here = tmp_path_factory.mktemp("project")
    (here / "params.yaml").write_text(yaml.safe_dump(values(**SUITE)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        made = Plan(read_params(Path("params.yaml")))
        for step in made.all("graph", "split", "train", "evaluate", "nodes"):
            carry_out(step)
        report(made)
    return here


def report(made: Plan) -> None:
    call("suite", made.report.path)
    call("report", made.report.path, "tables", "figures", "page.html", made.marker)


def test_a_result_says_what_made_it_and_is_that_of_its_seed(project: Path) -> None:
    made = Plan(read_params(project / "params.yaml"))
    results = [read_json(project / step.path) for step in made.nodes]
    for step, result in zip(made.nodes, results, strict=True):
        assert result["made_from"]["digest"] == step.digest
        assert result["made_from"]["settings"]["nodes"] == step.settings["nodes"]
        assert result["run"] == step.settings["run"]
        assert 0.3 < result["probe"]["accuracy"]["mean"] <= 1
        assert result["weights"]["ratio"] > 0  # of M, and of the cosine in its place
    assert results[0]["probe"] != results[1]["probe"]


def test_prune_and_plan_know_the_results(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    made = Plan(read_params(Path("params.yaml")))
    assert {step.path for step in made.nodes} < {file.path for file in stored_files(Path())}
    old = Path("results/nodes/old-000000000000.json")
    old.touch()
    assert call("runs", "prune").splitlines()[:-1] == [str(old)]
    old.unlink()
    lines = [line.split() for line in call("plan").splitlines()]
    assert ["nodes", "4", "steps,", "4", "with", "their", "file"] in lines


def test_the_report_is_made_again_from_a_pack_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    made, table = Plan(read_params(Path("params.yaml"))), Path("tables/nodes.csv")
    before = table.read_bytes()
    assert "10 runs, 0 of the suite's are missing" in call("runs", "pack")
    for path in (*(Path(step.path) for step in made.results), table):
        path.unlink()
    assert "10 written" in call("runs", "unpack")
    report(made)
    assert table.read_bytes() == before


def test_page_and_summary_speak_of_nodes_and_not_of_two_links(project: Path) -> None:
    page = (project / "page.html").read_text()
    assert "planted: the best accuracy of a linear probe is " in page
    assert "the best AUC" not in page
    assert "Tasks of nodes" in page
    assert "Weight ratio" in page
    assert "tasks of nodes, random division into 27 training, 18 validation and 45 test" in page
    shown = json.loads((project / "tables/metrics.json").read_text())
    assert shown["planted"]["gcn"]["dns"]["nml"].keys() == {
        "accuracy",
        "nmi",
        "ari",
        "fmi",
        "ratio",
    }
    assert (project / "tables/plots.csv").read_text().splitlines()[1].split(",")[5] == "accuracy"


# --- the table ----------------------------------------------------------------------------------


def judged(
    method: str, seed: int, accuracy: float, ratio: float | None = None, dataset: str = "cora",
    split: str = "public", **run: Any,
) -> dict[str, Any]:  # fmt: skip
    def spread(value: float) -> dict[str, Any]:
        return {"mean": value, "std": 0.0, "values": [value]}

    settings = {
        "nodes": {"split": split, "links": "whole", "repeats": 10},
        "method": {"kind": "nml", "regularisation": 0.1},
    }
    names = {"dataset": dataset, "predictor": "gcn-rrelu", "sampler": "uniform", "method": method}
    return {
        "run": {**names, "seed": seed, **run},
        "kind": "nodes",
        "probe": {"accuracy": spread(accuracy), "valid_accuracy": spread(accuracy - 0.01),
                  "c": spread(1.0)},
        "clusters": {"nmi": spread(0.5), "ari": spread(0.4), "fmi": spread(0.6)},
        "counts": {"train": 140, "valid": 500, "test": 1000},
        "weights": None if ratio is None else {"ratio": ratio, "same_class": 1, "other_class": 1},
        "cost": {"seconds": 30.0},
        "made_from": {"settings": settings},
    }  # fmt: skip


def loaded(folder: Path, nodes: list[dict[str, Any]], **more: Any) -> Inputs:
    files = [str(folder / "nodes" / f"{place}.json") for place in range(len(nodes))]
    for file, content in zip(files, nodes, strict=True):
        write_json(Path(file), content)
    runs = [metrics(seed=0, method="nml", predictor="gcn-rrelu")]
    return read_suite(suite(folder, runs, nodes=files, tables=["nodes"], **more))


def cora(accuracies: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [
        judged(method, seed, value, 0.6 if method == "nml-distance" else None)
        for method, of_seeds in accuracies.items()
        for seed, value in enumerate(of_seeds)
    ]


FORMS = {"nml": [0.84, 0.85, 0.86], "nml-distance": [0.81, 0.82, 0.83], "nml-infonce": [0.8, 0.8]}


def rows(table: Any, kind: str, **where: str) -> list[dict[str, Any]]:
    frame = table.frame[table.frame["kind"] == kind]
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return list(frame.to_dict("records"))


def test_the_table_has_means_pairs_and_the_published_figure(tmp_path: Path) -> None:
    inputs = loaded(tmp_path, cora(FORMS))
    (table,) = make_tables(inputs, Results(inputs.metrics))
    (mean,) = rows(table, "task", method="nml", metric="accuracy")
    assert (mean["n"], mean["mean"]) == (3, pytest.approx(0.85))
    assert mean["std"] == pytest.approx(0.01)
    (figure,) = rows(table, "published")
    assert (figure["published"], figure["method"], figure["verdict"]) == (0.8493, "nml", "reached")
    pairs = rows(table, "paired", metric="accuracy")
    assert [(row["method"], row["against"], row["n"]) for row in pairs] == [
        ("nml", "nml-distance", 3), ("nml", "nml-infonce", 2), ("nml-distance", "nml-infonce", 2),
    ]  # fmt: skip
    assert pairs[0]["difference"] == pytest.approx(0.03)
    assert len(rows(table, "paired")) == 9
    (ratio,) = rows(table, "task", method="nml-distance", metric="ratio")
    assert ratio["mean"] == pytest.approx(0.6)
    titles = [sheet.title for sheet in table.sheets]
    assert titles == [
        "Classes and clusters", "Published figures beside ours", "Method against method",
    ]  # fmt: skip
    said = " ".join(findings(inputs, Results(inputs.metrics), [table]))
    assert "cora: the best accuracy of a linear probe is 0.8500" in said
    assert "Of 1 published accuracies of NML-GCL: 1 reached." in said
    assert "nml-distance on cora 0.600" in said
    page = make_page(inputs, Results(inputs.metrics), [table], [])
    assert "public division into 140 training, 500 validation and 1,000 test nodes" in page


def test_a_published_accuracy_whose_cell_was_not_run_is_named(tmp_path: Path) -> None:
    grid = {
        "datasets": ["cora", "citeseer"], "predictors": ["gcn-rrelu"], "samplers": ["uniform"],
        "methods": ["nml"], "seeds": 2,
    }  # fmt: skip
    settings = {"suites": {"invented": grid}}
    inputs = loaded(tmp_path, [judged("nml", seed, 0.8) for seed in (0, 1)], settings=settings)
    (table,) = make_tables(inputs, Results(inputs.metrics))
    run, missing = rows(table, "published")
    assert (run["dataset"], run["verdict"]) == ("cora", "below")
    assert (missing["dataset"], missing["published"]) == ("citeseer", 0.7337)
    assert (missing["verdict"], missing["n"]) == ("not run", 0)
    assert missing["why"] == "no run has the dataset citeseer"
    said = " ".join(findings(inputs, Results(inputs.metrics), [table]))
    assert "Of 2 published accuracies of NML-GCL: 1 below, 1 not run." in said


def test_cells_without_a_judged_run_are_named_and_counted(tmp_path: Path) -> None:
    grid = {
        "datasets": ["cora"], "predictors": ["gcn-rrelu"], "samplers": ["uniform"], "seeds": 3,
        "methods": ["nml", "nml-infonce"], "heuristics": ["cn"],
    }  # fmt: skip
    settings = {"suites": {"invented": grid}}
    inputs = loaded(tmp_path, [judged("nml", seed, 0.8) for seed in (0, 1)], settings=settings)
    table = nodes_table(inputs, Results(inputs.metrics))
    assert table is not None
    assert [item.text for item in table.sheets[0].rows[-1][3:6]] == ["nml-infonce", "0", "not run:"]
    (missing,) = rows(table, "task", method="nml-infonce", metric="accuracy")
    assert missing["n"] == 0
    assert table.notes[-1].startswith(
        "Not run: 1 of the 2 cells that the suite asks for; 1 more have fewer seeds"
    )


@pytest.mark.parametrize("split", ["public", "random"])
def test_a_verdict_names_the_division_that_it_is_on(tmp_path: Path, split: str) -> None:
    runs = [judged("nml", seed, 0.9 + seed / 100, split=split) for seed in (0, 1)]
    inputs = loaded(tmp_path, runs)
    (figure,) = rows(nodes_table(inputs, Results(inputs.metrics)), "published")
    assert figure["verdict"] == "reached"
    assert figure["why"].endswith(f"; our division is {split}")


def test_a_division_that_is_not_on_record_is_not_compared(tmp_path: Path) -> None:
    runs = [judged("nml", seed, 0.9) for seed in (0, 1)]
    for run in runs:
        del run["made_from"]["settings"]["nodes"]["split"]
    inputs = loaded(tmp_path, runs)
    (figure,) = rows(nodes_table(inputs, Results(inputs.metrics)), "published")
    assert figure["verdict"] == "not comparable"


def test_a_swept_value_is_chosen_on_validation_nodes(tmp_path: Path) -> None:
    base = [judged("nml", seed, 0.80 + seed / 100, 0.9) for seed in (100, 101)]
    swept = [
        judged(f"nml+regularisation-{value:g}", seed, 0.80 + gain + seed / 100, 0.7,
               sweep={"method": "nml", "setting": "regularisation", "value": value})
        for value, gain in ((0.0, 0.02), (0.1, 0.0), (1.0, -0.05)) for seed in (100, 101)
    ]  # fmt: skip
    inputs = loaded(tmp_path, base + swept)
    table = nodes_table(inputs, Results(inputs.metrics))
    shown = rows(table, "swept", side="valid")
    assert [(row["value"], row["is_base"], row["is_best"]) for row in shown] == [
        ("0", False, True), ("0.1", True, False), ("1", False, False),
    ]  # fmt: skip
    assert shown[0]["difference"] == pytest.approx(0.02)
    assert [row["method"] for row in rows(table, "task", metric="accuracy")] == ["nml"]
    assert table is not None
    assert table.sheets[-1].title == "Swept settings"
    assert len(table.sheets[-1].heads) == len(table.sheets[-1].rows[0])


def test_no_tasks_make_no_table_and_a_run_twice_is_refused(tmp_path: Path) -> None:
    inputs = loaded(tmp_path, [])
    assert nodes_table(inputs, Results(inputs.metrics)) is None
    assert node_results(inputs).cells == {}
    with pytest.raises(ReportError, match="hold the same run"):
        loaded(tmp_path, [judged("nml", 0, 0.8), judged("nml", 0, 0.8)])


def test_a_run_by_hand_is_held_to_its_split(project: Path) -> None:
    made = Plan(read_params(project / "params.yaml"))
    split = LinkSplit.load(project / made.all("split")[0].path)
    assert (split.valid.shape[1], split.test.shape[1]) == (1, 1)
