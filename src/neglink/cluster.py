"""What a step asks a scheduler for, which steps are one job there, and patience with Slurm."""

import math
import sys
from typing import Any

from neglink.expected import by_rule
from neglink.plan import Step

SAFETY = 6
"""How many times the expected time is asked for: nodes differ, and the rule knows no widths."""

LEAST_MINUTES = {"graph": 20, "split": 30, "evaluate": 20, "nodes": 45, "migration": 30}
"""Asked for at least, by rule; trainings ask for two hours."""


def minutes_for(step: Step) -> int:
    """Run time to ask for at the first attempt, grown with links and epochs."""
    return LEAST_MINUTES.get(step.kind, 120) + math.ceil(SAFETY * by_rule(step) / 60)


def gpus_for(step: Step) -> int:
    """1 for what computes on the device, if that is `cuda`; `auto` takes what is there."""
    return int(step.hidden.get("device") == "cuda")


def batch_job(step: Step) -> str:
    """Name of the batch job that a step belongs to, as it is shown in the queue.

    A run's last training, its evaluation, its tasks of nodes and its migration are one job, and so
    are a teacher and its meta data: what takes seconds does not queue again, and a job that fails
    stops no other run.
    """
    if "checkpoint" in step.inputs:
        return batch_job(step.inputs["checkpoint"])
    if step.kind == "metadata" and "teacher" in step.inputs:
        return batch_job(step.inputs["teacher"])
    return f"{step.kind}-{step.name}"


def wait_through_silence() -> None:
    """Keep Snakemake waiting for its Slurm jobs while slurmctld does not answer.

    The plugin (2.8) forgets the jobs that it waits for when a look at them fails, as it does while
    slurmctld is restarted on a cluster without accounting, and Snakemake then never ends. Here such
    a look finds nothing instead, so that the next one follows.
    """
    plugin: Any = sys.modules.get("snakemake_executor_plugin_slurm")
    look = getattr(plugin, "query_job_status", None)
    if look is None:
        return

    async def patient_look(*arguments: Any) -> tuple[dict[str, str], float]:
        found, seconds = await look(*arguments)
        return ({}, 0.0) if found is None else (found, seconds)

    plugin.query_job_status = patient_look
