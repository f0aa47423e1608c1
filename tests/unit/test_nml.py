import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import kl_div, normalize

from neglink import samplers
from neglink.contrast import loss as loss_module
from neglink.contrast.loss import Form, nml_loss, row_blocks, weights_of
from neglink.contrast.metric import MetricNetwork, rrelu
from neglink.errors import ParamsError, TrainingError
from neglink.evaluation.nodes import (
    NodeSplit,
    NodeTasks,
    class_weights,
    clustering,
    linear_probe,
    node_tasks,
    public_split,
    random_split,
)
from neglink.graph import Graph
from neglink.graph.io import feature_matrix
from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.methods.nml.pretrain import PretrainUpdate, metric_network
from neglink.methods.nml.views import Augmentation, with_entries
from neglink.predictors import PREDICTORS
from neglink.predictors.base import normalised_features
from neglink.samplers.base import Context
from neglink.samplers.nml import draw
from tests.conftest import needs_mirror, random_graph, seeded
from tests.unit.test_mebns import make_run


def unit(n, d, seed, dtype=torch.float64):
    rows = torch.randn(n, d, generator=seeded(seed), dtype=dtype)
    return normalize(rows).requires_grad_()


def dense_loss(u, v, metric, form):
    """The formula as it is written, on n × n matrices, one direction after the other."""
    n = u.shape[0]
    own = torch.eye(n, dtype=torch.bool)
    total = 0.0
    for turned in (False, True):
        p = ((v @ u.T if turned else u @ v.T) / form.temperature).exp()
        divergence = torch.zeros(n, dtype=u.dtype)
        if metric is None:
            w = (~own).to(u.dtype) / (n - 1)
        else:
            a, b = metric if not turned else metric[::-1]
            c = a @ b.T
            if not form.self_pair:
                c = c.masked_fill(own, -math.inf)
            w = c.softmax(1)
            open_ = torch.ones_like(own) if form.self_pair else ~own
            uniform = open_.to(u.dtype) / open_.sum(1, keepdim=True)
            logs = w.masked_fill(~open_, 1).log()
            divergence = kl_div(logs, uniform, reduction="none").sum(1)
        each = -torch.log(p.diagonal() / ((n - 1) * (w * p).sum(1) + p.diagonal()))
        total = total + (each + form.alpha * divergence).mean()
    return total / 2


@pytest.mark.parametrize("self_pair", [True, False])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("temperature", [0.05, 0.4, 2.0])
def test_loss_and_gradients_by_blocks_equal_the_dense_form(
    monkeypatch, self_pair, kept, weighted, temperature
):
    n = 23
    monkeypatch.setattr(loss_module, "BLOCK_PAIRS", 5 * n)  # blocks of five rows and one of three
    monkeypatch.setattr(loss_module, "KEPT_PAIRS", n * n if kept else 0)
    u, v, a, b = (unit(n, d, seed) for seed, d in enumerate((7, 7, 4, 4)))
    metric = (a, b) if weighted else None
    form = Form(temperature, 0.1 * (n - 1), self_pair)
    inputs = (u, v, a, b) if weighted else (u, v)
    ours = nml_loss(u, v, metric, form)
    theirs = dense_loss(u, v, metric, form)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    factor = 3.0  # a gradient that comes from above is passed on
    for mine, reference in zip(
        torch.autograd.grad(factor * ours, inputs),
        torch.autograd.grad(factor * theirs, inputs),
        strict=True,
    ):
        assert reference.abs().max() > 1e-3
        torch.testing.assert_close(mine, reference, rtol=0, atol=1e-10)


def test_only_the_gradients_that_are_asked_for_are_made():
    u, v, a, b = (unit(9, 3, seed) for seed in range(4))
    form = Form(0.5, 1.0)
    for metric_only in (True, False):
        parts = (u.detach(), v.detach(), a, b) if metric_only else (u, v, a.detach(), b.detach())
        leaves = [x for x in parts if x.requires_grad]
        got = torch.autograd.grad(nml_loss(parts[0], parts[1], parts[2:], form), leaves)
        want = torch.autograd.grad(dense_loss(parts[0], parts[1], parts[2:], form), leaves)
        for mine, reference in zip(got, want, strict=True):
            torch.testing.assert_close(mine, reference, rtol=0, atol=1e-10)


def test_uniform_weights_are_infonce():
    u, v = unit(12, 5, 1), unit(12, 5, 2)
    s = u @ v.T / 0.5
    targets = torch.arange(12)
    infonce = [torch.nn.functional.cross_entropy(x, targets) for x in (s, s.T)]
    torch.testing.assert_close(nml_loss(u, v, None, Form(0.5)), sum(infonce) / 2)


def test_strong_regularisation_makes_a_metric_uniform():
    """A constant metric without the own pair gives InfoNCE, and no divergence."""
    u, v, same = unit(12, 5, 1), unit(12, 5, 2), torch.ones(12, 1, dtype=torch.float64)
    form = Form(0.5, 7.0, self_pair=False)
    torch.testing.assert_close(nml_loss(u, v, (same, same), form), nml_loss(u, v, None, form))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 30), seed=st.integers(0, 999), t=st.floats(0.05, 5))
def test_the_loss_in_float32_is_that_in_float64_and_blind_to_the_order_of_nodes(n, seed, t):
    u, v, a, b = (unit(n, 6, seed + i).detach() for i in range(4))
    form = Form(t, 0.1 * (n - 1))
    exact = nml_loss(u, v, (a, b), form)
    single = nml_loss(u.float(), v.float(), (a.float(), b.float()), form)
    assert single.item() == pytest.approx(exact.item(), rel=1e-4, abs=1e-4)
    order = torch.randperm(n, generator=seeded(seed))
    moved = nml_loss(u[order], v[order], (a[order], b[order]), form)
    torch.testing.assert_close(moved, exact)
    torch.testing.assert_close(nml_loss(v, u, (b, a), form), exact)  # the views are exchangeable


def test_blocks_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(loss_module, "BLOCK_PAIRS", 40)
    for n in (1, 7, 11, 100):
        rows = torch.cat([torch.arange(n)[part] for part in row_blocks(n)])
        assert rows.tolist() == list(range(n))


def test_a_single_node_has_no_negative():
    with pytest.raises(ValueError, match="two nodes or more"):
        nml_loss(torch.ones(1, 2), torch.ones(1, 2), None, Form(1.0))


@pytest.mark.parametrize("self_pair", [True, False])
def test_some_rows_of_the_weights(self_pair):
    a, b = unit(9, 4, 1).detach(), unit(9, 4, 2).detach()
    c = a @ b.T
    if not self_pair:
        c.fill_diagonal_(-math.inf)
    torch.testing.assert_close(weights_of(a, b, slice(2, 6), self_pair), c.softmax(1)[2:6])


def test_slopes_are_random_in_training_and_their_mean_elsewhere():
    x = torch.linspace(-2, 2, 2001).repeat(20)
    torch.testing.assert_close(rrelu(x, False), torch.nn.functional.rrelu(x, training=False))
    torch.manual_seed(0)
    y = rrelu(x, True)
    slopes = (y / x)[x < 0]
    assert torch.equal(y[x >= 0], x[x >= 0])
    assert 0.125 <= slopes.min() < 0.126
    assert 0.332 < slopes.max() <= 1 / 3 + 1e-6
    assert slopes.mean().item() == pytest.approx(11 / 48, abs=1e-3)


@pytest.mark.parametrize("decoder", ["dot", "cosine"])
def test_the_encoder_equals_pyg(graph, decoder):
    from torch_geometric.nn import GCNConv

    settings = PREDICTORS.make("gcn-rrelu", hidden=8, d=5, decoder=decoder, scale=3.0)
    model = settings.build(graph, seeded()).eval()
    torch.nn.init.normal_(model.b1, generator=seeded(1))
    torch.nn.init.normal_(model.b2, generator=seeded(2))
    first, second = GCNConv(graph.f, 8), GCNConv(8, 5)
    with torch.no_grad():
        for layer, i in ((first, "1"), (second, "2")):
            layer.lin.weight.copy_(getattr(model, f"w{i}").T)
            layer.bias.copy_(getattr(model, f"b{i}"))
    x, arcs = normalised_features(graph).csr.to_dense(), graph.arcs.flip(0)
    z = second(torch.nn.functional.rrelu(first(x, arcs), training=False), arcs)
    torch.testing.assert_close(model.encode(graph), z, rtol=1e-5, atol=1e-6)
    u, v = z[graph.links[0]], z[graph.links[1]]
    by_hand = (u * v).sum(1)
    if decoder == "cosine":
        by_hand = 3 * torch.cosine_similarity(u, v)
    torch.testing.assert_close(model.score(graph, graph.links), by_hand, rtol=1e-4, atol=1e-5)


def dense_features(features):
    return features if isinstance(features, torch.Tensor) else features.csr.to_dense()


@pytest.mark.parametrize("mask", ["columns", "entries"])
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_a_view_lacks_links_and_features_and_nothing_else(mask, dense, normalise):
    graph = random_graph(n=200, m=600, f=120)
    if dense:
        graph = Graph(graph.n, graph.links, graph.features.csr.to_dense())
    augmentation = Augmentation(0.4, 0.3, mask, normalise)
    view = augmentation.view(graph, seeded(3))
    anew = graph.with_links(view.links)
    assert torch.equal(view.arcs, anew.arcs)
    assert graph.has_links(view.links).all()
    assert view.m / graph.m == pytest.approx(0.6, abs=0.08)
    before = dense_features(normalised_features(graph) if normalise else graph.features)
    after = dense_features(view.features)
    assert torch.equal(dense_features(normalised_features(view)), after)  # not scaled again
    kept = after != 0
    assert torch.equal(after, before * kept)
    share = kept.sum() / (before != 0).sum()
    assert share.item() == pytest.approx(0.7, abs=0.1)
    whole_columns = all(
        torch.equal(after[:, c], before[:, c]) or not kept[:, c].any() for c in range(graph.f)
    )
    assert whole_columns == (mask == "columns")
    again = augmentation.view(graph, seeded(3))
    assert torch.equal(again.links, view.links)
    if not dense:
        x = torch.randn(graph.n, 3, generator=seeded())
        moved = view.features.transposed.to_dense()
        torch.testing.assert_close(moved @ x, after.T @ x)  # the gradient's matrix is masked too


def test_without_augmentation_a_view_is_the_graph(graph):
    view = Augmentation(0.0, 0.0).view(graph, seeded())
    assert torch.equal(view.links, graph.links)
    assert view.features is graph.features
    bare = Graph(graph.n, graph.links)
    assert Augmentation(0.0, 0.5).view(bare, seeded()).features is None


def test_entries_are_multiplied_in_both_orders(graph):
    factors = torch.arange(graph.features.csr.values().numel()) + 1.0
    made = with_entries(graph.features, factors)
    assert torch.equal(made.csr.to_dense().T, made.transposed.to_dense())
    assert torch.equal(made.csr.values(), graph.features.csr.values() * factors)


def classes_graph(n=60, classes=3, seed=0):
    """Classes that features and links both tell of."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    same = labels[:, None] == labels
    table = np.triu(rng.random((n, n)) < np.where(same, 0.3, 0.02), 1)
    features = np.zeros((n, 40), dtype=np.float32)
    for node, label in enumerate(labels):
        own = rng.random(40) < np.where(np.arange(40) % classes == label, 0.5, 0.05)
        features[node] = own
    links = torch.from_numpy(np.stack(table.nonzero()))
    return Graph(n, links, feature_matrix(features), torch.from_numpy(labels.astype(np.int64)))


SMALL = {"metric_width": 16, "validate_every": 5, "pretrain_learning_rate": 5e-3, "select": "auc"}


def nml_run(seed=0, predictor="gcn-rrelu", **settings):
    sizes = {"hidden": 16, "d": 16} | settings if predictor == "gcn-rrelu" else settings
    return make_run(classes_graph(), predictor, seed=seed, **sizes)


def test_pre_training_without_any_label_or_negative_finds_links_and_classes():
    run = nml_run()
    made = fit(METHODS.make("nml", epochs=60, metric_steps=3, **SMALL), run)
    losses = made.history["loss"]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert made.history["kept_epoch"] == 60  # the last, as the source has it
    assert made.history["valid"]["auc"][-1] > 0.7
    z = run.model(made.weights).eval().encode(run.graph).detach().double().numpy()
    judged = node_tasks(z, run.graph.labels.numpy(), NodeTasks(train=0.2, repeats=2), 0)
    assert judged["probe"]["accuracy"]["mean"] > 0.8
    assert judged["clusters"]["nmi"]["mean"] > 0.5


def learned_weights(**settings):
    run = nml_run()
    recipe = METHODS.make("nml", epochs=40, metric_steps=8, regularisation=0.0, **settings, **SMALL)
    made = fit(recipe, run)
    z = run.model(made.weights).eval().encode(run.graph).detach()
    rows = metric_network(made)(z).numpy()
    signed = -rows if recipe.weights == "distance" else rows
    return class_weights(signed, rows, run.graph.labels.numpy())


def test_a_learned_distance_weighs_false_negatives_less():
    found = learned_weights(weights="distance")
    assert found["ratio"] < 0.8
    assert found["same_class"] < 1 < found["other_class"]


def test_a_learned_similarity_cannot_weigh_false_negatives_less():
    """M is one network: what is alike stays alike, so the best that is left is to be even."""
    assert learned_weights(weights="similarity")["ratio"] > 0.99


def test_training_repeats_itself_and_follows_its_seed():
    recipe = METHODS.make("nml", epochs=3, **SMALL)
    one, again, other = (fit(recipe, nml_run(seed=s)) for s in (1, 1, 2))
    assert all(torch.equal(one.weights[name], again.weights[name]) for name in one.weights)
    assert all(torch.equal(one.extras[name], again.extras[name]) for name in one.extras)
    assert not torch.equal(one.weights["w1"], other.weights["w1"])


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "cosine"},
        {"metric": "cosine", "weights": "distance"},
        {"weights": "distance", "alpha": "plain", "metric_input": "unit"},
        {"metric": "uniform"},
        {"self_pair": False},
        {"through_weights": False},
        {"mask": "entries"},
        {"metric_steps": 0},
    ],
    ids=str,
)
def test_every_variant_trains(changes):
    recipe = METHODS.make("nml", **({"epochs": 2} | SMALL | changes))
    run = nml_run()
    made = fit(recipe, run)
    assert not torch.equal(made.weights["w1"], run.model().state_dict()["w1"])
    assert bool(made.extras) == (recipe.metric == "network")


@pytest.mark.parametrize("predictor", ["gcn", "gae", "mlp"])
def test_other_encoders_can_be_pre_trained(predictor):
    made = fit(METHODS.make("nml", epochs=2, **SMALL), nml_run(predictor=predictor))
    assert all(torch.isfinite(value).all() for value in made.weights.values())


def test_an_epoch_is_the_stated_steps_on_the_stated_parts():
    """M moves in its own steps alone, the encoder in one step that leaves M as it is."""
    run = nml_run()
    recipe = METHODS.make("nml", metric_steps=3, **SMALL)
    model = run.model().train()
    update = PretrainUpdate(recipe, run, model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = []
    update._begin_metric(16)
    network = update.network
    original = update.metric_optimiser.step

    def watch(*arguments, **named):
        seen.append(all(torch.equal(before[k], v) for k, v in model.state_dict().items()))
        return original(*arguments, **named)

    update.metric_optimiser.step = watch
    update(0)
    assert seen == [True] * 3
    assert not torch.equal(before["w1"], model.w1)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    update.settings = replace(recipe, metric_steps=0)
    update(1)
    assert all(torch.equal(kept[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("through", [True, False])
def test_the_encoders_gradient_passes_through_the_weights_or_not(through):
    run = nml_run()
    recipe = METHODS.make("nml", through_weights=through, **SMALL)
    update = PretrainUpdate(recipe, run, run.model())
    update.network = MetricNetwork(16, 16, seeded()).eval().requires_grad_(False)
    u, v = (torch.randn(run.graph.n, 16, generator=seeded(i)).requires_grad_() for i in (1, 2))
    a, b = update._metric(u, v)
    assert a.requires_grad == b.requires_grad == through
    torch.testing.assert_close(a, update.network(u))


def test_fine_tuning_goes_on_from_the_pre_trained_weights():
    recipe = METHODS.make("nml", epochs=10, fine_tune_epochs=20, **SMALL)
    assert [step.name for step in recipe.steps()] == ["train", "tune"]
    run = nml_run()
    first = recipe.fit_step("train", run, {})
    tuned = recipe.fit_step("tune", run, {"train": first})
    assert tuned.history["first_epoch"] == 11
    assert 10 < tuned.history["kept_epoch"] <= 30
    assert tuned.history["loss"][-1] < tuned.history["loss"][0]
    assert metric_network(first) is not None
    assert metric_network(tuned) is None  # M knows another encoder
    alone = METHODS.make("nml", epochs=10, **SMALL)
    assert [step.settings for step in alone.steps()] == [recipe.steps()[0].settings]


@pytest.mark.parametrize(("alpha", "expected"), [("scaled", 0.2 * 59), ("plain", 0.2)])
def test_alpha_grows_with_the_nodes_or_not(alpha, expected):
    run = nml_run()
    recipe = METHODS.make("nml", alpha=alpha, regularisation=0.2, **SMALL)
    assert PretrainUpdate(recipe, run, run.model()).form.alpha == pytest.approx(expected)


def test_every_setting_belongs_to_a_step():
    from neglink.registry import settings_of

    recipe = METHODS.make("nml", fine_tune_epochs=1)
    used = {name for step in recipe.steps() for name in step.settings}
    assert used == set(settings_of(recipe))


def test_a_predictor_without_embeddings_is_refused():
    run = make_run(classes_graph(), "seal")
    with pytest.raises(TrainingError, match="this predictor has none"):
        METHODS.make("nml", epochs=1).fit_step("train", run, {})


def test_draws_follow_the_weights(monkeypatch, graph):
    monkeypatch.setattr(loss_module, "BLOCK_PAIRS", 7 * graph.n)  # blocks of seven centres
    rows = normalize(torch.randn(graph.n, 3, generator=seeded(1)))
    count = 4000
    centres = torch.arange(graph.n).repeat(count)[
        torch.randperm(graph.n * count, generator=seeded())
    ]
    tails = draw(graph, rows, centres, seeded(2))
    drawn = torch.zeros(graph.n, graph.n).index_put_(
        (centres, tails), torch.ones(tails.numel()), accumulate=True
    )
    law = weights_of(-rows, rows, slice(0, graph.n)).clone()
    law[graph.arcs[0], graph.arcs[1]] = 0
    law.fill_diagonal_(0)
    law /= law.sum(1, keepdim=True)
    assert (drawn[law == 0] == 0).all()
    expected = law * count
    deviation = (drawn - expected) / expected.clamp(min=1e-9).sqrt()
    assert deviation[law > 0].abs().max() < 5.5
    assert deviation[law > 0].square().mean().item() == pytest.approx(1, abs=0.15)


def test_the_samplers_network_learns_in_its_epochs_and_avoids_what_is_alike():
    graph = classes_graph()
    labels = graph.labels
    z = torch.nn.functional.one_hot(labels, 3).float() + 0.1 * torch.randn(
        graph.n, 3, generator=seeded(5)
    )
    sampler = samplers.make("nml", steps=100, refresh=2, learning_rate=0.01, regularisation=0.0)
    generator = seeded(1)
    positives = graph.arcs.repeat(1, 20)

    def same_class(epoch, embeddings):
        pairs = sampler.sample(
            Context(graph, embeddings=embeddings, epoch=epoch), positives, generator
        )
        return (labels[pairs[0]] == labels[pairs[1]]).float().mean().item()

    uniform = samplers.make("uniform").sample(Context(graph), positives, seeded())
    chance = (labels[uniform[0]] == labels[uniform[1]]).float().mean().item()
    assert same_class(0, z) < 0.6 * chance
    from neglink.samplers.nml import _KNOWN

    def network():
        known = _KNOWN.recall(generator, (sampler, z.shape[1]), graph)
        return known.value.network

    first = network()
    weights = first.w1.clone()
    same_class(0, z)  # the same embeddings: nothing new to learn
    same_class(1, z.clone())  # an epoch between
    assert torch.equal(network().w1, weights)
    same_class(2, z.clone())
    assert network() is first
    assert not torch.equal(first.w1, weights)
    same_class(0, z.clone())
    assert network() is not first  # back in time: another run


def test_the_sampler_leaves_torchs_own_generator_alone(graph):
    state = torch.get_rng_state()
    z = torch.randn(graph.n, 4, generator=seeded())
    samplers.make("nml").sample(Context(graph, embeddings=z), graph.arcs, seeded())
    assert torch.equal(torch.get_rng_state(), state)


def planetoid_like(classes=3, n=1700):
    labels = np.random.default_rng(0).integers(0, classes, n)
    labels[: 20 * classes] = np.repeat(np.arange(classes), 20)
    labels[-5] = -1  # a gap, as in CiteSeer
    return labels


def test_the_public_split_follows_from_the_order_of_the_nodes():
    labels = planetoid_like()
    split = public_split(labels)
    assert split.train.tolist() == list(range(60))
    assert split.valid.tolist() == list(range(60, 560))
    assert split.test.tolist() == [i for i in range(699, 1700) if i != 1695]
    with pytest.raises(ParamsError, match="use split: random"):
        public_split(np.random.default_rng(1).permutation(labels))
    with pytest.raises(ParamsError, match="use split: random"):
        public_split(labels[:900])


@pytest.mark.real
@needs_mirror
@pytest.mark.parametrize("name", ["cora", "citeseer", "pubmed"])
def test_the_public_split_is_that_of_the_published_files(name, tmp_path):
    from neglink.datasets import entry, mirror_folder, obtain
    from neglink.datasets.build import read

    files = obtain(entry(name), tmp_path, mirror_folder())
    graph, _ = read(entry(name), files)
    split = public_split(graph.labels.numpy())
    assert split.test.tolist() == sorted(np.loadtxt(files["test.index"], dtype=int).tolist())


def test_a_random_split_has_every_known_node_once():
    labels = planetoid_like()
    split = random_split(labels, 0.1, 0.1, np.random.default_rng(0))
    union = np.sort(np.concatenate([split.train, split.valid, split.test]))
    assert union.tolist() == np.flatnonzero(labels >= 0).tolist()
    assert [split.train.size, split.valid.size] == [170, 170]
    with pytest.raises(ParamsError, match="too few"):
        random_split(labels[:4], 0.1, 0.1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="leaves no node"):
        NodeTasks(train=0.6, valid=0.4)


def test_the_probe_chooses_its_penalty_on_validation_nodes_alone():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    z = np.eye(3)[labels] + rng.normal(0, 0.6, (240, 3))
    split = NodeSplit(np.arange(60), np.arange(60, 120), np.arange(120, 240))
    found = linear_probe(100 * z, labels, split)
    scaled = z / np.linalg.norm(z, axis=1).mean()
    alone = LogisticRegression(C=found["c"], max_iter=2000).fit(scaled[:60], labels[:60])
    assert found["accuracy"] == pytest.approx(alone.score(scaled[120:], labels[120:]), abs=0.02)
    turned = labels.copy()
    turned[split.test] = (labels[split.test] + 1) % 3
    other = linear_probe(100 * z, turned, split)
    assert (other["c"], other["valid_accuracy"]) == (found["c"], found["valid_accuracy"])
    assert other["accuracy"] < found["accuracy"]


def test_clusters_by_direction_and_without_nodes_of_unknown_class():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    z = np.eye(3)[labels] * rng.uniform(0.1, 50, (90, 1)) + rng.normal(0, 1e-3, (90, 3))
    assert clustering(z, labels, 0) == pytest.approx({"nmi": 1, "ari": 1, "fmi": 1})
    labels[:9] = -1
    z[:9] = rng.normal(0, 9, (9, 3))
    assert clustering(z, labels, 0)["ari"] == pytest.approx(1)


@pytest.mark.parametrize("self_pair", [True, False])
def test_weights_by_class_equal_the_dense_table(monkeypatch, self_pair):
    from neglink.evaluation import nodes

    monkeypatch.setattr(nodes, "BLOCK_PAIRS", 6 * 20)
    rows = unit(20, 4, 3).detach()
    labels = np.arange(20) % 3
    labels[4] = -1
    w = weights_of(rows, rows, slice(0, 20), self_pair).numpy()
    same = (labels[:, None] == labels) & ~np.eye(20, dtype=bool)
    known = (labels[:, None] >= 0) & (labels >= 0)
    found = class_weights(rows.numpy(), rows.numpy(), labels, self_pair)
    size = 20 if self_pair else 19
    assert found["same_class"] == pytest.approx(size * w[same & known].mean())
    other = ~same & known & ~np.eye(20, dtype=bool)
    assert found["other_class"] == pytest.approx(size * w[other].mean())
    assert found["ratio"] == pytest.approx(found["same_class"] / found["other_class"])
    with pytest.raises(ValueError, match="two classes"):
        class_weights(rows.numpy(), rows.numpy(), np.zeros(20, dtype=np.int64))


def test_the_step_judges_a_stored_encoder(tmp_path):
    from neglink.files import write_json
    from neglink.graph import save_graph
    from neglink.params import with_kind
    from neglink.splits import LinkSplit, Ranked
    from neglink.steps.common import save_checkpoint
    from neglink.steps.nodes import evaluate_nodes

    whole = classes_graph()
    run = nml_run()
    recipe = METHODS.make("nml", epochs=3, **SMALL)
    made = fit(recipe, run)
    save_graph(tmp_path / "graph.npz", whole)
    ranked = Ranked(run.valid_positives, run.valid_negatives, shared=True)
    held = run.valid_positives
    sides = LinkSplit(
        whole.n, run.graph.links, held, held[:, :1], {"valid": ranked, "test": ranked}
    )
    sides.save(tmp_path / "split.npz")
    save_checkpoint(tmp_path / "made.safetensors", made)
    write_json(tmp_path / "made.json", {"history": made.history})
    settings = {
        "run": {"seed": 0},
        "predictor": with_kind("gcn-rrelu", run.predictor),
        "method": with_kind("nml", recipe),
        "nodes": {"train": 0.3, "repeats": 2, "links": "whole"},
    }
    paths = tmp_path / "graph.npz", tmp_path / "split.npz", tmp_path / "made.safetensors"
    result = evaluate_nodes(*paths, settings)
    write_json(tmp_path / "result.json", result)  # finite numbers, plain types
    assert result["weights"]["same_class"] > 0
    z = run.model(made.weights).eval().encode(whole).detach().double().numpy()
    tasks = NodeTasks(train=0.3, repeats=2)
    assert result["probe"] == node_tasks(z, whole.labels.numpy(), tasks, 0)["probe"]
    with pytest.raises(ParamsError, match=r"nodes\.repeats = 0: "):
        evaluate_nodes(*paths, settings | {"nodes": {"repeats": 0}})
    save_graph(tmp_path / "graph.npz", replace(whole, labels=None))
    with pytest.raises(TrainingError, match="no classes"):
        evaluate_nodes(*paths, settings)
