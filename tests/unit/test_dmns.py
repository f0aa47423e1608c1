"""DMNS: the diffusion, its negatives as a method and as a sampler, and sub-linear positivity."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.nn.functional import logsigmoid, softplus

from neglink import samplers
from neglink.errors import ParamsError, TrainingError
from neglink.evaluation import metrics
from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.methods import METHODS, loop
from neglink.methods.base import fit
from neglink.methods.dmns.positivity import (
    Gaussian,
    fitted,
    local_slopes,
    positivity,
    slopes,
    sublinear,
)
from neglink.methods.dmns.training import (
    DMNSUpdate,
    embeddings_of,
    generated_logits,
    stored_diffusion,
)
from neglink.methods.loop import training_batches
from neglink.predictors import PREDICTORS
from neglink.samplers import denoising, diffusion
from neglink.samplers.base import Context
from neglink.samplers.denoising import (
    Denoising,
    Diffusion,
    NoiseNetwork,
    Schedule,
    neighbour_table,
    sinusoids,
)
from neglink.samplers.diffusion import best_allowed, structure_vectors
from tests.conftest import random_graph, seeded
from tests.unit.test_mebns import make_run

SMALL = {"times": 10, "diffusion_steps": 3, "positivity_queries": 5, "positivity_samples": 40}
CPU = torch.device("cpu")


def dmns(**settings):
    return METHODS.make("dmns", **{**SMALL, **settings})


def blocks(size=20, count=4, inside=0.4, outside=0.01, seed=0) -> Graph:
    """A graph of dense blocks, with features that tell nothing."""
    rng = np.random.default_rng(seed)
    n = size * count
    block = np.arange(n) // size
    chance = np.where(block[:, None] == block, inside, outside)
    first, second = np.nonzero(np.triu(rng.random((n, n)) < chance, 1))
    features = torch.eye(n)
    return Graph(n, torch.from_numpy(np.stack([first, second])), features)


# the forward process


def test_the_schedule_is_the_product_of_one_minus_beta():
    schedule = Schedule(Denoising(), CPU)
    beta = [1e-4 + i * (0.02 - 1e-4) / 49 for i in range(50)]
    expected = np.concatenate([[1.0], np.cumprod(1 - np.array(beta))])
    assert np.allclose(schedule.alpha_bar, expected)
    assert float(schedule.alpha_bar[50]) == pytest.approx(0.604, abs=0.002)  # as the docs say


def test_noised_embeddings_have_the_stated_mean_and_deviation():
    schedule = Schedule(Denoising(times=20, beta_last=0.2), CPU)
    x0 = torch.full((200_000, 1), 3.0)
    noise = torch.randn(x0.shape, generator=seeded())
    x = schedule.noised(x0, torch.full((200_000,), 20), noise)
    kept = float(schedule.alpha_bar[20])
    assert float(x.mean()) == pytest.approx(3 * kept**0.5, abs=0.01)
    assert float(x.var()) == pytest.approx(1 - kept, abs=0.01)
    assert torch.equal(schedule.noised(x0, torch.zeros(200_000, dtype=torch.long), noise), x0)


def test_noising_step_by_step_is_noising_at_once():
    """Variances: Π(1 − β) of the signal stays, and the steps' noise adds up to 1 − ᾱ."""
    schedule = Schedule(Denoising(times=7, beta_last=0.3), CPU)
    variance = torch.zeros(())
    for t in range(1, 8):
        variance = (1 - schedule.beta[t]) * variance + schedule.beta[t]
        assert float(variance) == pytest.approx(1 - float(schedule.alpha_bar[t]), abs=1e-6)


@pytest.mark.parametrize("d", [1, 5, 8])
def test_sinusoids_tell_times_apart(d):
    waves = sinusoids(50, d)
    assert waves.shape == (51, d)
    assert torch.allclose(waves[:, 0], torch.arange(51.0).sin(), atol=1e-5)
    assert torch.unique((waves * 1e5).round(), dim=0).shape[0] == 51


# the network


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("maps", [True, False])
def test_the_network_follows_the_formula(conditional, maps):
    settings = Denoising(film_layers=3, film_maps=maps, conditional=conditional)
    network = NoiseNetwork(6, settings, seeded())
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=seeded(parameter.numel()))
    x, h = torch.randn(2, 9, 6, generator=seeded(1))
    times = torch.arange(1, 10)
    for i in range(9):
        wave = sinusoids(50, 6)[times[i]]
        c = network.second(torch.nn.functional.gelu(network.first(wave)))
        c = c + h[i] if conditional else c
        both = torch.nn.functional.silu(c) @ network.film + network.film_bias
        out = x[i]
        for layer in range(3):
            if layer and maps:
                out = network.maps[layer - 1](torch.nn.functional.gelu(out))
            gamma, eta = both[12 * layer : 12 * layer + 6], both[12 * layer + 6 : 12 * layer + 12]
            out = (gamma + 1) * out + eta
        assert torch.allclose(network(x, times, h)[i], out, atol=1e-5)
        assert torch.allclose(network(x, int(times[i]), h)[i], out, atol=1e-5)


def test_the_unconditional_network_does_not_see_the_query():
    x, h = torch.randn(2, 9, 6, generator=seeded(1))
    for conditional in (True, False):
        network = NoiseNetwork(6, Denoising(conditional=conditional), seeded())
        same = torch.equal(network(x, 3, h), network(x, 3, h + 1))
        assert same is not conditional


# its training set


@pytest.mark.parametrize("count", [1, 4, 30])
def test_the_table_holds_neighbours_in_turn(graph, count):
    table = neighbour_table(graph, count, seeded())
    assert table.shape == (graph.n, count)
    assert (graph.degree == 0).any()
    for node in range(graph.n):
        own = set(graph.arcs[1][graph.arcs[0] == node].tolist()) or {node}
        times = torch.bincount(table[node], minlength=graph.n)
        assert set(table[node].tolist()) <= own
        assert (times > 0).sum() == min(len(own), count)
        assert int(times.max()) - int(times[sorted(own)].min()) <= 1


def test_the_table_of_a_hub_is_a_uniform_choice():
    star = Graph(7, torch.stack([torch.zeros(6, dtype=torch.long), torch.arange(1, 7)]))
    chosen = torch.stack([neighbour_table(star, 2, seeded(s))[0] for s in range(600)])
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert torch.bincount(chosen.flatten(), minlength=7)[1:].min() > 150  # 200 expected


@pytest.mark.parametrize("kind", ["l1", "mse"])
def test_the_loss_in_parts_is_the_loss_of_the_whole(graph, kind, monkeypatch):
    settings = Denoising(noise_loss=kind, neighbours=4)
    made = Diffusion(settings, 6, CPU, seeded())
    h = torch.randn(graph.n, 6, generator=seeded(1))
    table = neighbour_table(graph, 4, seeded())
    queries = torch.arange(graph.n)
    (whole,) = made._losses(h, queries, table, seeded(3))
    times = torch.randint(1, 51, (graph.n, 4), generator=(again := seeded(3)))
    noise = torch.randn(graph.n, 4, 6, generator=again)
    kept = made.schedule.alpha_bar[times][..., None]
    noisy = kept.sqrt() * h[table] + (1 - kept).sqrt() * noise
    error = made.network(noisy, times, h[:, None]) - noise
    expected = (error.abs().mean() if kind == "l1" else (error**2).mean()).detach()
    assert torch.allclose(whole, expected, atol=1e-6)
    monkeypatch.setattr(denoising, "ROWS", 28)  # seven nodes at once
    parts = list(made._losses(h, queries, table, seeded(3)))
    assert len(parts) == 6
    assert float(sum(parts).detach()) == pytest.approx(float(expected), rel=0.25)  # other noise


def test_no_gradient_reaches_the_embeddings(graph):
    z = torch.randn(graph.n, 6, generator=seeded(1)).requires_grad_()
    with torch.no_grad():  # as the pipeline's sampler check calls it
        made = Diffusion(Denoising(), 6, CPU, seeded())
        before = made.network.film.clone()
        made.learn(graph, z, 2, seeded())
    assert z.grad is None
    assert not torch.equal(before, made.network.film)


def test_a_loss_that_is_no_number_names_the_setting(graph):
    z = torch.full((graph.n, 4), torch.nan)
    with pytest.raises(TrainingError, match="lower diffusion_learning_rate"):
        Diffusion(Denoising(), 4, CPU, seeded()).learn(graph, z, 1, seeded())


# the reverse process


class Exact(torch.nn.Module):
    """E[ε | x_t] where x_0 ~ N(mean, variance), independent coordinates."""

    def __init__(self, schedule, mean, variance):
        super().__init__()
        self.schedule, self.mean, self.variance = schedule, mean, variance

    def forward(self, x, t, h):
        kept = self.schedule.alpha_bar[t]
        total = kept * self.variance + 1 - kept
        return (1 - kept).sqrt() * (x - kept.sqrt() * self.mean) / total


def test_the_reverse_process_draws_the_data_under_the_exact_network():
    """Every state has the forward process's law, up to the error of 200 finite steps."""
    settings = Denoising(times=200, beta_last=0.08, rescale=False, levels=(0.1, 0.0),
                         level_weights=(1.0, 1.0))  # fmt: skip
    made = Diffusion(settings, 2, CPU, seeded())
    mean, variance = torch.tensor([1.5, -0.5]), torch.tensor([0.25, 0.04])
    made.network = Exact(made.schedule, mean, variance)
    z = torch.zeros(3, 2)
    graph = Graph(3, torch.tensor([[0], [1]]))
    states = made.generate(graph, z, torch.zeros(40_000, dtype=torch.long), seeded(1))
    assert states.shape == (2, 40_000, 2)
    for t, state in zip((20, 0), states, strict=True):
        kept = made.schedule.alpha_bar[t]
        assert torch.allclose(state.mean(0), kept.sqrt() * mean, atol=0.03)
        assert torch.allclose(state.var(0), kept * variance + 1 - kept, rtol=0.08, atol=0.005)


def test_levels_come_from_one_chain_in_the_order_asked_for(graph):
    z = torch.randn(graph.n, 6, generator=seeded(1))
    made = Diffusion(Denoising(), 6, CPU, seeded())
    nodes = torch.arange(graph.n)
    every = made.generate(graph, z, nodes, seeded(2), tuple(range(51)))
    asked = made.generate(graph, z, nodes, seeded(2), (12, 0, 12, 50))
    assert torch.equal(asked, every[[12, 0, 12, 50]])
    assert made.generate(graph, z, nodes, seeded(2)).shape == (4, graph.n, 6)
    assert made.settings.level_times == (5, 6, 12, 25)
    assert made.generate(graph, z, nodes[:0], seeded(2)).shape == (4, 0, 6)
    assert made.generate(graph, z, nodes, seeded(2), ()).shape == (0, graph.n, 6)
    assert not made.generate(graph, z, nodes, seeded(2)).requires_grad


def test_generation_in_blocks_covers_every_query(graph, monkeypatch):
    monkeypatch.setattr(denoising, "ROWS", 7)
    z = torch.randn(graph.n, 6, generator=seeded(1))
    made = Diffusion(Denoising(), 6, CPU, seeded())
    states = made.generate(graph, z, torch.arange(graph.n), seeded(2))
    assert states.shape == (4, graph.n, 6)
    assert torch.isfinite(states).all()


def test_rescaling_leaves_unit_rows_and_follows_the_scale_of_others(graph):
    z = torch.nn.functional.normalize(torch.randn(graph.n, 6, generator=seeded(1)), dim=1)
    nodes = torch.arange(graph.n)

    def made(z, **settings):
        one = Diffusion(Denoising(**settings), 6, CPU, seeded())
        one.learn(graph, z, 5, seeded(3))
        return one.generate(graph, z, nodes, seeded(2))

    assert torch.allclose(made(z), made(z, rescale=False), atol=1e-4)
    assert torch.allclose(made(50 * z), 50 * made(z), atol=5e-3)


def test_a_forward_start_has_the_law_of_the_last_noisy_neighbours():
    star = Graph(3, torch.tensor([[0, 0], [1, 2]]))
    z = torch.tensor([[0.0], [4.0], [-4.0]])
    settings = Denoising(start="forward", rescale=False, levels=(1.0,), level_weights=(1.0,))
    made = Diffusion(settings, 1, CPU, seeded())
    x = made.generate(star, z, torch.zeros(20_000, dtype=torch.long), seeded())[0]
    kept = float(made.schedule.alpha_bar[-1])
    assert float(x.abs().mean()) == pytest.approx(4 * kept**0.5, abs=0.05)
    assert float(x.square().mean()) == pytest.approx(16 * kept + 1 - kept, rel=0.02)


def test_it_learns_where_the_neighbours_of_each_query_lie():
    """Two stars, leaves of either at one place: what is made for a hub lies with its leaves."""
    leaves = torch.arange(2, 22)
    links = torch.stack([(leaves >= 12).long(), leaves])
    graph = Graph(22, links)
    z = torch.zeros(22, 8)
    z[0, :4], z[1, 4:] = 0.5, 0.5
    z[2:12, 1], z[12:, 1] = 1, -1
    hubs = torch.tensor([0, 1]).repeat_interleave(300)
    found = {}
    for conditional in (True, False):
        settings = Denoising(start="forward", conditional=conditional, noise_loss="mse",
                             beta_last=0.2)  # fmt: skip
        made = Diffusion(settings, 8, CPU, seeded())
        generator = seeded(1)
        losses = [made.learn(graph, z, 100, generator) for _ in range(4)]
        x = made.generate(graph, z, hubs, seeded(2), (0,))[0]
        found[conditional] = float(x[:300, 1].mean() - x[300:, 1].mean()), losses[-1]
        assert losses[-1] < losses[0]
    assert found[True][0] > 1
    assert found[True][1] < found[False][1]


# the encoder


@pytest.mark.parametrize("layer_norm", [True, False])
def test_the_encoder_follows_the_formula(graph, layer_norm):
    settings = PREDICTORS.make("dmns-gcn", hidden=8, d=5, normalise=False, layer_norm=layer_norm)
    model = settings.build(graph, seeded()).eval()
    a = torch.from_numpy(graph.scipy.toarray()) + torch.eye(graph.n)
    mean = a / a.sum(1, keepdim=True)

    def layer(h, w, norm=True):
        out = torch.nn.functional.leaky_relu(mean @ h @ w, 0.01)
        return torch.nn.functional.normalize(out, dim=1) if norm else out

    x = graph.features.csr.to_dense()
    expected = layer(layer(x, model.w1, layer_norm), model.w2)
    z = model.encode(graph)
    assert torch.allclose(z, expected, atol=1e-5)
    weight = torch.rand(z.shape, generator=seeded(1))
    ours = torch.autograd.grad((z * weight).sum(), [model.w1, model.w2])
    theirs = torch.autograd.grad((expected * weight).sum(), [model.w1, model.w2])
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_a_node_without_features_or_links_has_embedding_zero_and_finite_gradients():
    links = torch.tensor([[0, 1], [1, 2]])
    features = torch.rand(5, 4, generator=seeded())
    features[3:] = 0
    model = PREDICTORS.make("dmns-gcn").build(Graph(5, links, features), seeded())
    z = model.encode(Graph(5, links, features))
    assert torch.equal(z[3:], torch.zeros(2, 32))
    assert torch.allclose(z[:3].norm(dim=1), torch.ones(3), atol=1e-4)
    pair_dot(z, torch.tensor([[0, 0, 3], [1, 3, 4]])).sum().backward()
    assert torch.isfinite(model.w1.grad).all()


# the method


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("kind", ["log_sigmoid", "sigmoid"])
def test_the_loss_is_the_one_stated(graph, kind, reduction):
    run = make_run(graph, "dmns-gcn", dropout=0.0)
    settings = dmns(link_loss=kind, reduction=reduction)
    model = run.model()
    update = DMNSUpdate(settings, run, model)
    made = update._learn()
    (batch,) = training_batches(run, model, settings, run.generator("a"), 0)
    state = update.noise.get_state()
    loss = update._loss(batch, made)
    update.noise.set_state(state)
    z = model.encode(run.graph)
    x = made[0].generate(run.graph, made[1], batch.positives[0], update.noise)
    good = logsigmoid if kind == "log_sigmoid" else torch.sigmoid
    each = []
    for i in range(batch.positives.shape[1]):
        q, p = batch.positives[:, i]
        v = batch.negatives[1, i]
        negatives = good(-z[q] @ z[v])
        for weight, state in zip((1, 0.9, 0.8, 0.7), x[:, i], strict=True):
            negatives = negatives + weight * good(-z[q] @ state)
        share = 1 if reduction == "sum" else 1 / 5
        each.append(-good(z[q] @ z[p]) - share * negatives)
    assert torch.allclose(loss, torch.stack(each).mean(), atol=1e-5)


def test_without_levels_only_real_negatives_count(graph):
    run = make_run(graph, "gcn")
    settings = dmns(levels=(), level_weights=(), epochs=2)
    model = run.model()
    (batch,) = training_batches(run, model, settings, run.generator("a"), 0)
    loss = DMNSUpdate(settings, run, model)._loss(batch, None)
    scores = [pair_dot(batch.z, pairs) for pairs in (batch.positives, batch.negatives)]
    assert torch.allclose(loss, softplus(-scores[0]).mean() + softplus(scores[1]).mean())
    made = fit(settings, run)
    assert made.extras == {}
    assert "positivity" not in made.history


@pytest.mark.parametrize("predictor", ["gcn", "gae", "ncn"])
def test_a_generated_embedding_that_is_a_nodes_scores_as_an_unlinked_node(graph, predictor):
    run = make_run(graph, predictor)
    model = run.model().eval()
    z = model.encode(run.graph)
    alone = int((run.graph.degree == 0).nonzero()[0])
    queries = run.graph.degree.nonzero().squeeze(-1)[:6]
    x = z[alone].expand(2, 6, -1)
    pairs = torch.stack([queries, torch.full_like(queries, alone)])
    expected = model.decode(run.graph, z, pairs)
    logits = generated_logits(model, run.graph, z, queries, x.detach())
    assert torch.allclose(logits, expected.expand(2, 6), atol=1e-5)


ABLATIONS = {
    "paper": {},
    "unconditional": {"conditional": False},
    "one level": {"levels": (0.1,), "level_weights": (1.0,)},
    "finished": {"levels": (0.0, 1.0), "level_weights": (1.0, 0.5)},
    "code": {"link_loss": "sigmoid", "reduction": "mean"},
    "mse": {"noise_loss": "mse"},
    "maps": {"film_maps": True, "film_layers": 3},
    "forward": {"start": "forward"},
    "batches": {"batch_links": 40, "mask_links": True, "batch_nodes": 8},
    "two real": {"negatives_per_link": 2},
    "full covariance": {"positivity_covariance": "full"},
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_variant_trains_and_repeats(graph, name):
    method = dmns(epochs=2, **ABLATIONS[name])
    run = make_run(graph, "dmns-gcn")
    made, again = fit(method, run), fit(method, run)
    fresh = run.model().state_dict()
    assert any(not torch.equal(made.weights[key], fresh[key]) for key in fresh)
    for key in made.weights:
        assert torch.equal(made.weights[key], again.weights[key])
    assert len(made.history["diffusion_loss"]) == 2
    assert 0 <= made.history["positivity"]["share"] <= 1


@pytest.mark.parametrize("predictor", ["gat", "sage", "gae", "ncn"])
def test_other_predictors_train(graph, predictor):
    run = make_run(graph, predictor)
    made = fit(dmns(epochs=2), run)
    assert all(torch.isfinite(value).all() for value in made.weights.values())


def test_a_predictor_without_embeddings_is_refused_with_a_way_out(graph):
    with pytest.raises(TrainingError, match="sampler diffusion"):
        fit(dmns(epochs=1), make_run(graph, "seal"))


def test_the_check_changes_no_weight(graph):
    run = make_run(graph, "dmns-gcn")
    with_check, without = (fit(dmns(epochs=3, positivity_queries=count), run) for count in (5, 0))
    for key in with_check.weights:
        assert torch.equal(with_check.weights[key], without.weights[key])
    assert "positivity" not in without.history


def test_training_ends_when_patience_runs_out(graph, monkeypatch):
    values = iter([0.1, 0.3, 0.2, 0.3, 0.25, 0.9])
    monkeypatch.setattr(loop, "validate", lambda run, model, select: (0.5, next(values)))
    made = fit(dmns(epochs=50, patience=3, snapshots=(1, 4)), make_run(graph, "gcn"))
    assert made.history["kept_epoch"] == 2
    assert len(made.history["loss"]) == 5
    assert made.history["valid"]["selected_by"] == [0.1, 0.3, 0.2, 0.3, 0.25]
    assert sorted(made.snapshots) == [1, 4]


def test_the_kept_weights_are_those_of_the_best_epoch(graph):
    run = make_run(graph, "dmns-gcn")
    made = fit(dmns(epochs=6, patience=None, snapshots=tuple(range(1, 7))), run)
    kept = made.snapshots[made.history["kept_epoch"]]
    assert all(torch.equal(made.weights[key], kept[key]) for key in kept)
    z = embeddings_of(run.model(made.weights), run.graph)
    network = stored_diffusion(dmns(), made, z).network
    assert torch.equal(network.film, made.extras["diffusion.film"])


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ParamsError, match="one weight for each level"):
        dmns(levels=(0.1,))
    with pytest.raises(ParamsError, match="set patience: null"):
        dmns(select="last")
    with pytest.raises(ParamsError, match="mask_links needs batch_links"):
        dmns(mask_links=True)
    with pytest.raises(ParamsError, match="real_share: 1"):
        samplers.make("diffusion", level_weights=(0, 0, 0, 0))


def test_it_learns_to_tell_links_inside_blocks():
    """Links and non-links of hidden pairs, from learned inputs alone."""
    run = make_run(blocks(), "dmns-gcn", normalise=False)
    made = fit(dmns(epochs=60, diffusion_steps=5, times=20, select="auc"), run)
    first = run.model().eval().score(run.graph, run.valid_positives)
    model = run.model(made.weights).eval()
    links, others = (
        model.score(run.graph, pairs).detach().numpy()
        for pairs in (run.valid_positives, run.valid_negatives)
    )
    assert first.shape == links.shape
    assert metrics.auc(links, others) > 0.8
    assert made.history["diffusion_loss"][-1] < made.history["diffusion_loss"][0]


# the sampler


def context_for(graph: Graph, epoch=0, d=6) -> Context:
    z = torch.randn(graph.n, d, generator=seeded(9))
    return Context(graph, lambda pairs: pair_dot(z, pairs), z, epoch)


def allowed(graph, node):
    free = torch.ones(graph.n, dtype=torch.bool)
    free[node] = False
    free[graph.arcs[1][graph.arcs[0] == node]] = False
    return free


@pytest.mark.parametrize("match", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("candidates", [None, 400])
def test_the_sampler_takes_the_nearest_valid_node(graph, match, candidates):
    """400 uniform draws of 40 nodes hold them all but surely."""
    sampler = samplers.make("diffusion", match=match, candidates=candidates, warm_up=0)
    context = context_for(graph)
    positives = torch.stack([torch.arange(graph.n)] * 2)
    x = torch.randn(graph.n, 6, generator=seeded(4))
    tails = sampler._nearest(context, context.embeddings, x, positives, seeded())
    for node in range(graph.n):
        z = context.embeddings.double()
        at = x[node].double()
        near = {
            "dot": z @ at,
            "cosine": z @ at / z.norm(dim=1),
            "euclidean": -(z - at).norm(dim=1),
        }[match]
        assert int(tails[node]) == int(near.masked_fill(~allowed(graph, node), -9e9).argmax())


@pytest.mark.parametrize(
    "settings", [{"candidates": None}, {"real_share": 1.0}, {"real_share": 0.0, "match": "dot"}]
)
def test_no_negative_of_the_sampler_is_a_link(settings, monkeypatch):
    monkeypatch.setattr(diffusion, "VALUES", 20_000)  # a few links at once
    graph = random_graph(n=30, m=150)
    sampler = samplers.make("diffusion", warm_up=2, **settings)
    for context in (context_for(graph), replace(context_for(graph), embeddings=None)):
        negatives = sampler.sample(context, graph.arcs, seeded())
        assert torch.equal(negatives[0], graph.arcs[0])
        assert not graph.has_links(negatives).any()
        assert (negatives[0] != negatives[1]).all()


def test_scores_that_are_no_numbers_give_a_uniform_node(graph):
    centres = torch.arange(graph.n)
    scores = torch.full((graph.n, graph.n), torch.nan)
    tails = best_allowed(graph, centres, scores, seeded())
    assert not graph.has_links(torch.stack([centres, tails])).any()
    star = Graph(4, torch.tensor([[0, 0, 0], [1, 2, 3]]))
    with pytest.raises(ValueError, match="node 0 is linked to every other node"):
        best_allowed(star, torch.tensor([0]), torch.zeros(1, 4), seeded())


def test_the_sampler_learns_once_an_epoch_and_begins_anew_with_each_run(graph, monkeypatch):
    steps = []
    learn = Diffusion.learn

    def watched(self, graph, z, count, generator):
        steps.append(count)
        return learn(self, graph, z, count, generator)

    monkeypatch.setattr(Diffusion, "learn", watched)
    sampler = samplers.make("diffusion", warm_up=3, steps=2, real_share=0)

    def draw(context, generator):
        before = len(steps)
        sampler.sample(context, graph.arcs, generator)
        return steps[before:]

    one, other = seeded(1), seeded(1)
    first = context_for(graph)
    assert draw(first, one) == [3]
    assert draw(first, one) == []  # the same embeddings in the same epoch
    assert draw(context_for(graph, 1), one) == [2]
    assert draw(context_for(graph, 1), one) == [2]  # other embeddings
    assert draw(context_for(graph, 1), other) == [3]  # another run knows nothing of the first
    assert draw(context_for(graph, 0), one) == [3]  # epochs that go back are another run's
    assert draw(context_for(graph, 1, d=4), one) == [3]
    assert draw(context_for(random_graph(seed=3), 2, d=4), one) == [3]


def test_lower_levels_are_nearer_to_neighbours():
    """In a graph of blocks with embeddings by block, the hard level keeps to the query's block."""
    graph = blocks(inside=0.2)
    block = torch.arange(graph.n) // 20
    z = torch.eye(4)[block] + 0.05 * torch.randn(graph.n, 4, generator=seeded())
    context = Context(graph, None, z)
    same = {}
    for level in (0.0, 1.0):
        sampler = samplers.make(
            "diffusion", levels=(level,), level_weights=(1.0,), real_share=0, warm_up=300,
            beta_last=0.2,
        )  # fmt: skip
        negatives = sampler.sample(context, graph.arcs, seeded())
        same[level] = float((block[negatives[0]] == block[negatives[1]]).double().mean())
    assert same[1.0] < 0.45  # noise: any block
    assert same[0.0] > same[1.0] + 0.3


def test_structure_vectors_are_fixed_and_tell_blocks_apart():
    graph = blocks(inside=0.5)
    vectors = structure_vectors(graph, 32)
    assert structure_vectors(graph, 32) is vectors
    copy = Graph(graph.n, graph.links)
    assert torch.equal(structure_vectors(copy, 32), vectors)
    near = vectors @ vectors.t()
    block = torch.arange(graph.n) // 20
    inside = block[:, None] == block
    assert float(near[inside].mean()) > float(near[~inside].mean()) + 0.5


@pytest.mark.parametrize("predictor", ["gcn", "seal"])
@pytest.mark.parametrize("method", ["plain", "mebns"])
def test_the_sampler_serves_other_methods(graph, predictor, method):
    run = replace(make_run(graph, predictor), sampler=samplers.make("diffusion", warm_up=2))
    epochs = {"teacher_epochs": 1, "student_epochs": 1, "passes": 2, "tau_quantile": 0.8}
    settings = {"epochs": 2} if method == "plain" else epochs
    made, again = (
        fit(METHODS.make(method, validate_every=1, select="auc", **settings), run) for _ in "12"
    )
    for key in made.weights:
        assert torch.equal(made.weights[key], again.weights[key])


# sub-linear positivity


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_densities_equal_scipys(covariance):
    samples = torch.randn(3, 50, 4, generator=seeded(), dtype=torch.float64)
    samples[1] = samples[1] @ torch.randn(4, 4, generator=seeded(1), dtype=torch.float64) + 2
    gaussian = fitted(samples, covariance)
    for k in range(3):
        matrix = np.cov(samples[k].numpy().T)
        ridge = np.eye(4) * 1e-4 * np.diag(matrix).mean()
        matrix = (np.diag(np.diag(matrix)) if covariance == "diagonal" else matrix) + ridge
        law = multivariate_normal(samples[k].mean(0).numpy(), matrix)
        assert np.allclose(gaussian.log_density(samples)[k], law.logpdf(samples[k].numpy()))


def test_gradients_of_log_densities_equal_autograd():
    gaussian = fitted(torch.randn(2, 30, 3, generator=seeded(), dtype=torch.float64), "full")
    x = torch.randn(2, 5, 3, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(gaussian.log_density(x).sum(), x)
    assert torch.allclose(gaussian.gradient(x.detach()), expected)


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_a_wider_gaussian_of_the_same_mean_is_a_power_of_the_narrow_one(spread):
    """log f_n = log f_p / spread² + c exactly: the slope is 1 / spread² at every point."""
    mean = torch.randn(3, 4, generator=seeded(), dtype=torch.float64)
    factor = torch.diag_embed(torch.rand(3, 4, generator=seeded(1), dtype=torch.float64) + 0.5)
    narrow, wide = Gaussian(mean, factor), Gaussian(mean, spread * factor)
    points = torch.randn(3, 60, 4, generator=seeded(2), dtype=torch.float64)
    expected = torch.full((3,), spread**-2, dtype=torch.float64)
    assert torch.allclose(slopes(narrow, wide, points), expected)
    assert torch.allclose(local_slopes(narrow, wide, points), expected[:, None].expand(3, 60))


def test_the_share_counts_slopes_strictly_inside():
    assert sublinear(torch.tensor([-0.1, 0.0, 0.5, 1.0, 0.9])) == 0.4
    assert sublinear(torch.empty(0)) == 0


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="raise positivity_samples"):
        fitted(torch.randn(2, 4, 4, generator=seeded()), "full")


def test_too_few_samples_are_refused_before_the_training(graph, monkeypatch):
    monkeypatch.setattr(DMNSUpdate, "__call__", lambda *_: pytest.fail("trained"))
    method = dmns(epochs=1, positivity_covariance="full", positivity_samples=4)
    with pytest.raises(
        TrainingError, match=r"needs \d+ samples, got 4: raise positivity_samples, or"
    ):
        fit(method, make_run(graph, "dmns-gcn"))


def test_the_forward_process_itself_is_sublinear():
    """With the exact network for N(0, v), v < 1, each level is a wider Gaussian of the same mean:
    λ = v / (ᾱ v + 1 − ᾱ), which lies in (0, 1)."""
    settings = Denoising(times=100, beta_last=0.1, rescale=False)
    made = Diffusion(settings, 3, CPU, seeded())
    made.network = Exact(made.schedule, torch.zeros(3), torch.full((3,), 0.2))
    graph = Graph(4, torch.tensor([[0], [1]]))
    found = positivity(
        made, graph, torch.zeros(4, 3), torch.tensor([0, 1, 2]), seeded(), samples=2000
    )
    for level in found["levels"]:
        kept = float(made.schedule.alpha_bar[level["t"]])
        assert level["median"] == pytest.approx(0.2 / (0.2 * kept + 1 - kept), abs=0.08)
        assert level["share"] == 1
    assert found["share"] == 1
    assert found["queries"] == 3
