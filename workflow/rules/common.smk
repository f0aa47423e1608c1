# The plan: every step of the suite with its digest, settings and files.
import sys

from neglink.errors import NeglinkError
from neglink.params import check_params
from neglink.plan import Plan, memory_mb

try:
    plan = Plan(check_params(config))
except NeglinkError as error:
    sys.exit(f"neglink: error in params.yaml or --config:\n{error}")


wildcard_constraints:
    step=r"[A-Za-z0-9._+-]+",


def inputs(kind):
    """Input function: the files of the steps that this step reads. Times mean nothing."""

    def of(wildcards):
        step = plan.of(kind, wildcards.step)
        return {key: ancient(read.path) for key, read in step.inputs.items()}

    return of


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
        files = {k: s.path for k, s in read.items() if k not in {"graph", "split"}}
        return " ".join(f"--made {key}={path}" for key, path in files.items())

    return of


def megabytes(kind):
    """Resources function: memory by the size of the data set, doubled at each retry."""
    return lambda wildcards, attempt: attempt * memory_mb(plan.of(kind, wildcards.step))
