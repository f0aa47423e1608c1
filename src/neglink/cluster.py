"""What a step asks a scheduler for, which steps are one job there, and how Slurm is spoken to."""

import getpass
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from neglink.expected import LOCAL, by_rule
from neglink.plan import Step

SAFETY = 6
"""How many times the expected time is asked for: nodes differ, and the rule knows no widths."""

LEAST_MINUTES = {"graph": 20, "split": 10, "evaluate": 20, "nodes": 45, "migration": 30}
"""Asked for at least, by rule; trainings ask for two hours."""

HEURISTICS = "heuristics"
"""Name of batch jobs that evaluate what has no training."""
HEURISTICS_A_JOB = 10
"""Evaluations in one of them: `group-components` of the profiles."""


def minutes_for(step: Step) -> int:
    """Run time to ask for at the first attempt, grown with links and epochs."""
    return LEAST_MINUTES.get(step.kind, 120) + math.ceil(SAFETY * by_rule(step) / 60)


def gpus_for(step: Step) -> int:
    """1 for what computes on the device, if that is `cuda`; `auto` takes what is there."""
    return int(step.hidden.get("device") == "cuda")


def batch_job(step: Step) -> str:
    """Name of the batch job that a step belongs to, as it is shown in the queue.

    A run's last training, its evaluation, its tasks of nodes and its migration are one job, and so
    are a teacher and its meta data, and a graph and its splits: what takes seconds does not queue
    again, and a job that fails stops no other run.
    """
    if "checkpoint" in step.inputs:
        return batch_job(step.inputs["checkpoint"])
    if step.kind == "metadata" and "teacher" in step.inputs:
        return batch_job(step.inputs["teacher"])
    if step.kind == "split":
        return batch_job(step.inputs["graph"])
    return HEURISTICS if step.kind == "evaluate" else f"{step.kind}-{step.name}"


def batch_jobs(steps: Iterable[Step]) -> int:
    """How many batch jobs a scheduler is sent for these steps."""
    names = Counter(batch_job(step) for step in steps if step.kind not in LOCAL)
    without_training = names.pop(HEURISTICS, 0)
    return len(names) + math.ceil(without_training / HEURISTICS_A_JOB)


def speak_to_slurm() -> None:
    """Put right, in Snakemake's Slurm plugin (2.8), how jobs are named and how it waits for them.

    It gives all jobs of a run one name, an id, by which it finds them again. Here a job is named by
    what it does, and the plugin, which goes by numbers, is shown all jobs of the user.

    It forgets the jobs that it waits for when a look at them fails, as it does while slurmctld is
    restarted on a cluster without accounting, and Snakemake then never ends. Here such a look finds
    nothing instead, so that the next one follows.

    A plugin that is not there, or is built otherwise, is left as it is.
    """
    plugin: Any = sys.modules.get("snakemake_executor_plugin_slurm")
    if hasattr(plugin, "query_job_status"):
        plugin.query_job_status = _patient(plugin.query_job_status)
    queries = ("query_job_status_squeue", "query_job_status_sacct")
    if hasattr(plugin, "get_submit_command") and all(
        hasattr(plugin, query) and "--name RUN" in getattr(plugin, query)("RUN")
        for query in queries
    ):
        plugin.get_submit_command = _named(plugin.get_submit_command)
        for query in queries:
            setattr(plugin, query, _of_user(getattr(plugin, query)))


def _patient(look: Any) -> Any:
    async def patient(*arguments: Any) -> tuple[dict[str, str], float]:
        found, seconds = await look(*arguments)
        return ({}, 0.0) if found is None else (found, seconds)

    return patient


def _named(submit: Any) -> Any:
    def named(job: Any, params: dict[str, Any], *more: Any, **options: Any) -> str:
        call: str = submit(job, {**params, "run_uuid": queue_name(job)}, *more, **options)
        return call

    return named


def queue_name(job: Any) -> str:
    """What a person calls a batch job of Snakemake, such as student-cora-gcn-dns-mebns-s3.

    That of a training is named after its run, since the training itself does not know its method's
    name. Digests are left out; the job's comment has them.
    """
    if not job.is_group():
        return str(job.name)
    kind, _, step = job.groupid.partition("-")
    runs = sorted(part.wildcards.step for part in job.jobs if part.rule.name == "evaluate")
    name = f"{kind}-{runs[0] if runs else step}" if step else kind
    return re.sub("-[0-9a-f]{12}$", "", name)


def _of_user(query: Any) -> Any:
    def of_user(run: str) -> str:
        command: str = query(run)
        return command.replace(f"--name {run}", f"--user {getpass.getuser()}")

    return of_user
