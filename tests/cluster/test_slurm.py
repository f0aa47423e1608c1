"""Quickstart, one seed, through a real Slurm of one node: `make cluster-test`.

What is checked is what the scheduler itself recorded (`scontrol show job`, its log of completed
jobs), not what Snakemake says it did.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from neglink.cluster import HEURISTICS, batch_job, minutes_for
from neglink.params import read_params
from neglink.plan import Plan, Step, memory_mb
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


def name_of(job: Job) -> str:
    """The batch job's name in Snakemake, with its digest: the comment has it."""
    name = re.match(r"rule_(heuristics|.+?-[0-9a-f]{12})_", job["Comment"])
    assert name
    return name[1]


def shown_as(steps: list[Step]) -> str:
    """What the queue should call the batch job of these steps."""
    (kind, *_) = batch_job(steps[0]).split("-")
    runs = [step.label for step in steps if step.kind == "evaluate"]
    if kind == HEURISTICS:
        return kind
    return f"{kind}-{runs[0] if runs else next(s.label for s in steps if s.kind == kind)}"


def states(found: dict[str, Job]) -> dict[str, str]:
    """What became of each job."""
    return {name_of(job): job["JobState"] for job in found.values()}


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
    made = fresh_project.copy(tmp_path_factory.mktemp("slurm") / "project")
    shutil.copy(REPOSITORY / "params.yaml", made.folder)
    made.set("suite", "quickstart")
    made.set("seeds", "1")
    return made


@pytest.fixture(scope="module")
def batch_jobs(project: Project) -> dict[str, list[Step]]:
    """What the suite should be to the scheduler: batch job → its steps."""
    found: dict[str, list[Step]] = {}
    plan = Plan(read_params(project.folder / "params.yaml"))
    for step in [*plan.all("graph", "split"), *plan.trainings, *plan.results]:
        found.setdefault(batch_job(step), []).append(step)
    return found


@pytest.fixture(scope="module")
def cancelled(project: Project) -> tuple[str, dict[str, Job]]:
    """What Snakemake said, and the scheduler's jobs, of a run whose teacher was cancelled."""
    log = project.home / "first.log"
    process = snakemake(project, log)
    try:
        job = wait_for(
            lambda: [
                k for k, job in jobs().items()
                if job["JobName"].startswith("teacher-") and job["JobState"] == "RUNNING"
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


def student_of(teacher: str, batch_jobs: dict[str, list[Step]]) -> str:
    """The batch job that needs this one."""
    (found,) = (
        job
        for job, steps in batch_jobs.items()
        if any(
            f"teacher-{s.inputs['teacher'].name}" == teacher for s in steps if "teacher" in s.inputs
        )
        and job != teacher
    )
    return found


def test_a_cancelled_job_is_named_and_all_others_finish(
    project: Project, batch_jobs: dict[str, list[Step]], cancelled: tuple[str, dict[str, Job]]
) -> None:
    output, found = cancelled
    (lost,) = (name for name, state in states(found).items() if state == "CANCELLED")
    after = student_of(lost, batch_jobs)
    others = batch_jobs.keys() - {lost, after}
    assert states(found) == {lost: "CANCELLED"} | dict.fromkeys(others, "COMPLETED")
    assert f"Error in group {lost}" in output
    gone = next(k for k, job in found.items() if job["JobState"] == "CANCELLED")
    assert re.search(rf"JOB {gone} ON \S+ CANCELLED", output)
    assert f"neglink: 1 job failed:\n  teacher {lost.removeprefix('teacher-')}: " in output
    assert list(project.folder.glob(f"logs/slurm/group_teacher-*/{gone}.log"))
    made = {job for job, steps in batch_jobs.items()
            if all((project.folder / step.path).exists() for step in steps)}  # fmt: skip
    assert made == others


def test_jobs_asked_the_scheduler_for_what_the_rules_say(
    project: Project, batch_jobs: dict[str, list[Step]], cancelled: tuple[str, dict[str, Job]]
) -> None:
    _, found = cancelled
    for job in found.values():
        steps = batch_jobs[name_of(job)]
        hours, minutes = divmod(sum(map(minutes_for, steps)), 60)
        assert job["TimeLimit"] == f"{hours:02}:{minutes:02}:00", name_of(job)
        assert f"mem={max(map(memory_mb, steps))}M" in job["TRES"]
        assert job["NumCPUs"] == "1"
        assert job["JobName"] == shown_as(steps)
        assert job["WorkDir"] == str(project.folder)


def test_the_next_run_takes_up_what_was_cancelled_and_the_scheduler_ran_it_all(
    project: Project, batch_jobs: dict[str, list[Step]], cancelled: tuple[str, dict[str, Job]]
) -> None:
    first, before = cancelled
    (lost,) = (name for name, state in states(before).items() if state == "CANCELLED")
    log = project.home / "second.log"
    process = snakemake(project, log)
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        sys.stdout.write(log.read_text())
    found = jobs()
    assert states({k: job for k, job in found.items() if k not in before}) == dict.fromkeys(
        (lost, student_of(lost, batch_jobs)), "COMPLETED"
    )
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
