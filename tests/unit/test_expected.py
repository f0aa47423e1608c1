"""Expected cost of a suite, on invented records."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from neglink import cli
from neglink.errors import DataError
from neglink.expected import (
    Record,
    all_epochs_of,
    by_rule,
    chain,
    costs,
    epochs_of,
    left,
    records,
    rows,
)
from neglink.params import check_params
from neglink.plan import Plan, Step
from tests.unit.test_params import values

PLAIN = Record(
    dataset="planted", predictor="gcn", sampler="dns", method="plain", kind="plain", epochs=3,
    train_seconds=30.0, evaluate_seconds=2.0, peak_mb=400.0, device="cpu",
)  # fmt: skip


def plan(**changes: Any) -> Plan:
    return Plan(check_params(values(**changes)))


def only(made: Plan, kind: str) -> Step:
    (step,) = made.all(kind)
    return step


def test_seconds_of_the_same_run_are_taken_and_scaled_by_the_epochs() -> None:
    made = plan(methods__plain__epochs=6)
    found = costs(made, [PLAIN, replace(PLAIN, train_seconds=50.0, peak_mb=500.0)])
    trained = found["train", only(made, "train").name]
    # the median of 30 and 50 for three epochs, twice for six
    assert (trained.seconds, trained.source, trained.peak_mb) == (80.0, "measured", 500.0)
    judged = next(s for s in made.evaluations if "checkpoint" in s.inputs)
    assert found["evaluate", judged.name].seconds == 2.0
    heuristic = next(s for s in made.evaluations if "checkpoint" not in s.inputs)
    assert found["evaluate", heuristic.name].source == "rule"


def test_the_same_sampler_comes_before_others_and_they_before_the_kind() -> None:
    made = plan()
    name = only(made, "train").name
    other = replace(PLAIN, sampler="uniform", train_seconds=7.0)
    kind = replace(PLAIN, method="another", train_seconds=11.0)

    def found(*known: Record) -> tuple[float, str]:
        cost = costs(made, known)["train", name]
        return cost.seconds, cost.source

    assert found(kind, other, PLAIN) == (30.0, "measured")
    assert found(kind, other) == (7.0, "measured")
    assert found(kind) == (11.0, "scaled")
    assert found(replace(PLAIN, dataset="cora"), replace(PLAIN, predictor="gat")) == (
        by_rule(only(made, "train")), "rule",
    )  # fmt: skip
    assert found(replace(PLAIN, device="cuda")) == found()


def test_what_a_chain_took_is_shared_out_and_adds_up() -> None:
    made = plan(suites__one__methods=["mebns"], suites__one__heuristics=[])
    measured = replace(PLAIN, method="mebns", kind="mebns", epochs=300, train_seconds=90.0)
    found = costs(made, [measured])
    steps = chain(made.evaluations[0])
    assert sorted(step.kind for step in steps) == ["metadata", "student", "teacher"]
    parts = {step.kind: found[step.kind, step.name].seconds for step in steps}
    assert sum(parts.values()) == pytest.approx(90.0)
    rules = {step.kind: by_rule(step) for step in steps}
    for kind, seconds in parts.items():
        assert seconds / 90 == pytest.approx(rules[kind] / sum(rules.values()))


def test_a_step_that_runs_share_counts_once() -> None:
    made = plan(
        methods__wide={"kind": "mebns", "beta": 0.9},
        suites__one__methods=["mebns", "wide"], suites__one__heuristics=[],
    )  # fmt: skip
    one = replace(PLAIN, method="mebns", kind="mebns", epochs=300, train_seconds=90.0)
    table = {row.rule: row for row in rows(made, [one, replace(one, method="wide")], left(made))}
    assert (table["teacher"].steps, table["student"].steps) == (1, 2)
    steps = chain(made.evaluations[0])
    whole = sum(map(by_rule, steps))
    share = {step.kind: 90 * by_rule(step) / whole for step in steps}
    assert table["teacher"].seconds == pytest.approx(share["teacher"])
    assert table["student"].seconds == pytest.approx(2 * share["student"])


def test_steps_with_their_file_cost_nothing(tmp_path: Path) -> None:
    made = plan()
    path = tmp_path / only(made, "train").path
    path.parent.mkdir(parents=True)
    path.touch()
    table = {row.rule: row for row in rows(made, [PLAIN], left(made, tmp_path))}
    assert "train" not in table
    assert (table["evaluate"].steps, table["evaluate"].measured) == (2, 1)
    assert table["evaluate"].by_rule == 1
    assert table["evaluate"].measured_seconds == 2.0
    assert table["graph"].asked_mb == 2000
    assert table["suite"].asked_mb == 0
    assert list(table) == ["graph", "split", "evaluate", "suite"]


def test_what_a_finished_run_was_made_from_costs_nothing(tmp_path: Path) -> None:
    made = plan(suites__one__samplers=["dns", "uniform"], suites__one__heuristics=[])

    def finish(step: Step) -> None:
        path = tmp_path / step.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    first, second = made.evaluations
    finish(first)
    waiting = left(made, tmp_path)
    assert waiting["train"] == [second.inputs["checkpoint"]]
    assert waiting["evaluate"] == [second]
    assert list(waiting) == ["graph", "split", "train", "evaluate", "suite"]
    finish(second)
    assert list(left(made, tmp_path)) == ["suite"]
    assert [row.rule for row in rows(made, [PLAIN], left(made, tmp_path))] == ["suite"]
    finish(made.report)
    assert not left(made, tmp_path)
    (tmp_path / first.path).unlink()  # the report does not hide that a result is missing
    assert left(made, tmp_path)["evaluate"] == [first]


def test_the_rule_by_hand() -> None:
    made = plan(suites__one__datasets=["cora"], methods__plain__epochs=100)
    # 2,708 nodes, 5,278 links, GCN
    epoch = 0.005 + 5e-6 * 2708 + 2e-7 * 5278
    assert by_rule(only(made, "train")) == pytest.approx(100 * epoch)
    assert by_rule(only(made, "split")) == pytest.approx(0.5 + 2e-6 * 5278)
    batches = plan(suites__one__datasets=["cora"], methods__plain__epochs=100,
                   methods__plain__batch_links=1000)  # fmt: skip
    batched = 6 * (0.005 + 5e-6 * 2708) + 2e-7 * 5278
    assert by_rule(only(batches, "train")) == pytest.approx(100 * batched)
    seal = plan(suites__one__datasets=["cora"], suites__one__predictors=["seal"],
                predictors__seal={"hidden": 8}, methods__plain__epochs=2)  # fmt: skip
    assert by_rule(only(seal, "train")) == pytest.approx(2 * 7e-4 * 5278)
    gae = plan(suites__one__datasets=["cora"], suites__one__predictors=["gae"],
               predictors__gae={"hidden": 8}, methods__plain__epochs=2)  # fmt: skip
    assert by_rule(only(gae, "train")) == pytest.approx(2 * (0.005 + 5e-6 * 2708 + 2e-5 * 5278))


def test_the_rule_is_near_what_runs_took() -> None:
    """Medians of results/metrics and of results/runs, seconds of a training."""
    took = {
        ("cora", "gcn", 300, None): 5.1,
        ("citeseer", "gcn", 400, None): 9.2,
        ("pubmed", "gcn", 300, None): 36.1,
        ("cora", "gat", 300, None): 74.5,
        ("citeseer", "gat", 400, None): 100.1,
        ("cora", "seal", 30, 32): 107.1,
        ("cora", "grail", 30, 32): 65.6,
        ("cora", "sage", 40, 1024): 8.6,
        ("cora", "ncn", 40, 1024): 14.6,
        ("cora", "gae", 80, 1024): 20.0,
        ("citeseer", "gae", 80, 1024): 24.3,
        ("ogbl-ddi", "gae", 120, 131_072): 2851.7,
    }
    for (dataset, predictor, epochs, batch), seconds in took.items():
        made = plan(
            suites__one__datasets=[dataset], suites__one__predictors=[predictor],
            suites__one__heuristics=[], methods__plain={"epochs": epochs, "batch_links": batch},
            **{f"predictors__{predictor}": {}},
        )  # fmt: skip
        ratio = by_rule(only(made, "train")) / seconds
        assert 1 / 3 < ratio < 3, (dataset, predictor, ratio)


@pytest.mark.parametrize(
    ("method", "whole"),
    [
        ({"epochs": 7}, 7),
        ({"teacher_epochs": 3, "student_epochs": 4, "passes": 20}, 7),
        ({"epochs": 5, "fine_tune_epochs": 0}, 5),
        ({"iterations": 10, "inner_epochs": 20}, 200),
    ],
)
def test_epochs_of_a_method(method: dict[str, Any], whole: int) -> None:
    assert all_epochs_of(method) == whole


def test_epochs_of_a_step() -> None:
    mebns = {"teacher_epochs": 3, "student_epochs": 4, "passes": 20}
    assert [epochs_of(mebns, kind) for kind in ("teacher", "metadata", "student")] == [3, 20, 4]


def metrics(dataset: str = "planted", **cost: Any) -> dict[str, Any]:
    run = {"dataset": dataset, "predictor": "gcn", "sampler": "dns", "method": "plain", "seed": 0}
    told = {"train_seconds": 30.0, "evaluate_seconds": 2.0, "peak_memory_mb": 400.0,
            "device": "cpu", "epochs": 3} | cost  # fmt: skip
    settings = {"method": {"kind": "plain", "epochs": 3}}
    return {"run": run, "cost": told, "made_from": {"settings": settings}}


def test_records_are_read_from_packs_and_metrics_each_run_once(tmp_path: Path) -> None:
    packs, folder = tmp_path / "results/runs", tmp_path / "results/metrics"
    packs.mkdir(parents=True)
    folder.mkdir()
    lines = {
        "results/metrics/planted-a.json": metrics(),
        "results/metrics/cora-a.json": metrics("cora"),
        "results/analyses/planted-a.json": {"made_from": {}},
    }
    with gzip.open(packs / "one.jsonl.gz", "wt") as stream:
        for path, content in lines.items():
            pair = {"content": content, "path": path}
            stream.write(json.dumps(pair, separators=(",", ":")) + "\n")
    (folder / "planted-a.json").write_text(json.dumps(metrics(train_seconds=99.0)))
    (folder / "planted-b.json").write_text(json.dumps(metrics(train_seconds=31.0)))
    (folder / "planted-c.json").write_text("{")
    found = records(tmp_path, {"planted"})
    assert found == [PLAIN, replace(PLAIN, train_seconds=31.0)]


def test_a_pack_that_is_no_pack_is_named(tmp_path: Path) -> None:
    packs = tmp_path / "results/runs"
    packs.mkdir(parents=True)
    (packs / "one.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"one\.jsonl\.gz: not readable"):
        records(tmp_path, {"planted"})


def test_plan_says_what_is_measured_and_what_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values()))
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(cli.app, ["plan"])
    assert shown.exit_code == 0, shown.output
    table = {
        line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines() if line.strip()
    }
    assert table["train"] == ["1", "<", "0.001", "0", "0", "1", "2,000", "–"]
    assert "none of these hours rest on measured runs" in shown.stdout
    assert "this is 3 batch jobs" in shown.stdout  # data, training, heuristics
