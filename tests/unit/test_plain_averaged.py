import pytest
import torch
from scipy.stats import chisquare

from neglink.errors import TrainingError
from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.methods.plain_averaged import RAMP, AveragedUpdate
from neglink.samplers import SAMPLERS
from neglink.samplers.base import Context
from tests.conftest import random_graph, seeded
from tests.unit.test_mebns import make_run

SMALL = {"epochs": 4, "batch_links": 30, "validate_every": 1, "select": "last"}


def test_without_its_settings_it_is_plain():
    run = make_run(random_graph(), "gae")
    plain = fit(METHODS.make("plain", **SMALL), run)
    same = fit(METHODS.make("plain-averaged", average=0, **SMALL), run)
    assert plain.history["loss"] == same.history["loss"]
    for name, value in plain.weights.items():
        torch.testing.assert_close(same.weights[name], value, rtol=0, atol=1e-7)


def test_the_mean_follows_its_recursion():
    run = make_run(random_graph(), "gcn")
    settings = METHODS.make("plain-averaged", average=0.4, **SMALL)
    mean = run.model()
    update = AveragedUpdate(settings, run, mean)
    seen = [{k: v.clone() for k, v in run.model().state_dict().items()}]
    update.optimiser.register_step_post_hook(
        lambda *_: seen.append({k: v.clone() for k, v in update.model.state_dict().items()})
    )
    for epoch in range(settings.epochs):
        update(epoch)
    expected = seen[0]
    assert len(seen) - 1 == update.steps > RAMP  # both cases of the recursion
    for step, weights in enumerate(seen[1:], 1):
        stays = min(0.4, step / (step + RAMP))
        expected = {k: stays * expected[k] + (1 - stays) * weights[k] for k in weights}
    for name, value in mean.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)
    kept = fit(settings, run).weights
    assert all(torch.equal(kept[name], value) for name, value in mean.state_dict().items())


def test_the_rate_falls_linearly_and_gradients_are_clipped():
    run = make_run(random_graph(), "gcn")
    settings = METHODS.make(
        "plain-averaged", learning_rate=0.02, final_rate=0.25, clip=1e-3, **SMALL
    )
    update = AveragedUpdate(settings, run, run.model())
    rates, norms = [], []
    update.optimiser.register_step_post_hook(
        lambda *_: norms.append(
            torch.cat([p.grad.flatten() for p in update.model.parameters()]).norm().item()
        )
    )
    for epoch in range(settings.epochs):
        update(epoch)
        rates.append(update.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.02, 0.015, 0.01, 0.005])
    assert norms == pytest.approx([1e-3] * len(norms), rel=1e-3)


def test_negatives_of_the_whole_graph_are_uniform_unlinked_pairs():
    graph = random_graph(n=12, m=20)
    settings = METHODS.make("plain-averaged-global", **SMALL)
    sampler = settings.training_sampler(SAMPLERS.make("uniform"))
    generator, counts = seeded(), torch.zeros(graph.n, graph.n)
    for _ in range(600):
        u, v = pairs = sampler.sample(Context(graph), graph.links, generator)
        assert pairs.shape == (2, graph.m)
        assert bool((u.diff() >= 0).all())
        assert not bool(graph.has_links(pairs).any() | (u == v).any())
        counts[u, v] += 1
    unlinked = torch.ones(graph.n, graph.n).fill_diagonal_(0)
    unlinked[graph.arcs[0], graph.arcs[1]] = 0
    assert chisquare(counts[unlinked.bool()]).pvalue > 1e-4
    kept = fit(settings, make_run(random_graph(), "gcn"))
    assert kept.history["loss"][-1] < kept.history["loss"][0]


def test_pairs_of_the_whole_graph_take_the_place_of_uniform_tails_alone():
    settings = METHODS.make("plain-averaged-global")
    with pytest.raises(TrainingError, match="the sampler is DNS: set the sampler to uniform"):
        settings.training_sampler(SAMPLERS.make("dns"))
