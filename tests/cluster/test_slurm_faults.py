"""Jobs that want more than they asked for; a scheduler that is restarted: `make cluster-test`."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.test_slurm import PATIENCE, Job, jobs, names, snakemake, wait_for
from tests.cluster.test_slurm import pytestmark as pytestmark
from tests.pipeline.conftest import Project, fresh_project  # noqa: F401

HOG = '''
"""A sampler that wants much memory, or, in its first attempt, much time."""

import time
from pathlib import Path

from neglink.registry import component
from neglink.samplers.uniform import Uniform


@component
class Hog:
    megabytes: int = 0
    seconds: int = 0

    def sample(self, context, positives, generator):
        began = Path(f"hog-{self.megabytes}-{self.seconds}")
        block = b"x" * (self.megabytes * 2**20)
        time.sleep(5 if block else 0)
        if not began.exists():
            began.touch()
            time.sleep(self.seconds)
        return Uniform().sample(context, positives, generator)
'''

RUNS = {"hungry": {"megabytes": 2500}, "greedy": {"megabytes": 5000}, "slow": {"seconds": 600}}
"""Trainings ask for 2,000 MB, at the second attempt for 4,000; here for 1 minute, then for 2."""


@pytest.fixture(scope="module")
def project(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: F811
    copy = fresh_project.copy(tmp_path_factory.mktemp("faults") / "project")
    for name, settings in RUNS.items():
        copy.set(f"samplers.{name}", {"kind": "hog", **settings})
    copy.set("methods.plain", {"epochs": 1})
    copy.set("suites.tiny.also", [])
    copy.set("suites.tiny.samplers", ["uniform", *RUNS])
    return copy.with_package(tmp_path_factory.mktemp("packages"), "hog", HOG, "neglink.samplers")


def restart_controller() -> None:
    """Stop slurmctld, let Snakemake ask for its job in vain, start it again."""
    pid_file = Path(os.environ["NEGLINK_TEST_SLURM"], "slurmctld.pid")
    process = Path("/proc", pid_file.read_text().strip())
    subprocess.check_call(["kill", process.name])
    end = time.monotonic() + 60
    while process.exists():
        assert time.monotonic() < end, "slurmctld does not end"
        time.sleep(0.1)
    assert subprocess.run(["squeue"], capture_output=True, check=False).returncode != 0
    time.sleep(15)
    subprocess.check_call([shutil.which("slurmctld") or "/usr/sbin/slurmctld"])


@pytest.fixture(scope="module")
def ended(project: Project) -> tuple[str, dict[str, list[Job]]]:
    """What Snakemake said, and the jobs of each batch job in order, by name without digest."""
    before, log = jobs(), project.home / "faults.log"
    more = ("--set-resources", "train:runtime=attempt", "evaluate:runtime=0")
    process = snakemake(project, log, *more, retries=1)
    try:
        # not sooner: a job whose own srun begins just then fails, and is submitted again
        wait_for(lambda: list(project.folder.glob("logs/graph/*.log")), process)
        restart_controller()
        assert process.wait(PATIENCE) == 1
    finally:
        process.kill()
        sys.stdout.write(log.read_text())
    found: dict[str, list[Job]] = {}
    for number, job in sorted(jobs().items(), key=lambda item: int(item[0])):
        if number not in before:
            found.setdefault(job["JobName"], []).append(job)
    return log.read_text(), found


def told(found: list[Job]) -> list[tuple[str, str, str]]:
    """What became of each attempt, with the memory and the time that it had asked for."""
    rows = []
    for job in found:
        memory = re.search(r"mem=(\w+)", job["TRES"])
        assert memory
        # a Slurm with cgroups says so more exactly
        state = "FAILED" if job["JobState"] == "OUT_OF_MEMORY" else job["JobState"]
        rows.append((state, memory[1], job["TimeLimit"]))
    return rows


def test_a_job_that_exceeds_memory_or_time_gets_more_at_the_next_attempt(
    ended: tuple[str, dict[str, list[Job]]],
) -> None:
    _, found = ended
    assert told(found["train-planted-gcn-hungry-plain-s0"]) == [
        ("FAILED", "2000M", "00:01:00"), ("COMPLETED", "4000M", "00:02:00"),
    ]  # fmt: skip
    assert told(found["train-planted-gcn-slow-plain-s0"]) == [
        ("TIMEOUT", "2000M", "00:01:00"), ("COMPLETED", "4000M", "00:02:00"),
    ]  # fmt: skip


def test_one_that_exceeds_it_again_is_named_and_all_others_finish(
    project: Project, ended: tuple[str, dict[str, list[Job]]]
) -> None:
    output, found = ended
    assert told(found["train-planted-gcn-greedy-plain-s0"]) == [
        ("FAILED", "2000M", "00:01:00"), ("FAILED", "4000M", "00:02:00"),
    ]  # fmt: skip
    assert re.search(r"Error in group train-planted-gcn-greedy-s0-[0-9a-f]{12}", output)
    assert re.search("exceeded memory limit|oom", output, re.IGNORECASE)
    assert names(project, "results/metrics/*") == {
        "planted-gcn-hungry-plain-s0", "planted-gcn-slow-plain-s0", "planted-gcn-uniform-plain-s0",
        "planted-cn-s0",
    }  # fmt: skip
    assert not list(project.folder.glob("results/checkpoints/train/planted-gcn-greedy-*"))
    assert not list(project.folder.glob("results/**/.unfinished-*"))


def test_no_job_is_lost_while_the_scheduler_is_restarted(
    ended: tuple[str, dict[str, list[Job]]],
) -> None:
    output, found = ended
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", output)
    assert sorted(submitted) == sorted(job["JobId"] for each in found.values() for job in each)
    for name in ("graph-planted", "train-planted-gcn-uniform-plain-s0", "heuristics"):
        assert [job["JobState"] for job in found[name]] == ["COMPLETED"]
