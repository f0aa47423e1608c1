"""The same seed gives the same bytes; the same weights give the same metrics with two threads.

What two threads do to a whole training is told in docs/caching.md: sums come in another order, and
what a sampler or filter chooses by them differs after some epochs.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from neglink.datasets.planted import Planted
from neglink.evaluation import evaluate
from neglink.graph import Graph
from neglink.methods import METHODS
from neglink.methods.base import Run, fit
from neglink.predictors import PREDICTORS
from neglink.samplers import SAMPLERS
from neglink.splits import PROTOCOLS, SPLITS, LinkSplit, make_split
from neglink.steps.evaluate import model_scores

FAMILIES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "plain": ("gcn", "dns", "plain", {"epochs": 6}),
    "mebns": ("gcn", "dns", "mebns",
              {"teacher_epochs": 4, "student_epochs": 4, "tau_quantile": 0.5, "passes": 4}),
    "pull": ("gcn", "uniform", "pull", {"iterations": 2, "inner_epochs": 5}),
    "dmns": ("dmns-gcn", "diffusion", "dmns", {"epochs": 1, "diffusion_steps": 10}),
    "nml": ("gcn-rrelu", "uniform", "nml", {"epochs": 1}),
    "fgat": ("fgat", "fns", "plain-global", {"epochs": 3}),
    "gat": ("gat", "uniform", "plain", {"epochs": 3}),
    "gae": ("gae", "uniform", "plain", {"epochs": 1, "batch_links": 1024, "mask_links": True}),
    "seal": ("seal", "uniform", "plain", {"epochs": 1, "batch_links": 32}),
}  # fmt: skip
"""Predictor, sampler, method and its settings: every family, at the widths of its defaults."""


SMALL = {"seal": 150, "dmns": 300}
"""Nodes of the graph where 1000 would take long."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Begins with one thread, as the pipeline does, and puts their number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def divided(nodes: int) -> tuple[Graph, LinkSplit]:
    """A planted graph; one of 1000 nodes has products large enough to be shared by threads."""
    graph = Planted(nodes=nodes, features=300).build(0)
    return graph, make_split(graph, SPLITS.make("random"), PROTOCOLS.make("uniform"), seed=0)


def run_of(family: str) -> tuple[Run, LinkSplit]:
    graph, split = divided(SMALL.get(family, 1000))
    valid = split.ranked["valid"]
    predictor, sampler = (PREDICTORS.make(FAMILIES[family][0]), SAMPLERS.make(FAMILIES[family][1]))
    train = split.train_graph(graph)
    return Run(train, valid.positives, valid.negatives, predictor, sampler, seed=0), split


@cache
def weights(family: str, time: int) -> dict[str, torch.Tensor]:
    """What a training gives; `time` tells one from the next."""
    run, _ = run_of(family)
    return fit(METHODS.make(FAMILIES[family][2], **FAMILIES[family][3]), run).weights


def metrics(family: str, trained: dict[str, torch.Tensor]) -> dict[str, float]:
    run, split = run_of(family)
    model = run.model(trained).eval()
    valid, test = (model_scores(model, run.graph, split.ranked[s]) for s in ("valid", "test"))
    found = evaluate(*valid, *test, ks=(20, 50))["test"]
    return {key: value for key, value in found.items() if isinstance(value, float)}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_bytes(family: str) -> None:
    torch.manual_seed(1)
    once = weights(family, 1)
    torch.manual_seed(2)  # nothing of a training hangs on what came before it
    np.random.default_rng().random()
    again = weights(family, 2)
    assert once.keys() == again.keys()
    assert all(torch.equal(once[key], again[key]) for key in once)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_weights_give_the_same_metrics_with_two_threads(family: str) -> None:
    trained = weights(family, 1)
    one = metrics(family, trained)
    torch.set_num_threads(2)
    two = metrics(family, trained)
    assert len(one) >= 5
    assert two == pytest.approx(one, rel=1e-6)
