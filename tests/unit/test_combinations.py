"""Every predictor with every sampler under every method."""

from dataclasses import replace

import pytest
import torch

from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.predictors import PREDICTORS
from neglink.predictors.base import Heuristic
from neglink.samplers import SAMPLERS
from tests.conftest import random_graph
from tests.unit.test_mebns import make_run

TRAINED = [name for name in PREDICTORS.names() if not isinstance(PREDICTORS.make(name), Heuristic)]
SMALL = {"batch_links": 40, "validate_every": 1}
SAMPLER_SETTINGS = {"diffusion": {"warm_up": 2, "steps": 1, "candidates": 5}}
METHOD_SETTINGS = {
    "plain": {"epochs": 1},
    "mebns": {"teacher_epochs": 1, "student_epochs": 1, "passes": 2, "tau_quantile": 0.8},
}


@pytest.mark.parametrize("method", METHOD_SETTINGS)
@pytest.mark.parametrize("sampler", SAMPLERS.names())
@pytest.mark.parametrize("predictor", TRAINED)
def test_every_combination_trains(predictor, sampler, method):
    run = make_run(random_graph(n=24, m=60), predictor)
    run = replace(run, sampler=SAMPLERS.make(sampler, **SAMPLER_SETTINGS.get(sampler, {})))
    made = fit(METHODS.make(method, **METHOD_SETTINGS[method], **SMALL), run)
    fresh = run.model().state_dict()
    assert all(torch.isfinite(value).all() for value in made.weights.values())
    assert any(not torch.equal(made.weights[name], fresh[name]) for name in fresh)


@pytest.mark.parametrize("features", [True, False], ids=["features", "no features"])
@pytest.mark.parametrize("predictor", TRAINED)
def test_a_stored_model_scores_as_it_did(predictor, features):
    graph = random_graph(n=40, m=120)
    if not features:
        graph = type(graph)(graph.n, graph.links)
    run = make_run(graph, predictor)
    made = fit(METHODS.make("plain", epochs=1, **SMALL), run)
    again = run.predictor.build(run.graph, torch.Generator())
    again.load_state_dict(made.weights)
    model = run.model(made.weights)
    pairs = run.graph.arcs
    first, second = (m.eval().score(run.graph, pairs) for m in (model, again))
    assert torch.equal(first, second)
