"""Graph autoencoders, their adversary, early ends, and bagging."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from neglink.errors import ParamsError, TrainingError
from neglink.evaluation.metrics import auc
from neglink.methods import METHODS, loop, patience
from neglink.methods.autoencoder import Adversary, AutoencoderUpdate
from neglink.methods.bagging import BaggingUpdate
from neglink.methods.base import fit
from neglink.methods.unlabelled import uniform_pairs
from neglink.predictors import PREDICTORS
from neglink.predictors.base import normalised_features
from neglink.predictors.gcn import GCNModel
from neglink.predictors.vgae import divergence
from tests.conftest import random_graph, seeded
from tests.unit.test_mebns import make_run
from tests.unit.test_pull import blocks


def moments(name, graph, **settings):
    """A model, its mean and log standard deviation, biases drawn."""
    model = PREDICTORS.make(name, **settings).build(graph, seeded()).eval()
    for key, value in model.named_parameters():
        if value.dim() == 1:
            torch.nn.init.normal_(value, generator=seeded(len(key)))
    model.encode(graph)
    return model, *model.moments


def test_vgae_equals_two_layers_of_pyg(graph):
    from torch_geometric.nn import GCNConv

    model, mean, log_std = moments("vgae", graph, hidden=8, d=5)
    first, second = GCNConv(graph.f, 8), GCNConv(8, 10)
    with torch.no_grad():
        first.lin.weight.copy_(model.w1.T)
        first.bias.copy_(model.b1)
        second.lin.weight.copy_(torch.cat([model.mean, model.log_std], 1).T)
        second.bias.copy_(model.b2)
    x = normalised_features(graph).csr.to_dense()
    both = second(first(x, graph.arcs).relu(), graph.arcs)
    assert torch.allclose(mean, both[:, :5], atol=1e-6)
    assert torch.allclose(log_std, both[:, 5:], atol=1e-6)


def test_vgnae_propagates_rows_of_equal_norm(graph):
    model, mean, log_std = moments("vgnae", graph, d=5, scale=1.8)
    a = graph.adjacency.csr.to_dense()
    x = normalised_features(graph).csr.to_dense()
    mapped = x @ model.mean + model.bias[:5]
    mapped = 1.8 * mapped / mapped.norm(dim=1, keepdim=True)
    assert torch.allclose(mean, a @ mapped, atol=1e-6)
    assert torch.allclose(log_std, a @ (x @ model.log_std + model.bias[5:]), atol=1e-6)
    alone = graph.degree == 0
    assert alone.any()
    assert torch.allclose(mean[alone].norm(dim=1), torch.tensor(1.8))  # not shrunk to 0


@pytest.mark.parametrize("name", ["vgae", "vgnae"])
def test_training_draws_what_scoring_replaces_by_its_mean(name, graph):
    model, mean, log_std = moments(name, graph)
    assert torch.equal(model.encode(graph), mean)
    model.train()
    torch.manual_seed(4)
    z = model.encode(graph)
    torch.manual_seed(4)
    assert torch.allclose(z, mean + torch.randn(mean.shape) * log_std.exp())
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum()
    assert divergence(model).item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_model_that_draws_nothing_has_no_divergence(graph):
    assert divergence(PREDICTORS.make("gcn").build(graph, seeded())) == 0


class Fixed:
    """Always the same negatives."""

    def __init__(self, pairs):
        self.pairs = pairs

    def sample(self, context, positives, generator):
        return self.pairs


@pytest.mark.parametrize("game", ["non-saturating", "minimax"])
def test_the_loss_adds_divergence_and_adversary(game):
    run = make_run(random_graph(), "vgae", hidden=6, d=4)
    pairs = uniform_pairs(run.graph, run.graph.m, seeded(1))
    object.__setattr__(run, "sampler", Fixed(pairs))
    settings = METHODS.make(
        "autoencoder", negatives="sampler", kl=20.0, adversarial=True, game=game, discriminator=(5,)
    )
    model = run.model().eval()  # the mean, so that the loss can be computed by hand
    update = AutoencoderUpdate(settings, run, model)
    update.adversary.learn = lambda z: None
    z = model.encode(run.graph)
    mean, log_std = model.moments
    p = torch.sigmoid(z @ z.T)
    links, others = p[run.graph.links[0], run.graph.links[1]], p[pairs[0], pairs[1]]
    expected = -torch.cat([links.log(), (1 - others).log()]).mean()
    expected = expected + 20 * kl_divergence(
        Normal(mean, log_std.exp()), Normal(0.0, 1.0)
    ).sum() / run.graph.n**2  # fmt: skip
    hidden, last = update.adversary.model.hidden[0], update.adversary.model.last
    real = torch.sigmoid((z @ hidden.weight).relu() @ last.weight).squeeze(-1)
    against = (1 - real).log() if game == "minimax" else -real.log()
    assert update(0) == pytest.approx((expected + against.mean()).item(), abs=1e-5)


def test_the_adversary_learns_to_tell_the_prior_from_embeddings():
    run = make_run(random_graph(), "gcn", hidden=6, d=4)
    settings = METHODS.make(
        "autoencoder", adversarial=True, discriminator_learning_rate=0.01, discriminator_steps=300
    )
    adversary = Adversary(settings, run, run.model())
    z = torch.randn(200, 4, generator=seeded(1)) * 0.1
    before = adversary.against(z).item()
    assert before == pytest.approx(math.log(2), abs=0.2)
    adversary.learn(z)
    assert adversary.against(z).item() > before + 1
    drawn = torch.randn(200, 4, generator=seeded(2))
    assert adversary.model(drawn).mean() > adversary.model(z).mean() + 1


def test_an_adversary_needs_embeddings():
    run = make_run(random_graph(), "seal", hidden=4)
    with pytest.raises(TrainingError, match="adversarial = true"):
        fit(METHODS.make("autoencoder", adversarial=True), run)


@pytest.mark.parametrize("least", [0, 7, 40])
@pytest.mark.parametrize("wait", [1, 3, None])
@pytest.mark.parametrize("select", ["auc", "last"])
def test_training_ends_at_the_epoch_at_which_patience_is_spent(least, wait, select, monkeypatch):
    values = torch.rand(30, generator=seeded(6)).tolist()

    seen = iter(values)
    monkeypatch.setattr(loop, "validate", lambda *_: (next(seen),) * 2)
    settings = METHODS.make(
        "autoencoder", epochs=30, patience=wait, least_epochs=least, select=select
    )
    run = make_run(random_graph())
    made = patience.train_patiently(settings, run, run.model(), lambda epoch: values[epoch])
    best, end = 1, 30  # the reference: one epoch after the other
    for epoch in range(1, 31):
        best = epoch if values[epoch - 1] > values[best - 1] else best
        if select != "last" and wait and epoch >= least and epoch - best >= wait:
            end = epoch
            break
    assert made.history["loss"] == values[:end]
    assert made.history["kept_epoch"] == (best if select == "auc" else end)


def test_a_bagged_model_scores_by_the_mean_probability(graph):
    model = PREDICTORS.make("bagged-gcn", hidden=6, d=4, bags=3).build(graph, seeded())
    z = model.encode(graph)
    assert z.shape == (graph.n, 12)
    each = torch.stack([bag.score(graph, graph.links) for bag in model.bags])
    assert not torch.allclose(each[0], each[1])
    mean = torch.sigmoid(model.decode(graph, z, graph.links))
    assert torch.allclose(mean, torch.sigmoid(each).mean(0), atol=1e-6)


def test_each_network_learns_as_if_alone_from_its_own_bag():
    run = make_run(random_graph(), "bagged-gcn", hidden=6, d=4, bags=2)
    model = run.model()
    update = BaggingUpdate(METHODS.make("bagging-pu", negatives="sampler"), run, model)
    assert update.bags[0].shape == update.bags[1].shape == (2, run.graph.m)
    assert not torch.equal(*update.bags)
    alone = GCNModel(run.graph, run.predictor, seeded())
    alone.load_state_dict(model.bags[1].state_dict())
    optimiser = torch.optim.Adam(alone.parameters(), lr=0.01)
    loss_of = torch.nn.BCEWithLogitsLoss()
    pairs = torch.cat([run.graph.links, update.bags[1]], 1)
    labels = (torch.arange(pairs.shape[1]) < run.graph.m).float()
    for epoch in range(3):
        update(epoch)
        loss = loss_of(alone.score(run.graph, pairs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for key, value in alone.state_dict().items():
        assert torch.allclose(model.bags[1].state_dict()[key], value, atol=1e-5)


def test_bagging_refuses_a_single_network_and_batches():
    with pytest.raises(TrainingError, match="take the predictor bagged-gcn"):
        fit(METHODS.make("bagging-pu"), make_run(random_graph()))
    with pytest.raises(ParamsError, match="leave batch_links unset"):
        METHODS.make("bagging-pu", batch_links=3)


@pytest.mark.parametrize(
    ("predictor", "method", "settings"),
    [
        ("vgae", "autoencoder", {}),
        ("vgnae", "autoencoder", {"batch_links": 100}),
        ("gcn", "autoencoder", {"adversarial": True, "kl": 0.5}),
        ("vgae", "autoencoder", {"adversarial": True, "discriminator_steps": 2}),
        ("bagged-gcn", "bagging-pu", {}),
        ("vgae", "pull", {"iterations": 2, "inner_epochs": 60}),
        ("vgnae", "pull", {"iterations": 2, "inner_epochs": 60}),
    ],
)
def test_each_learns_the_blocks_and_repeats_exactly(predictor, method, settings):
    run = make_run(blocks(), predictor)
    if method != "pull":
        settings = {**settings, "epochs": 120, "least_epochs": 60, "validate_every": 5}
    short = {"inner_epochs": 3} if method == "pull" else {"epochs": 6, "least_epochs": 3}
    part = METHODS.make(method, **{**settings, **short})
    made, again = fit(part, run), fit(part, run)
    assert all(torch.equal(made.weights[k], again.weights[k]) for k in made.weights)
    made = fit(METHODS.make(method, **settings), run)
    with torch.no_grad():
        model = run.model(made.weights).eval()
        others = uniform_pairs(blocks(), 400, seeded(3))
        scores = [model.score(run.graph, p).numpy() for p in (run.valid_positives, others)]
    assert auc(*scores) > 0.75
