"""Epochs of neglink's own methods, for the comparisons."""

from collections.abc import Callable

import torch

from neglink.graph import Graph
from neglink.methods import METHODS
from neglink.methods.base import Checkpoint, Run
from neglink.methods.mebns import MeBNS
from neglink.methods.mebns.metadata import collect_metadata
from neglink.methods.mebns.student import StudentUpdate
from neglink.methods.mebns.teacher import with_std_generator
from neglink.predictors import PREDICTORS
from neglink.samplers import SAMPLERS


def run_on(graph: Graph) -> Run:
    """GCN and the uniform sampler; no validation link is looked at in an epoch."""
    none = torch.zeros((2, 0), dtype=torch.int64)
    return Run(graph, none, none, PREDICTORS.make("gcn"), SAMPLERS.make("uniform"), 0)


def plain_epoch(graph: Graph) -> Callable[[int], float]:
    """Plain training."""
    run = run_on(graph)
    return METHODS.make("plain").updates(run, run.model())


def student_epoch(graph: Graph, meta_every: int = 1) -> Callable[[int], float]:
    """The student of MeBNS, at the settings of params.yaml."""
    settings = MeBNS(meta_every=meta_every, passes=2)
    run = with_std_generator(settings, run_on(graph))
    teacher = Checkpoint(run.model().state_dict())
    metadata = collect_metadata(settings, run_on(graph), teacher)
    return StudentUpdate(settings, run, run.model(teacher.weights), teacher, metadata)


def lazy_student_epoch(graph: Graph) -> Callable[[int], float]:
    """The student whose meta learner is updated every second epoch."""
    return student_epoch(graph, meta_every=2)
