"""The rules of docs/caching.md, end to end."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project

STORED = ("data/*/*", "results/checkpoints/*/*", "results/metadata/*", "results/metrics/*")
AFTER_STUDENT = {
    ("student", "planted-gcn-dns-s0"),
    ("evaluate", "planted-gcn-dns-mebns-s0"),
    ("suite", "tiny"),
    ("report", "made-from"),
}


def test_a_run_makes_every_file_and_leaves_nothing_to_do(built_project: Project) -> None:
    there = {path.rpartition("/")[0] for path in built_project.files(*STORED)}
    assert there == {
        "data/graphs", "data/splits", "results/checkpoints/train", "results/checkpoints/teacher",
        "results/checkpoints/student", "results/metadata", "results/metrics",
    }  # fmt: skip
    results = built_project.folder / "results"
    assert (results / "report/tiny.html").read_text().startswith("<!")
    for name in ("results.csv", "results.md", "paired.csv", "metrics.json", "plots.csv"):
        assert (results / "tables/tiny" / name).stat().st_size > 0
    assert len(list((results / "tables/tiny").glob("made-from-*"))) == 1
    assert (results / "figures/tiny/comparison.svg").is_file()
    assert "Nothing to be done" in built_project.snakemake("--dry-run")


def test_no_job_is_due_to_times_or_missing_metadata(built: Project) -> None:
    shutil.rmtree(built.folder / ".snakemake")
    for age, path in enumerate(sorted(built.folder.rglob("*.*"))):
        if path.is_file():
            os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    os.utime(next(built.folder.glob("data/graphs/*.npz")))  # now the newest of all
    assert built.waiting() == set()


def test_a_changed_key_runs_what_is_below_it_and_changed_back_only_the_report(
    built: Project,
) -> None:
    before = built.files(*STORED)
    built.set("methods.mebns.beta", 0.25)
    assert built.waiting() == AFTER_STUDENT
    built.build()
    after = built.files(*STORED)
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 3  # checkpoint, its JSON, metrics
    built.set("methods.mebns.beta", 0.5)
    assert built.waiting() == {("report", "made-from")}


def test_another_seed_runs_its_own_steps_alone(built: Project) -> None:
    built.set("suites.tiny.seeds", 2)
    assert built.waiting() == {
        ("split", "planted-s1"),
        ("train", "planted-gcn-uniform-s1"),
        ("evaluate", "planted-gcn-uniform-plain-s1"),
        ("evaluate", "planted-cn-s1"),
        ("suite", "tiny"),
        ("report", "made-from"),
    }


def test_device_and_mirror_change_nothing(built: Project) -> None:
    built.set("device", "auto")
    built.set("data.mirror", "/somewhere/else")
    assert built.waiting() == set()


def test_a_deleted_result_is_made_again_with_the_report_and_alone_if_it_is_named(
    built: Project,
) -> None:
    before = built.files(*STORED)
    lost = next(path for path in before if path.startswith("results/metrics/"))
    (built.folder / lost).unlink()
    assert built.waiting() == set()
    built.build(lost)
    assert set(built.files(*STORED)) == set(before)
    (built.folder / lost).unlink()
    for marker in built.folder.glob("results/tables/*/made-from-*"):
        marker.unlink()
    built.build()
    assert set(built.files(*STORED)) == set(before)


def test_an_interrupted_run_keeps_what_was_finished_and_a_next_one_completes(
    built: Project,
) -> None:
    whole = built.files(*STORED)
    made = "results/checkpoints/student/*"
    for path in built.folder.glob(made):
        path.unlink()
    kept = built.files(*STORED)
    for how in (signal.SIGINT, signal.SIGKILL):
        output = interrupt(built, "neglink student", made, how)
        assert built.files(*STORED) == kept, output
    assert built.waiting("trainings") == {("student", "planted-gcn-dns-s0")}
    built.build("trainings")
    after = built.files(*STORED)
    assert {path: after[path] for path in kept} == kept
    new = {p for p in whole if p not in kept}
    assert set(after) == set(whole)
    assert all(after[p][1] == whole[p][1] for p in new if p.endswith(".safetensors"))


def test_a_step_killed_between_its_two_files_is_done_again_with_all_that_follows(
    built: Project,
) -> None:
    for path in built.folder.glob("results/metrics/*mebns*"):
        path.unlink()
    next(built.folder.glob("results/checkpoints/student/*.json")).unlink()
    assert built.waiting("evaluations") == {
        ("student", "planted-gcn-dns-s0"),
        ("evaluate", "planted-gcn-dns-mebns-s0"),
    }


def interrupt(project: Project, command: str, made: str, how: signal.Signals) -> str:
    """Start a run and end it, jobs and all, while `command` is at work; returns what it said.

    At work: its process is there, and no file yet that matches `made`.
    """
    for _ in range(3):
        # a fresh process is at work for seconds, so that the signal meets it on a busy machine too
        run = project.start("env", "NEGLINK_WARM=off", "snakemake", "--cores", "1", "trainings")
        end = time.monotonic() + 60
        while not _processes(project, command):
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < end, f"{command} never began"
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGSTOP)  # this process may have been asleep: look once more
        files = list(project.folder.glob(made))
        if _processes(project, command) and not files:
            break
        os.killpg(run.pid, signal.SIGCONT)
        run.communicate(timeout=60)
        for path in files:
            path.unlink()
    else:
        pytest.fail(f"{command} had always ended before it was interrupted")
    os.killpg(run.pid, how)  # SIGINT: what Ctrl-C in a terminal does
    os.killpg(run.pid, signal.SIGCONT)
    # a shell that was at work may have begun its command just then, which nobody else would end
    while how == signal.SIGKILL and (left := _processes(project, command)):
        for pid in left:
            _kill(pid)
        time.sleep(0.05)
    output, _ = run.communicate(timeout=60)
    project.snakemake("--unlock")
    return output


def _processes(project: Project, command: str) -> list[int]:
    """Processes of this project whose command line holds `command`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            if command in words and (process / "cwd").readlink() == project.folder:
                found.append(int(process.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
