import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits

from neglink import samplers
from neglink.errors import ParamsError, TrainingError
from neglink.graph import Graph
from neglink.graph.sparse import SparseMatrix
from neglink.methods import METHODS
from neglink.methods.base import Checkpoint, MetaData, Run, fit
from neglink.methods.loop import logits_of, training_batches, without_links
from neglink.methods.mebns import metadata
from neglink.methods.mebns.meta_learner import MetaLearner
from neglink.methods.mebns.metadata import (
    gaussian_rate,
    require_both_classes,
    score_variance,
    sure_pairs,
)
from neglink.methods.mebns.student import meta_gradient, top_share
from neglink.predictors import PREDICTORS
from tests.conftest import random_graph, seeded


def losses_of(logits, links):
    """Cross entropy of each pair, the first `links` of them positive."""
    labels = (torch.arange(logits.numel()) < links).to(logits.dtype)
    return binary_cross_entropy_with_logits(logits, labels, reduction="none")


def make_run(graph: Graph, predictor="gcn", sampler="uniform", seed=0, **settings) -> Run:
    held_out = graph.links[:, ::5]
    train = graph.with_links(graph.links[:, torch.arange(graph.m) % 5 != 0])
    pairs = graph.arcs[:, : max(40, held_out.shape[1])]
    negatives = samplers.make("uniform").sample(samplers.Context(graph), pairs, seeded(seed + 50))
    part = PREDICTORS.make(predictor, **settings)
    return Run(train, held_out, negatives, part, samplers.make(sampler), seed)


def double(graph: Graph) -> Graph:
    """The same graph in float64."""
    copy = Graph(graph.n, graph.links, graph.features.to(torch.float64))
    copy.__dict__["adjacency"] = SparseMatrix.symmetric(graph.adjacency.scipy(), torch.float64)
    return copy


@pytest.mark.parametrize("predictor", ["gcn", "gat", "mlp"])
@pytest.mark.parametrize("dense", [False, True])
def test_the_meta_gradient_equals_double_backward(predictor, dense):
    graph = double(random_graph())
    if dense:
        copy = Graph(graph.n, graph.links, graph.features.csr.to_dense())
        copy.__dict__["adjacency"] = graph.adjacency
        graph = copy
    model = PREDICTORS.make(predictor, hidden=6, d=4, normalise=False).build(graph, seeded())
    model = model.double()
    pairs = torch.randint(graph.n, (2, 30), generator=seeded(1))
    meta_pairs = torch.randint(graph.n, (2, 20), generator=seeded(2))
    meta_labels = (torch.arange(20) < 10).double()
    weights = torch.rand(30, dtype=torch.float64, generator=seeded(3))
    rate = 0.7

    def meta_loss(m):
        return binary_cross_entropy_with_logits(m.score(graph, meta_pairs), meta_labels)

    def sample_losses(m):
        return losses_of(m.score(graph, pairs), 12)

    ours = meta_gradient(model, sample_losses(model), weights, meta_loss, sample_losses, rate)

    # the reference: autograd's second-order graph through plain gathers
    def plain_logits(parameters, chosen):
        z = functional_call(_Encode(model, graph), {f"m.{k}": v for k, v in parameters.items()})
        return (z[chosen[0]] * z[chosen[1]]).sum(-1)

    theta = dict(model.named_parameters())
    leaf = weights.clone().requires_grad_()
    loss = (leaf * losses_of(plain_logits(theta, pairs), 12)).mean()
    gradient = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    virtual = {k: v - rate * g for (k, v), g in zip(theta.items(), gradient, strict=True)}
    after = binary_cross_entropy_with_logits(plain_logits(virtual, meta_pairs), meta_labels)
    (expected,) = torch.autograd.grad(after, leaf)
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-14)


class _Encode(torch.nn.Module):
    def __init__(self, model, graph):
        super().__init__()
        self.m, self.graph = model, graph

    def forward(self):
        return self.m.encode(self.graph)


def test_hard_samples_are_the_floor_of_the_share_by_teacher_score():
    scores = torch.tensor([0.1, 0.9, 0.3, 0.8, 0.2])
    assert top_share(scores, 0.5).tolist() == [1, 3]
    assert top_share(scores, 0.1).tolist() == [1]
    assert top_share(scores, 1.0).tolist() == [0, 1, 2, 3, 4]


def test_sure_pairs_under_both_thresholds():
    variance = torch.tensor([1e-7, 1e-3, 1e-8, 1e-6, 1e-2])
    absolute = METHODS.make("mebns", threshold="absolute", tau=1e-5)
    assert sure_pairs(absolute, variance, seeded()).tolist() == [0, 2, 3]
    quantile = METHODS.make("mebns", tau_quantile=0.4)
    assert sure_pairs(quantile, variance, seeded()).tolist() == [0, 2]


def test_meta_data_of_one_class_is_refused_with_the_key_to_change():
    variance = torch.tensor([0.1, 0.2])
    absolute = METHODS.make("mebns", threshold="absolute", tau=1e-9)
    with pytest.raises(TrainingError, match=r"0 of 2 pairs lie below tau=1e-09.*threshold"):
        require_both_classes(absolute, variance, torch.tensor([]))
    quantile = METHODS.make("mebns", tau_quantile=0.5)
    with pytest.raises(TrainingError, match=r"1 of 2 pairs .* tau_quantile=0\.5, not of both"):
        require_both_classes(quantile, variance, torch.tensor([1.0]))


@pytest.mark.parametrize("surest", [1, 60])
def test_random_meta_data_is_checked_as_it_is_chosen(graph, monkeypatch, surest):
    """A single pair is of one class; the 60 surest are too, all links, but not 60 at random."""
    run = make_run(graph)
    variance = torch.arange(2 * run.graph.m, dtype=torch.float64)  # links come first
    monkeypatch.setattr(metadata, "score_variance", lambda *given: variance)
    settings = {"threshold": "absolute", "tau": surest, "meta_data": "random"}
    recipe = METHODS.make("mebns", **settings)
    teacher = Checkpoint(run.model().state_dict())
    if surest == 1:
        with pytest.raises(TrainingError, match="as many were chosen at random, not of both"):
            metadata.collect_metadata(recipe, run, teacher)
        return
    assert run.graph.m > surest
    chosen = metadata.collect_metadata(recipe, run, teacher)
    assert chosen.labels.numel() == surest
    assert 0 < int(chosen.labels.sum()) < surest


def test_variance_equals_that_of_the_single_passes(graph):
    settings = METHODS.make("mebns", passes=6, drop="fixed", drop_rate=0.4)
    model = PREDICTORS.make("gcn", hidden=6, d=4).build(graph, seeded()).requires_grad_(False)
    found = score_variance(model, graph, graph.links, settings, seeded(7))
    generator, passes = seeded(7), []
    for _ in range(6):
        kept = torch.rand(graph.m, generator=generator) >= 0.4
        passes.append(model.score(graph.with_links(graph.links[:, kept]), graph.links).sigmoid())
    expected = torch.stack(passes).double().var(0, correction=0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_variance_of_subgraph_scores_is_found_in_parts(graph, monkeypatch):
    """All pairs at once would hold the subgraphs of all of them: 8 GB on PubMed."""
    model = PREDICTORS.make("seal").build(graph, seeded()).requires_grad_(False).eval()
    sizes, logits = [], model.logits
    monkeypatch.setattr(model, "logits", lambda g, p: sizes.append(p.shape[1]) or logits(g, p))
    monkeypatch.setattr(type(model), "chunk", 5)
    settings = METHODS.make("mebns", passes=2, drop="fixed", drop_rate=0.4)
    score_variance(model, graph, graph.links, settings, seeded())
    assert max(sizes) == 5
    assert sum(sizes) == 2 * graph.m


def test_gaussian_drop_rates_are_half_normal_below_one():
    generator = seeded()
    rates = torch.tensor([gaussian_rate(generator) for _ in range(4000)])
    assert ((rates >= 0) & (rates < 1)).all()
    assert abs(rates.mean() - 0.4598) < 0.02  # E|ρ| given |ρ| < 1


def test_meta_weights_lie_between_zero_and_one():
    weights = MetaLearner(1, 100, seeded())(torch.linspace(0, 20, 50)[:, None])
    assert ((weights > 0) & (weights < 1)).all()


def test_variants_choose_their_steps():
    names = [step.name for step in METHODS.make("mebns").steps()]
    assert names == ["teacher", "metadata", "student"]
    names = [step.name for step in METHODS.make("mebns", meta_learner=False).steps()]
    assert names == ["teacher", "student"]


def test_every_setting_belongs_to_a_step():
    recipe = METHODS.make("mebns")
    used = {name for step in recipe.steps() for name in step.settings}
    from neglink.registry import settings_of

    assert used == set(settings_of(recipe))


FAST = {"teacher_epochs": 4, "student_epochs": 4, "validate_every": 2}
VARIANTS = {
    "mebns": {},
    "all samples ranked": {"scope": "all", "beta": 0.7},
    "M": {"meta_learner": False},
    "O": {"teacher_filter": False},
    "random meta data": {"meta_data": "random"},
    "embeddings as input": {"meta_input": "embeddings"},
    "fixed drop rate": {"drop": "fixed"},
    "every other epoch": {"meta_every": 2},
    "batches of links": {"batch_links": 60},
    "masked batches": {"batch_links": 60, "mask_links": True, "meta_batch": 32},
    "several negatives": {"negatives_per_link": 3},
    "virtual step of 1": {"virtual_rate": 1.0},
    "soft labels": {"soft_labels": 0.3},
    "falling share": {"beta": 0.3, "beta_epochs": 3},
}


@pytest.mark.parametrize(
    ("variant", "predictor"), [*((v, "gcn") for v in VARIANTS), ("mebns", "gat"), ("mebns", "mlp")]
)
def test_every_variant_trains_and_repeats_itself(variant, predictor):
    graph = random_graph(n=80, m=300)
    recipe = METHODS.make("mebns", **FAST, **VARIANTS[variant], tau_quantile=0.5)
    first = fit(recipe, make_run(graph, predictor))
    again = fit(recipe, make_run(graph, predictor))
    assert all(torch.equal(first.weights[k], again.weights[k]) for k in first.weights)
    assert all(torch.isfinite(v).all() for v in first.weights.values())
    if variant != "M":
        assert first.extras["weight"].shape == first.extras["loss"].shape


def test_pairs_of_equal_variance_become_meta_data_at_random():
    variance, labels = torch.zeros(1000), (torch.arange(1000) < 500).float()
    recipe = METHODS.make("mebns", tau_quantile=0.3)
    chosen = sure_pairs(recipe, variance, seeded())
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert chosen.numel() == 300
    assert 100 < int(labels[chosen].sum()) < 200
    assert not torch.equal(chosen, sure_pairs(recipe, variance, seeded(1)))


def drawn(run, **settings):
    model = run.model()
    recipe = METHODS.make("plain", **settings)
    return list(training_batches(run, model, recipe, seeded(3), epoch=0))


def test_batches_hold_every_link_once_and_its_negatives():
    run = make_run(random_graph(n=80, m=300))
    batches = drawn(run, batch_links=50, negatives_per_link=3)
    assert len(batches) == -(-run.graph.m // 50)
    links = torch.cat([batch.links for batch in batches])
    assert sorted(links.tolist()) == list(range(run.graph.m))
    for batch in batches:
        ends = batch.positives.sort(0).values
        assert torch.equal(ends, run.graph.links[:, batch.links])
        assert (batch.positives[0].diff() >= 0).all()
        assert (batch.negatives[0].diff() >= 0).all()
        assert batch.graph is run.graph
    centres = torch.cat([batch.negatives[0] for batch in batches])
    positives = torch.cat([batch.positives[0] for batch in batches])
    assert torch.equal(centres.bincount(), 3 * positives.bincount())


def test_one_batch_of_all_links_is_full_batch_training():
    run = make_run(random_graph(n=80, m=300))
    (full,), (one,) = drawn(run), drawn(run, batch_links=run.graph.m)
    assert torch.equal(full.positives, one.positives)
    assert torch.equal(full.negatives, one.negatives)
    assert torch.equal(full.z, one.z)


def test_a_masked_batch_is_scored_without_its_own_links():
    run = make_run(random_graph(n=80, m=300))
    for batch in drawn(run, batch_links=60, mask_links=True):
        assert batch.graph.m == run.graph.m - batch.links.numel()
        assert not batch.graph.has_links(batch.positives).any()
        assert torch.equal(batch.z, run.model().encode(batch.graph))
    with pytest.raises(ParamsError, match="mask_links needs batch_links"):
        METHODS.make("plain", mask_links=True)


@pytest.mark.parametrize("batches", [{}, {"batch_links": 60}])
def test_dropout_repeats_under_the_noise_of_a_batch(batches):
    # the meta gradient differentiates the losses a second time: it needs the same masks
    run = make_run(random_graph(n=80, m=300), "gae", dropout=0.5)
    model = run.model()
    recipe = METHODS.make("plain", **batches)
    for batch in training_batches(run, model, recipe, seeded(), epoch=0):
        first = logits_of(model, batch.graph, batch.z, batch)
        torch.manual_seed(batch.noise)
        again = logits_of(model, batch.graph, model.encode(batch.graph), batch)
        assert torch.equal(first, again)
        assert not torch.equal(
            first, logits_of(model, batch.graph, model.encode(batch.graph), batch)
        )


def test_a_thinned_graph_is_the_graph_built_anew(graph):
    chosen = torch.arange(0, graph.m, 3)
    thin = without_links(graph, chosen)
    kept = torch.ones(graph.m, dtype=torch.bool)
    kept[chosen] = False
    anew = Graph(graph.n, graph.links[:, kept], graph.features)
    assert torch.equal(thin.arcs, anew.arcs)
    assert torch.equal(thin.arc_links, anew.arc_links)
    assert torch.equal(thin.adjacency.csr.to_dense(), anew.adjacency.csr.to_dense())


def test_snapshots_number_epochs_from_the_teachers_first():
    recipe = METHODS.make("mebns", **FAST, snapshots=(2, 4, 6, 8), tau_quantile=0.5)
    made = fit(recipe, make_run(random_graph(n=80, m=300)))
    assert sorted(made.snapshots) == [2, 4, 6, 8]
    assert made.history["first_epoch"] == 5
    assert made.history["teacher_epochs"] == 4


def test_training_lowers_the_loss_and_reports_a_loss_that_is_not_finite():
    graph = random_graph(n=80, m=300)
    made = fit(METHODS.make("plain", epochs=60), make_run(graph))
    assert sum(made.history["loss"][-5:]) < sum(made.history["loss"][:5])
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(METHODS.make("plain", epochs=60, learning_rate=1e30), make_run(graph))


def test_too_few_validation_negatives_for_the_selecting_metric_are_refused_at_once():
    run = make_run(random_graph(n=30, m=40))
    with pytest.raises(TrainingError, match=r"select = 'hits@100' needs 100 .* set select: auc"):
        fit(METHODS.make("plain", select="hits@100"), run)
    assert fit(METHODS.make("plain", select="auc", epochs=2), run).history["kept_epoch"] == 2


def test_the_meta_learner_of_one_number_equals_the_network_it_stands_for():
    learner = MetaLearner(1, 30, seeded()).double()
    for bias in (learner.b1, learner.b2):
        torch.nn.init.normal_(bias, generator=seeded(1))
    x = 5 * torch.rand(400, 1, dtype=torch.float64, generator=seeded(2))
    towards = torch.randn(400, dtype=torch.float64, generator=seeded(3))
    hidden = torch.relu(x @ learner.w1 + learner.b1)
    plain = torch.sigmoid(hidden @ learner.w2 + learner.b2).squeeze(-1)
    torch.testing.assert_close(learner(x), plain)
    ours = torch.autograd.grad(learner(x) @ towards, list(learner.parameters()))
    theirs = torch.autograd.grad(plain @ towards, list(learner.parameters()))
    torch.testing.assert_close(ours, theirs)


def test_leaving_out_the_easiest_keeps_the_hardest():
    recipe = METHODS.make("plain", drop_easiest=0.5, drop_after=0)
    run = make_run(random_graph(n=80, m=300))
    update = recipe.updates(run, run.model())
    kept = update._hardest(torch.tensor([0.9, 0.1, 0.4, 0.2, 0.3]), links=1, epoch=0)
    assert sorted(kept.tolist()) == pytest.approx([0.3, 0.4, 0.9])


def test_meta_data_round_trip():
    pairs, labels = torch.tensor([[0, 1], [2, 3]]), torch.tensor([1.0, 0.0])
    assert MetaData(pairs, labels).summary == {}
