"""What steps ask a scheduler for, and what is made of its answers."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from neglink.cluster import (
    HEURISTICS,
    HEURISTICS_A_JOB,
    batch_job,
    batch_jobs,
    gpus_for,
    minutes_for,
    queue_name,
    speak_to_slurm,
)
from neglink.expected import by_rule
from neglink.params import check_params
from neglink.plan import Plan, memory_mb, size_of
from tests.unit.test_params import values


def plan(**changes: Any) -> Plan:
    return Plan(check_params(values(**changes)))


def jobs_of(made: Plan) -> dict[str, set[str]]:
    """Batch job → the steps in it, all without digests."""
    found: dict[str, set[str]] = {}
    for kind, steps in made.steps.items():
        if kind not in {"fetch", "suite"}:
            for step in steps.values():
                name = re.sub("-[0-9a-f]{12}$", "", batch_job(step))
                found.setdefault(name, set()).add(f"{kind} {step.label}")
    return found


def test_what_takes_seconds_is_in_the_job_of_what_it_follows() -> None:
    made = plan(
        methods__wide={"kind": "mebns", "beta": 0.9},
        suites__one__methods=["plain", "mebns", "wide"],
        suites__one__seeds=1,
    )
    run = "planted-gcn-dns-s0"
    found = jobs_of(made)
    assert found["graph-planted"] == {"graph planted", "split planted-s0"}
    assert found[f"train-{run}"] == {f"train {run}", "evaluate planted-gcn-dns-plain-s0"}
    assert found[f"teacher-{run}"] == {f"teacher {run}", f"metadata {run}"}
    assert found[HEURISTICS] == {"evaluate planted-cn-s0"}
    students = {batch_job(s) for s in made.all("student")}
    assert len(students) == 2  # one job each, though both read one teacher


def test_batch_jobs_are_counted_and_the_profiles_group_heuristics_as_they_are() -> None:
    made = plan(suites__one__heuristics=["cn", "aa", "ra", "pa", "ppr"], suites__one__seeds=3)
    steps = [step for kind in made.steps for step in made.all(kind)]
    trained = len({batch_job(step) for step in made.all("train")})
    assert batch_jobs(steps) == 1 + trained + 2  # data; 15 evaluations, ten a job
    for name in ("slurm", "generic"):
        text = (Path(__file__).parents[2] / f"profiles/{name}/config.yaml").read_text("utf-8")
        groups = yaml.safe_load(text)["group-components"]
        assert groups == [f"{HEURISTICS}={HEURISTICS_A_JOB}"]


def test_run_time_grows_with_links_and_epochs() -> None:
    def asked(**changes: Any) -> int:
        made = plan(suites__one__heuristics=[], split__per_dataset={}, **changes)
        return minutes_for(made.all("train")[0])

    small = asked(suites__one__datasets=["cora"])
    assert small > 120
    assert asked(suites__one__datasets=["cora"], methods__plain__epochs=30_000) > small
    assert asked(suites__one__datasets=["ogbl-ddi"], methods__plain__epochs=3000) > small


def test_a_gpu_is_asked_for_where_the_device_is_cuda_and_something_is_trained() -> None:
    made = plan(device="cuda")
    asked = {f"{kind} {s.label}": gpus_for(s) for kind in made.steps for s in made.all(kind)}
    assert {name for name, count in asked.items() if count} == {
        "train planted-gcn-dns-s0",
        "evaluate planted-gcn-dns-plain-s0",
    }
    assert not any(gpus_for(s) for s in plan(device="auto").all("train"))


def test_memory_and_size_follow_the_graph(tmp_path: Any) -> None:
    table = tmp_path / "links.csv"
    table.write_text("1234567,123\n" * 1000)
    made = plan(
        data={"planted": {"nodes": 1_000_000, "mean_degree": 20},
              "custom": {"mine": {"links": str(table)}},
              "shares": {"half": {"of": "planted", "share": 0.5}}},
        suites__one__datasets=["planted", "mine", "half"], suites__one__heuristics=[],
    )  # fmt: skip
    trained = {step.label.partition("-")[0]: step for step in made.all("train")}
    assert size_of(trained["planted"]) == (1_000_000, 10_000_000)
    assert size_of(trained["half"]) == (1_000_000, 5_000_000)
    assert size_of(trained["mine"]) == (0, 1000)
    assert memory_mb(trained["planted"]) == 1500 + 20_000 + 50_000
    assert memory_mb(trained["half"]) == memory_mb(trained["planted"])
    assert memory_mb(trained["mine"]) == 2000
    assert by_rule(trained["half"]) < by_rule(trained["planted"])


@pytest.mark.parametrize("kind", ["graph", "split", "train", "evaluate"])
def test_asked_run_time_is_several_times_the_expected(kind: str) -> None:
    step = plan().all(kind)[0]
    assert minutes_for(step) * 60 >= 6 * by_rule(step)


def test_a_look_that_fails_finds_no_job_and_one_that_succeeds_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look(command: str, logger: None) -> tuple[dict[str, str] | None, float | None]:
        return ({"7": "RUNNING"}, 0.5) if command == "squeue" else (None, None)

    plugin = SimpleNamespace(query_job_status=look)
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    speak_to_slurm()
    found = [asyncio.run(plugin.query_job_status(name, None)) for name in ("squeue", "sacct")]
    assert found == [({"7": "RUNNING"}, 0.5), ({}, 0.0)]


def stand_in_plugin(**parts: Any) -> SimpleNamespace:
    """Those parts of Snakemake's Slurm plugin that name jobs and ask for them."""
    whole = {
        "get_submit_command": lambda job, params, settings=None: f"sbatch -J {params['run_uuid']}",
        "query_job_status_squeue": lambda run: f"squeue --name {run}",
        "query_job_status_sacct": lambda run: f"sacct -X --name {run}",
    }
    return SimpleNamespace(**whole | parts)


def group_job(name: str, **steps: str) -> SimpleNamespace:
    """A batch job as Snakemake has it; digests are put behind all names."""
    parts = [
        SimpleNamespace(rule=SimpleNamespace(name=rule),
                        wildcards=SimpleNamespace(step=f"{step}-0123456789ab"))
        for rule, step in steps.items()
    ]  # fmt: skip
    return SimpleNamespace(is_group=lambda: True, groupid=f"{name}-0123456789ab", jobs=parts)


def test_slurm_jobs_are_named_by_what_they_do_and_found_by_their_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    plugin = stand_in_plugin()
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    speak_to_slurm()
    params = {"run_uuid": "an-id"}
    group = group_job("student-cora-gcn-dns-s3", student="cora-gcn-dns-s3",
                      evaluate="cora-gcn-dns-mebns-s3")  # fmt: skip
    assert plugin.get_submit_command(group, params, settings=1) == (
        "sbatch -J student-cora-gcn-dns-mebns-s3"
    )
    assert params == {"run_uuid": "an-id"}
    teacher = group_job("teacher-cora-gcn-dns-s3", teacher="cora-gcn-dns-s3")
    assert queue_name(teacher) == "teacher-cora-gcn-dns-s3"
    floors = group_job(HEURISTICS, evaluate="cora-cn-s3")
    floors.groupid = HEURISTICS
    assert queue_name(floors) == HEURISTICS
    alone = SimpleNamespace(is_group=lambda: False, name="graph")
    assert plugin.get_submit_command(alone, params) == "sbatch -J graph"
    assert plugin.query_job_status_squeue("an-id") == "squeue --user ada"
    assert plugin.query_job_status_sacct("an-id") == "sacct -X --user ada"


def test_a_slurm_plugin_that_finds_jobs_otherwise_keeps_its_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = stand_in_plugin(query_job_status_sacct=lambda run: f"sacct --comment {run}")
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", plugin)
    speak_to_slurm()
    job = SimpleNamespace(is_group=lambda: False, name="graph")
    assert plugin.get_submit_command(job, {"run_uuid": "an-id"}) == "sbatch -J an-id"
    assert plugin.query_job_status_squeue("an-id") == "squeue --name an-id"


@pytest.mark.parametrize(
    ("wrote", "said", "status"),
    [
        ("0", "", "success"),
        ("1", "", "failed"),
        ("143", "", "failed"),
        (None, "7.pbs R", "running"),
        ("0", "7.pbs R", "success"),
        (None, "qstat: Unknown Job Id 7.pbs", "failed"),
        (None, "qstat: 7.pbs Job has finished, use -x or -H", "failed"),
        (None, "Following jobs do not exist: 7", "failed"),
        (None, "", "failed"),
        (None, "7.pbs train nobody 00:00:10 C batch", "failed"),
        (None, "qstat: cannot connect to server pbs (errno=111)", "running"),
    ],
)
def test_the_generic_status_command_tells_what_became_of_a_job(
    tmp_path: Path, wrote: str | None, said: str, status: str
) -> None:
    for name, does in (("qstat", f"echo '{said}'; exit 1" if said else "exit"), ("sleep", "exit")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    logs = tmp_path / "logs/cluster"
    logs.mkdir(parents=True)
    if wrote is not None:
        (logs / "7.exit").write_text(f"{wrote}\n")
    script = Path(__file__).parents[2] / "profiles/generic/status.sh"
    told = subprocess.check_output(
        ["sh", str(script), "7"], cwd=tmp_path, text=True,
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert told == f"{status}\n"
    assert not list(logs.iterdir())
