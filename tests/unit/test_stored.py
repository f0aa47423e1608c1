"""`neglink runs list | prune`: what is stored, who asks for it, what can go."""

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from neglink import cli
from neglink.commands.runs import write_pack
from neglink.datasets import entry
from neglink.errors import StoredError
from neglink.files import DEAD_AFTER, UNFINISHED, write_json
from neglink.params import read_params
from neglink.plan import STATE, Plan, Step
from neglink.stored import inventory, stored_files
from tests.unit.test_params import values

OTHERS = ("data/mine.csv", "data/raw/mine.txt", "data/graphs/mine.npz", "results/notes.md",
          "results/metrics/old-0123456789a.json", "results/metrics/old-0123456789ab.json~",
          "results/metrics/below/old-0123456789ab.json", "results/metrics/-0123456789ab.json",
          "results/metrics/.old-0123456789ab.json", "results/checkpoints/old-0123456789ab.json",
          "results/other/old-0123456789ab.json")  # fmt: skip
"""Names that no step gives."""

FREE = ("data/raw/.fetched/cora-0123456789ab.json", "data/splits/planted-s0-000000000000.npz",
        "results/checkpoints/any-step/old-0123456789ab.safetensors",
        "results/metrics/older-0123456789ab.json",
        "results/nodes/a.b+c_d-0123456789ab.json")  # fmt: skip
"""Names of steps that nobody asks for."""

KEPT = ("data/raw/" + entry("cora").files[0].path, "results/tables/one/results.csv",
        "results/report/gone.html", "results/figures/one/a-0123456789ab.json")  # fmt: skip
"""Raw files and reports."""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A suite of a trained run and a heuristic, and one of the heuristic alone, in a folder."""
    told = values()
    told["suites"]["two"] = {"title": "Two", "datasets": ["planted"], "heuristics": ["cn"]}
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(told))
    monkeypatch.chdir(folder)
    return Plan(read_params(Path("params.yaml")))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["runs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def put(*paths: str, text: str = "1234567\n") -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def files_of(plan: Plan) -> list[str]:
    return sorted(
        p for s in plan.steps.values() for step in s.values() for p in step.paths.values()
    )


def here() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_symlink() or path.is_file()}


def row(text: str, first: str) -> list[str]:
    (found,) = [line.split() for line in text.splitlines() if line.split()[:1] == [first]]
    return found[1:]


def test_prune_deletes_what_no_suite_asks_for_and_nothing_else(plan: Plan) -> None:
    put(*files_of(plan), *OTHERS, *FREE, *KEPT)
    before = here()
    told = run("prune").splitlines()
    assert told[:-1] == [*sorted(FREE), *(f"not neglink's, stays: {p}" for p in sorted(OTHERS))]
    assert told[-1].startswith("5 files (0.00 MB) that no suite asks for with its own seeds, and")
    assert here() == before
    assert run("prune", "--delete").splitlines()[-1].startswith("deleted: 5 files")
    assert here() == before - set(FREE)
    assert run("prune", "--delete").splitlines()[-1].startswith("deleted: 0 files")


def test_what_a_killed_step_was_writing_goes_once_nobody_can_be_at_it(plan: Plan) -> None:
    dead = [f"{folder}/{UNFINISHED}k3_x9ab1.json" for folder in ("results/metrics", "data/raw/a")]
    alive = f"results/metrics/{UNFINISHED}abcdefgh.json"
    put(*dead, alive)
    for path in dead:
        os.utime(path, (time.time() - DEAD_AFTER - 60,) * 2)
    assert run("prune").splitlines()[:-1] == sorted(dead)
    assert f"{alive}  being written" in run("list", "--files")
    run("prune", "--delete")
    assert here() == {"params.yaml", alive}


def test_a_damaged_file_beside_a_step_of_a_pack_stops_nothing(plan: Plan) -> None:
    old = Plan(read_params(Path("params.yaml"), seeds="planted=2"))
    kept = next(step for step in old.evaluations if step.settings["run"]["seed"] == 1)
    put(*files_of(old), text="{")
    found = inventory(Path(), [plan], {"gone": {kept.path: made(kept)}})
    assert found.asked[kept.inputs["split"].path] == {"pack gone"}


def test_further_seeds_are_kept_where_they_are_asked_for(plan: Plan) -> None:
    more = files_of(Plan(read_params(Path("params.yaml"), seeds="5")))
    put(*more)
    assert "with its own seeds or seeds=5, and no pack" in run("prune", "--seeds", "5", "--delete")
    assert set(more) <= here()
    run("prune", "--seeds", "planted=4", "--delete")
    splits = Plan(read_params(Path("params.yaml"), seeds="5")).all("split")
    assert {s.settings["seed"] for s in splits if Path(s.path).exists()} == {0, 1, 2, 3}


def test_the_state_of_a_training_goes_when_nobody_asks_for_the_training(plan: Plan) -> None:
    (step,) = plan.all("train")
    ours = STATE.format(kind="train", name=step.name)
    old = STATE.format(kind="train", name="old-0123456789ab")
    put(ours, old)
    run("prune", "--delete")
    assert here() == {"params.yaml", ours}


def made(step: Step) -> dict[str, object]:
    return {"made_from": json.loads(step.made_from)}


def test_a_pack_keeps_its_runs_and_what_they_were_made_from(plan: Plan) -> None:
    told = yaml.safe_load(Path("params.yaml").read_text())
    told["suites"]["one"]["methods"] = ["mebns"]
    Path("changed.yaml").write_text(yaml.safe_dump(told))
    old = Plan(read_params(Path("changed.yaml")))
    (trained,) = [step for step in old.evaluations if "checkpoint" in step.inputs]
    put(*files_of(old), *FREE)
    for step in old.trainings:  # as steps write it: what each was made from lies beside it
        write_json(Path(step.paths["made_from"]), json.loads(step.made_from))
    write_pack(Path("results/runs/gone.jsonl.gz"), {trained.path: made(trained)})
    kinds = ("graph", "split", "teacher", "metadata", "student")
    needed = {path for step in old.all(*kinds) for path in step.paths.values()} | {trained.path}
    found = inventory(Path(), [plan], {"gone": {trained.path: made(trained)}})
    assert found.asked[trained.path] == {"pack gone"}
    assert {file.path for file in found.free} == {*FREE, old.report.path}
    run("prune", "--delete")
    assert needed <= here()
    assert not {*FREE, old.report.path} & here()
    Path("results/runs/gone.jsonl.gz").unlink()
    run("prune", "--delete")
    assert set(files_of(old)) & here() == set(files_of(plan)) & set(files_of(old))


def test_nothing_is_deleted_beside_a_pack_that_cannot_be_read(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(*FREE)
    put("results/runs/one.jsonl.gz", text="no pack")
    monkeypatch.setattr(sys, "argv", ["neglink", "runs", "prune", "--delete"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "results/runs/one.jsonl.gz: not readable" in capsys.readouterr().err
    assert set(FREE) < here()


def test_a_suite_that_cannot_be_planned_is_left_out_of_the_list_and_stops_prune(
    plan: Plan,
) -> None:
    told = yaml.safe_load(Path("params.yaml").read_text())
    told["data"]["custom"] = {"mine": {"links": "mine.csv"}}
    told["suites"]["two"]["datasets"] = ["mine"]
    Path("params.yaml").write_text(yaml.safe_dump(told))
    put("mine.csv", text="".join(f"{a},{b}\n" for a in range(9) for b in range(a)))
    theirs = Plan(read_params(Path("params.yaml")), "two")
    put(*files_of(plan), *files_of(theirs))
    write_pack(
        Path("results/runs/two.jsonl.gz"), {step.path: made(step) for step in theirs.results}
    )
    assert "\n0 files" in f"\n{run('prune')}"
    Path("mine.csv").unlink()
    before, listed = here(), run("list")
    assert re.search(
        r"^suite two is left out, .* planned\): data set mine: mine\.csv: no such file",
        listed,
        re.M,
    )
    assert row(listed, "two") == ["not", "known", "–", str(len(theirs.results)), "0"]
    assert row(listed, "one")[1] == "2"
    for arguments in ((), ("--delete",), ("--delete", "--seeds", "2")):
        with pytest.raises(
            StoredError, match=r"suite two cannot be planned.*: data set mine: mine\.csv: no such"
        ):
            run("prune", *arguments)
    assert here() == before


def test_links_are_not_followed(plan: Plan, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    named = ["graphs/old-0123456789ab.npz", "old-0123456789ab.json"]
    for name in named:
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text("theirs")
    put("results/metrics/any-0123456789ab.json")
    Path("data").symlink_to(outside)  # the whole folder, with a graph's name in it
    Path("results/nodes").symlink_to(outside)
    one = Path("results/metrics/old-0123456789ab.json")
    one.symlink_to(outside / named[1])  # as DVC links to its cache
    Path("results/metrics/lost-0123456789ab.json").symlink_to(outside / "nowhere")
    told = run("prune", "--delete").splitlines()
    assert told[:3] == [
        f"results/metrics/{name}-0123456789ab.json" for name in ("any", "lost", "old")
    ]
    assert told[3:5] == [f"not neglink's, stays: {name}" for name in ("data", "results/nodes")]
    assert all((outside / name).read_text() == "theirs" for name in named)
    assert here() == {"params.yaml", "data", "results/nodes"}


def test_prune_waits_for_snakemake(plan: Plan) -> None:
    put(*FREE, ".snakemake/locks/0.output.lock")
    with pytest.raises(StoredError, match="Snakemake is running here"):
        run("prune", "--delete")
    assert set(FREE) < here()
    assert "5 files" in run("prune")
    Path(".snakemake/locks/0.output.lock").unlink()
    assert "deleted: 5 files" in run("prune", "--delete")


def test_what_cannot_be_deleted_or_read_is_named(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*FREE)

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(StoredError, match=rf"{FREE[0]}: cannot be deleted \(Permission"):
            run("prune", "--delete")
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StoredError, match=r"data: not readable \(Permission denied\)"):
        run("list")


def test_list_tells_how_much_is_stored_and_who_asks_for_it(plan: Plan) -> None:
    megabyte = "x" * 1_000_000
    trained, heuristic = plan.evaluations
    put(trained.path, heuristic.path, *plan.all("train")[0].paths.values(), text=megabyte)
    put(*FREE, *OTHERS, *KEPT)
    held = {step.path: made(step) for step in plan.evaluations}
    write_pack(Path("results/runs/one.jsonl.gz"), held)
    stale = "results/metrics/old-0123456789ab.json"
    write_pack(
        Path("results/runs/gone.jsonl.gz"), {stale: {"made_from": {"digest": stale[-17:-5]}}}
    )
    told = run("list")
    assert row(told, "one") == ["2", "2", "2", "2", "4", "4.00", "3.00"]
    assert row(told, "two") == ["3", "1", "–", "–", "1", "1.00", "0.00"]
    assert row(told, "gone") == ["no", "such", "–", "1", "0"]
    assert row(told, "results/checkpoints") == ["4", "2.00", "2", "2.00", "1", "0.00"]
    assert row(told, "results/metrics")[2:] == ["2", "2.00", "1", "0.00"]
    assert row(told, "data/raw")[0] == "3"
    assert row(told, "results/runs")[2:] == ["git's"]
    others = re.findall("^not neglink's, stays: (.*)$", told, re.M)
    assert others == sorted(OTHERS)
    lines = {line.split()[2]: line.split(maxsplit=3)[3]
             for line in run("list", "--files").splitlines()
             if re.match(r" +[\d.]+ MB  ", line)}  # fmt: skip
    assert set(lines) == {file.path for file in stored_files(Path())}
    assert lines[heuristic.path] == "one, two"
    assert lines[trained.path] == "one"
    assert {lines[path] for path in FREE} == {"can go"}
    assert [lines[path] for path in KEPT[:2]] == ["stays", "git's"]
    assert lines[OTHERS[0]] == "not neglink's, stays"


def test_more_seeds_ask_for_more_of_a_pack(plan: Plan) -> None:
    more = Plan(read_params(Path("params.yaml"), seeds="2")).evaluations
    write_pack(Path("results/runs/one.jsonl.gz"), {step.path: made(step) for step in more})
    assert row(run("list"), "one")[:4] == ["2", "0", "4", "2"]
    assert row(run("list", "--seeds", "2"), "one")[:4] == ["4", "0", "4", "4"]


def test_a_raw_file_is_asked_for_by_the_suites_of_its_data_set(plan: Plan) -> None:
    told = yaml.safe_load(Path("params.yaml").read_text())
    told["suites"]["two"]["datasets"] = ["cora"]
    Path("params.yaml").write_text(yaml.safe_dump(told))
    read = read_params(Path("params.yaml"))
    put(KEPT[0])
    found = inventory(Path(), [Plan(read, suite) for suite in read.suites], {})
    assert found.asked[KEPT[0]] == {"two"}
    assert found.free == []
