# The plan: every step of the suite with its digest, settings and files.
import sys
from pathlib import Path

from neglink.cluster import batch_job, gpus_for, minutes_for, speak_to_slurm
from neglink.errors import NeglinkError
from neglink.files import forget_finished, make_folder, refuse_file_in_place_of
from neglink.params import check_params
from neglink.plan import FOLDERS, Plan, memory_mb
from snakemake_interface_executor_plugins.settings import ExecMode

try:
    plan = Plan(check_params(config))
except NeglinkError as error:
    sys.exit(f"neglink: error in params.yaml or --config:\n{error}")

try:  # Snakemake looks into these folders before `onstart`
    reports = (
        Path(plan.marker).parent,
        f"results/figures/{plan.suite_name}",
        "results/report",
    )
    for folder in (*FOLDERS, *reports, "logs", "benchmarks/rules"):
        refuse_file_in_place_of(Path(folder))
except NeglinkError as error:
    sys.exit(f"neglink: error: {error}")

speak_to_slurm()


# of a batch job's steps, one after the other ask for one core and the memory of the largest
resource_scopes:
    short="local",


wildcard_constraints:
    step=r"[A-Za-z0-9._+-]+",


def finished(step):
    """Whether the step's files are there. Nobody asks then for what it was made from.

    With -f, -F or -R it counts as unfinished, so that a job that is forced has its inputs.
    """
    dag = workflow.dag_settings
    forced = dag.forceall or dag.forcetargets or dag.forcerun
    return not forced and all(Path(path).exists() for path in step.paths.values())


def inputs(kind):
    """Input function: the files of the steps that this step reads. Times mean nothing.

    A finished step reads none: Snakemake would run it again after a step that makes a missing
    input, such as a graph that only further seeds need, even if that input is ancient().
    Each step's JSON is asked for too: it is read, and a step that was killed between its two
    files is then seen as unfinished.
    """

    def of(wildcards):
        step = plan.of(kind, wildcards.step)
        read = {} if finished(step) else step.inputs
        main = {key: ancient(step.path) for key, step in read.items()}
        return main | {f"{key}_{k}": path for key, k, path in beside(read)}

    def beside(read):
        for key, step in read.items():
            for k, path in step.paths.items():
                if path != step.path:
                    yield key, k, ancient(path)

    return of


def files(steps):
    """All files of these steps, as inputs."""
    return [ancient(path) for step in steps for path in step.paths.values()]


def told(kind):
    """Params function: the step's whole settings, as JSON."""
    return lambda wildcards: plan.of(kind, wildcards.step).told


def made_from(kind):
    """Params function: the step's identity, to be written beside its output."""
    return lambda wildcards: plan.of(kind, wildcards.step).made_from


def made(kind):
    """Params function: `--made STEP=FILE` for what earlier steps of the method made."""

    def of(wildcards):
        read = plan.of(kind, wildcards.step).inputs
        earlier = {k: s.path for k, s in read.items() if k not in {"graph", "split"}}
        return " ".join(f"--made {key}={path}" for key, path in earlier.items())

    return of


def megabytes(kind):
    """Resources function: memory by the size of the data set, as much again at each retry."""
    return lambda wildcards, attempt: attempt * memory_mb(plan.of(kind, wildcards.step))


def minutes(kind):
    """Resources function: run time by links and epochs, more at each retry."""
    return lambda wildcards, attempt: attempt * minutes_for(
        plan.of(kind, wildcards.step)
    )


def gpus(kind):
    """Resources function: how many GPUs the step asks a scheduler for."""
    return lambda wildcards: gpus_for(plan.of(kind, wildcards.step))


def one_job(kind):
    """Group function: the batch job that the step belongs to; none where no scheduler is."""

    def of(wildcards):
        here = workflow.local_exec
        return None if here else batch_job(plan.of(kind, wildcards.step))

    return of


def attempt(wildcards):
    """Params function: `--attempt N` in a batch job, whose steps are submitted again together."""
    in_job = workflow.exec_mode != ExecMode.DEFAULT
    return f"--attempt {workflow.execution_settings.attempt}" if in_job else ""


def cores(kind):
    """Threads of a training: part of what it is, so the step is told too, and keeps to it."""
    return lambda wildcards: plan.of(kind, wildcards.step).settings.get("threads", 1)


def make_folders():
    """Each phase's folders, also where this suite puts nothing: `dvc commit` looks for all."""
    try:
        for folder in FOLDERS:
            make_folder(Path(folder))
    except NeglinkError as error:
        sys.exit(f"neglink: error: {error}")


def forget_attempts():
    """What batch jobs keep for their next attempt is of this run alone."""
    forget_finished(map(Path, FOLDERS))
