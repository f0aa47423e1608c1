"""profiles/generic, with a stand-in for qsub and qstat."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import Project

STAND_IN = Path(__file__).with_name("stand_in_qsub.py")


def scores(project: Project) -> dict[str, Any]:
    """What was measured of each run, without what differs from one time to the next."""
    files = project.folder.glob("results/metrics/*.json")
    return {path.name: json.loads(path.read_text())["test"] for path in files}


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file where the stand-in, which is now `qsub` and `qstat`, writes what it is asked."""
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    (tmp_path / "bin").mkdir()
    for name in ("qsub", "qstat"):
        (tmp_path / "bin" / name).symlink_to(STAND_IN)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_RECORD", str(tmp_path / "asked.jsonl"))
    return tmp_path / "asked.jsonl"


GENERIC = ("--workflow-profile", "profiles/generic", "--latency-wait", "20",
           "--seconds-between-status-checks", "1")  # fmt: skip


def asked_for(record: Path) -> list[tuple[str, str, str]]:
    """Name without digest, memory and walltime of each job, in the order of submission."""
    found = []
    for line in record.read_text().splitlines():
        text = " ".join(json.loads(line)["asked"])
        told = re.search(r"-N (\S+) .*mem=(\w+):.* walltime=(\S+)", text)
        assert told, text
        found.append((re.sub(r"-[0-9a-f]{12}", "", told[1]), told[2], told[3]))
    return found


def test_every_job_goes_through_the_submit_command_with_what_it_needs(
    built: Project, record: Path
) -> None:
    before = scores(built)
    for folder in ("results/metrics", "results/checkpoints/train"):
        shutil.rmtree(built.folder / folder)
    output = built.snakemake("evaluations", *GENERIC, "--jobs", "1", "--retries", "0")
    asked = [json.loads(line) for line in record.read_text().splitlines()]
    jobs = {re.sub(r"-[0-9a-f]{12}", "", job["asked"][1]): job["asked"] for job in asked}
    assert set(jobs) == {
        "train-planted-gcn-uniform-s0_evaluate_train",
        "student-planted-gcn-dns-s0_evaluate",
        "heuristics_evaluate",
    }
    assert len(jobs) == len(asked)
    for told in jobs.values():
        assert told[told.index("-l") + 1] == "select=1:ncpus=1:mem=2000mb:ngpus=0"
    times = {name: told[told.index("-l", told.index("-l") + 1) + 1] for name, told in jobs.items()}
    # a group's run time is the sum of its layers'
    assert times["heuristics_evaluate"] == "walltime=21:00"
    assert times["train-planted-gcn-uniform-s0_evaluate_train"] == "walltime=142:00"
    for job in asked:
        assert f"external jobid '{job['id']}'" in output
    assert scores(built) == before
    assert built.waiting() == set()


def test_a_job_that_the_scheduler_kills_is_retried_with_more_then_named_while_others_finish(
    built: Project, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores(built)
    for folder in ("results/metrics", "results/checkpoints/train"):
        shutil.rmtree(built.folder / folder)
    monkeypatch.setenv("STAND_IN_KILLS", '{"train-": 2, "heuristics": 1}')
    output = built.snakemake("evaluations", *GENERIC, "--jobs", "4", "--retries", "1", fails=True)
    asked = asked_for(record)
    for name, minutes in (("train-planted-gcn-uniform-s0_evaluate_train", 142),
                          ("heuristics_evaluate", 21)):  # fmt: skip
        assert [job for job in asked if job[0] == name] == [
            (name, "2000mb", f"{minutes}:00"), (name, "4000mb", f"{2 * minutes}:00"),
        ]  # fmt: skip
    assert len(asked) == 5
    lost = {path for path in before if "-uniform-plain-" in path}
    assert scores(built) == {path: before[path] for path in before.keys() - lost}
    assert re.search(r"Error in group train-planted-gcn-uniform-s0-[0-9a-f]{12}", output)
    assert not built.files("results/checkpoints/train/*", "logs/cluster/*.exit")


FRAGILE = '''
"""A predictor whose first evaluation fails."""

import sys
from pathlib import Path

from neglink.predictors.gcn import GCN
from neglink.registry import component


@component
class Fragile(GCN):
    def build(self, graph, generator):
        if "evaluate" in sys.argv and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("not the first time")
        return super().build(graph, generator)
'''


def test_a_training_outlives_the_evaluation_that_fails_in_its_job(
    fresh: Project, record: Path, tmp_path: Path
) -> None:
    project = fresh.with_package(tmp_path / "packages", "fragile", FRAGILE, "neglink.predictors")
    project.set("predictors.fragile", {"hidden": 8, "d": 8})
    project.set("suites.tiny.predictors", ["fragile"])
    project.set("suites.tiny.also", [])
    project.snakemake("evaluations", *GENERIC, "--jobs", "1", "--retries", "1")
    asked = [name for name, _, _ in asked_for(record)]
    assert asked.count("train-planted-fragile-uniform-s0_evaluate_train") == 2
    (log,) = project.folder.glob("logs/train/*")
    assert log.read_text().endswith(": made by an earlier attempt\n")
    assert len(project.files("results/metrics/*")) == 2
    assert not project.files("results/**/.finished-*")
