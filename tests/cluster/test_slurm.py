"""A suite through a real Slurm of one node: `make cluster-test`.

What is checked is what the scheduler itself recorded (`scontrol show job`, its log of completed
jobs), not what Snakemake says it did.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from neglink.params import read_params
from neglink.plan import Plan
from tests.pipeline.conftest import REPOSITORY, Project, fresh_project  # noqa: F401

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        "NEGLINK_TEST_SLURM" not in os.environ, reason="run by tests/cluster/slurm.sh"
    ),
]

Job = dict[str, str]

PATIENCE = 900
"""Seconds that a run may take on a slow machine."""

PROFILE = (
    "--workflow-profile", "profiles/slurm", "--latency-wait", "20",
    "--slurm-init-seconds-before-status-checks", "2",
)  # fmt: skip


def jobs() -> dict[str, Job]:
    """Job id → fields, of all jobs that the scheduler remembers."""
    text = subprocess.check_output(["scontrol", "show", "job", "--oneliner"], text=True)
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines()]
    return {job["JobId"]: job for job in found if job.get("Comment")}


def states(found: dict[str, Job]) -> dict[str, str]:
    """Step that a job is called by, without its digest → what became of it."""
    named = {job_id: re.match(r"rule_(.+?)-[0-9a-f]{12}_", j["Comment"]) for job_id, j in
             found.items()}  # fmt: skip
    return {name[1]: found[job_id]["JobState"] for job_id, name in named.items() if name}


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> object:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := what():
            return found
        assert process.poll() is None, "Snakemake ended before"
        time.sleep(0.5)
    raise AssertionError("waited in vain")


def snakemake(project: Project, log: Path, *more: str, retries: int = 0) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "snakemake", *PROFILE, "--retries", str(retries), *more]
    with log.open("w") as stream:
        return subprocess.Popen(
            command, cwd=project.folder, env=project.environment, text=True,
            stdout=stream, stderr=subprocess.STDOUT,
        )  # fmt: skip


def names(project: Project, pattern: str) -> set[str]:
    return {re.sub(r"-[0-9a-f]{12}$", "", path.stem) for path in project.folder.glob(pattern)}


@pytest.fixture(scope="module")
def project(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: F811
    return fresh_project.copy(tmp_path_factory.mktemp("slurm") / "project")


@pytest.fixture(scope="module")
def cancelled(project: Project) -> tuple[str, dict[str, Job]]:
    """What Snakemake said, and the scheduler's jobs, of a run whose teacher was cancelled."""
    log = project.home / "first.log"
    process = snakemake(project, log)
    try:
        job = wait_for(
            lambda: [
                k for k, job in jobs().items()
                if job["Comment"].startswith("rule_teacher-") and job["JobState"] == "RUNNING"
            ],
            process,
        )  # fmt: skip
        assert isinstance(job, list)
        subprocess.check_call(["scancel", job[0]])
        assert process.wait(PATIENCE) == 1
    finally:
        process.kill()
        sys.stdout.write(log.read_text())
    return log.read_text(), jobs()


def test_a_cancelled_job_is_named_and_all_others_finish(
    project: Project, cancelled: tuple[str, dict[str, Job]]
) -> None:
    output, found = cancelled
    assert states(found) == {
        "graph-planted": "COMPLETED",
        "split-planted-s0": "COMPLETED",
        "train-planted-gcn-uniform-s0": "COMPLETED",
        "evaluate-planted-cn-s0": "COMPLETED",
        "teacher-planted-gcn-dns-s0": "CANCELLED",
    }
    assert re.search(r"Error in group teacher-planted-gcn-dns-s0-[0-9a-f]{12}", output)
    gone = next(k for k, job in found.items() if job["JobState"] == "CANCELLED")
    assert re.search(rf"JOB {gone} ON \S+ CANCELLED", output)
    assert list(project.folder.glob(f"logs/slurm/group_teacher-*/{gone}.log"))
    assert names(project, "results/metrics/*") == {
        "planted-gcn-uniform-plain-s0", "planted-cn-s0",
    }  # fmt: skip
    assert not list(project.folder.glob("results/checkpoints/teacher/*"))


def test_jobs_asked_the_scheduler_for_what_the_rules_say(
    project: Project, cancelled: tuple[str, dict[str, Job]]
) -> None:
    _, found = cancelled
    asked = {job["Comment"]: job for job in found.values()}
    trained = next(job for comment, job in asked.items() if comment.startswith("rule_train-"))
    assert "mem=2000M" in trained["TRES"]
    assert trained["NumCPUs"] == "1"
    # two hours for the training, 20 minutes for the evaluation in the same job, and what they take
    assert trained["TimeLimit"] == "02:22:00"
    assert trained["WorkDir"] == str(project.folder)


def test_the_next_run_takes_up_what_was_cancelled_and_the_scheduler_ran_it_all(
    project: Project, cancelled: tuple[str, dict[str, Job]]
) -> None:
    first, before = cancelled
    log = project.home / "second.log"
    process = snakemake(project, log)
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        sys.stdout.write(log.read_text())
    found = jobs()
    assert states({k: job for k, job in found.items() if k not in before}) == {
        "teacher-planted-gcn-dns-s0": "COMPLETED",
        "student-planted-gcn-dns-s0": "COMPLETED",
    }
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", first + log.read_text())
    assert sorted(submitted) == sorted(found)
    completed = Path(os.environ["NEGLINK_TEST_SLURM"], "completed.txt").read_text()
    for job_id in submitted:
        assert re.search(rf"^JobId={job_id} ", completed, re.M)
    plan = Plan(read_params(project.folder / "params.yaml"))
    for step in [*plan.results, *plan.trainings]:
        assert (project.folder / step.path).exists()
        assert (project.folder / "logs" / step.kind / f"{step.name}.log").exists()
    assert (project.folder / plan.marker).exists()
    assert project.waiting() == set()


def test_the_pages_look_at_the_queue_is_one_that_slurm_takes() -> None:
    page = (REPOSITORY / "docs/how-to/cluster.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:\$ )?(squeue .*)$", page, re.M)
    assert len(lines) == 2
    for line in lines:
        shown = subprocess.check_output(shlex.split(line), text=True)
        assert shown.split("\n")[0].split()[1:3] == ["STATE", "TIME"]
