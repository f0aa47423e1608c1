"""FGAT and fuzzy negative sampling, against their definitions written out densely."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from neglink import samplers
from neglink.errors import ParamsError, TrainingError
from neglink.graph import Graph, clean_links, distances
from neglink.graph.distances import Points, nearest
from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.methods.plain_global import GlobalChoice, random_non_edges
from neglink.predictors import PREDICTORS
from neglink.predictors.base import normalised_features
from neglink.samplers import fns
from neglink.samplers.base import Context
from neglink.samplers.fns import best_of_centres
from tests.conftest import random_graph, seeded
from tests.unit.derivatives import assert_derivatives_agree
from tests.unit.test_mebns import make_run

KERNELS = ("gaussian", "exponential", "rational-quadratic")


# --- the predictor ---------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["output", "input"])
@pytest.mark.parametrize("linear", ["after", "beside"])
def test_fgat_follows_its_formula_on_the_attention_of_pyg(graph, linear, norm):
    from torch_geometric.nn import GATConv

    model = PREDICTORS.make("fgat", hidden=6, heads=3, layers=2, linear=linear, norm=norm)
    model = model.build(graph, seeded()).eval()
    for name, value in model.named_parameters():
        if value.dim() == 1:
            torch.nn.init.normal_(value, generator=seeded(len(name)))

    def normed(x, layer):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * layer.norm.weight + layer.norm.bias

    h = normalised_features(graph).csr.to_dense() @ model.map + model.bias
    for layer in model.layers:
        x = normed(h, layer) if norm == "input" else h
        attention = GATConv(6, 2, heads=3, bias=False)
        with torch.no_grad():
            attention.lin.weight.copy_(layer.weight.T)
            attention.att_src.copy_(layer.source[None])
            attention.att_dst.copy_(layer.target[None])
        y = attention(x, graph.arcs.flip(0)).relu()
        mapped = (y if linear == "after" else x) @ layer.linear.weight + layer.linear.bias
        y = mapped if linear == "after" else y + mapped
        h = h + (normed(y, layer) if norm == "output" else y)
    assert (graph.degree == 0).any()  # a node that attends to itself alone too
    assert torch.allclose(model.encode(graph), h, atol=1e-5)


@pytest.mark.parametrize("case", [{"features": True}, {"features": False, "norm": "input"}])
def test_derivatives_of_fgat_agree_with_differences(case):
    graph = random_graph(n=20, m=50)
    features = graph.features.csr.to_dense().double() if case.pop("features") else None
    graph = Graph(graph.n, graph.links, features)
    part = PREDICTORS.make("fgat", hidden=6, heads=2, layers=2, embedding=5, **case)
    model = part.build(graph, seeded()).double().eval()
    for key, value in model.named_parameters():
        if value.dim() == 1:  # away from the kink of the relu
            torch.nn.init.normal_(value, generator=seeded(len(key)))
    assert_derivatives_agree(model, graph, rtol=1e-5, atol=1e-6)


def test_dropout_of_fgat_follows_the_mode(graph):
    model = PREDICTORS.make("fgat", dropout=0.5).build(graph, seeded())
    first, other = (model.train().score(graph, graph.links) for _ in range(2))
    assert not torch.allclose(first, other)
    model.eval()
    assert torch.equal(model.score(graph, graph.links), model.score(graph, graph.links))


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ParamsError, match=r"hidden = 10 is no multiple of heads = 4"):
        PREDICTORS.make("fgat", hidden=10, heads=4)


# --- distances -------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [True, False])
def test_distances_and_nearest_nodes_are_those_of_a_full_table(monkeypatch, graph, sparse):
    monkeypatch.setattr(distances, "ENTRIES", 7 * 60)  # blocks of seven rows
    x = graph.features if sparse else torch.randn(graph.n, 5, generator=seeded()) + 3
    points = Points(x)
    dense = (x.csr.to_dense() if sparse else x).double()
    full = (dense[:, None] - dense).square().sum(-1)
    nodes = torch.arange(graph.n)
    assert torch.allclose(points.table(nodes).double(), full, atol=1e-4)
    pairs = torch.cartesian_prod(nodes, nodes).T
    assert torch.allclose(points.between(pairs).double().view(full.shape), full, atol=1e-5)
    assert points.spread == pytest.approx(float(full.mean()), rel=1e-5)
    lists, found = nearest(points, 6)
    assert not (lists == nodes[:, None]).any()
    apart = full.clone().fill_diagonal_(torch.inf)
    expected = apart.topk(6, largest=False).values
    assert torch.allclose(found.double().sort().values, expected, atol=1e-5)
    assert torch.allclose(full.gather(1, lists), found.double(), atol=1e-5)
    with_itself, zero = nearest(points, 100, itself=True)
    assert with_itself.shape == (graph.n, graph.n)
    assert (zero[with_itself == nodes[:, None]] == 0).all()


# --- the quality of a pair -------------------------------------------------------------------


def vectors(graph):
    return torch.randn(graph.n, 3, generator=seeded(9))


def context_for(graph: Graph) -> Context:
    return Context(graph, None, vectors(graph))


def similarity(x, kernel, delta, relative=True):
    """R of all pairs, from the paper's formulas, float64 [n, n]."""
    squared = (x.double()[:, None] - x.double()).square().sum(-1)
    if relative:
        delta = delta * (squared.mean().sqrt() if kernel == "exponential" else squared.mean())
    return {
        "gaussian": torch.exp(-squared / delta),
        "exponential": torch.exp(-squared.sqrt() / delta),
        "rational-quadratic": 1 - squared / (squared + delta),
    }[kernel]


def lower_approximation(graph, r, self_pair):
    """L[y, x] = min over z of max(1 − R(x, z), d_y(z)), as eq. 2 says; [n, n]."""
    d = torch.from_numpy(graph.scipy.toarray()).double()  # d[y, z]
    terms = torch.maximum((1 - r)[None], d[:, None])  # [y, x, z]
    if not self_pair:
        nodes = torch.arange(graph.n)
        terms[:, nodes, nodes] = torch.inf
    return terms.amin(-1)


def non_edges(graph):
    nodes = torch.arange(graph.n)
    pairs = torch.cartesian_prod(nodes, nodes).T
    return pairs[:, ~graph.has_links(pairs) & (pairs[0] != pairs[1])]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("self_pair", [False, True])
@pytest.mark.parametrize("near", [1, 16])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), density=st.floats(0.05, 0.9), alpha=st.floats(0, 1))
def test_quality_is_the_lower_approximation_of_all_nodes(
    kernel, self_pair, near, seed, density, alpha
):
    """With a list of one node, most pairs are settled by looking at all nodes."""
    graph = random_graph(n=18, m=int(density * 153) + 1, seed=seed)
    sampler = samplers.make("fns", kernel=kernel, self_pair=self_pair, alpha=alpha, delta=0.7)
    pairs = non_edges(graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fns, "NEAREST", near)
        patch.setattr(fns, "LOOK_UPS", 50)
        got = sampler.quality(context_for(graph), pairs, seeded())
    lower = lower_approximation(graph, similarity(vectors(graph), kernel, 0.7), self_pair)
    x, y = pairs
    expected = alpha * lower[y, x] + (1 - alpha) * lower[x, y]
    assert torch.allclose(got.double(), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("relative", [True, False])
def test_the_similarity_form_is_the_kernel_itself(graph, kernel, relative):
    sampler = samplers.make(
        "fns", form="similarity", kernel=kernel, delta=2, relative=relative, space="features"
    )
    pairs = non_edges(graph)
    got = sampler.quality(Context(graph), pairs, seeded())
    expected = similarity(graph.features.csr.to_dense(), kernel, 2, relative)
    assert torch.allclose(got.double(), expected[pairs[0], pairs[1]], atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), density=st.floats(0.05, 0.9))
def test_the_trap_with_x_inside_every_non_edge_has_quality_zero(kernel, seed, density):
    """Eq. 2 to the letter rates all candidates alike, whatever the graph and the vectors."""
    graph = random_graph(n=18, m=int(density * 153) + 1, seed=seed)
    sampler = samplers.make("fns", kernel=kernel, self_pair=True)
    quality = sampler.quality(context_for(graph), non_edges(graph), seeded())
    assert quality.count_nonzero() == 0
    apart = samplers.make("fns", kernel=kernel).quality(
        context_for(graph), non_edges(graph), seeded()
    )
    assert (apart > 0).all()
    # at a link x is linked to y, so that it never was the minimum: there nothing changes
    r = similarity(vectors(graph), kernel, 1.0)
    y, x = graph.arcs
    inside, outside = (lower_approximation(graph, r, both)[y, x] for both in (True, False))
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("kernel", KERNELS)
def test_without_x_quality_rests_on_a_floor_of_each_node_alone(graph, kernel):
    """q = α φ(x) + (1 − α) φ(y), φ the unlikeness to the nearest node, unless that node is linked.

    It never falls below, and it never exceeds 1 − R(x, y).
    """
    pairs = non_edges(graph)
    got = samplers.make("fns", kernel=kernel).quality(context_for(graph), pairs, seeded()).double()
    unlike = 1 - similarity(vectors(graph), kernel, 1.0)
    least, closest = unlike.clone().fill_diagonal_(torch.inf).min(1)
    x, y = pairs
    floor = (least[x] + least[y]) / 2
    linked = graph.has_links(torch.stack([y, closest[x]]))
    linked |= graph.has_links(torch.stack([x, closest[y]]))
    assert 0 < int(linked.sum()) < linked.numel() / 2
    assert torch.allclose(got[~linked], floor[~linked], atol=1e-6)
    assert (got[linked] > floor[linked]).all()
    assert (got <= unlike[x, y] + 1e-6).all()


def test_with_x_inside_the_sampler_is_the_uniform_one(graph):
    node = int(graph.degree.argmax())
    positives = torch.tensor([[node], [0]]).expand(2, 20_000)
    allowed = torch.ones(graph.n, dtype=torch.bool)
    allowed[node] = False
    allowed[graph.arcs[1][graph.arcs[0] == node]] = False
    for choice in ("per-link", "per-centre"):
        sampler = samplers.make("fns", self_pair=True, choice=choice)
        tails = sampler.sample(context_for(graph), positives, seeded(3))[1]
        counts = torch.bincount(tails, minlength=graph.n)
        assert counts[~allowed].sum() == 0
        assert chisquare(counts[allowed]).pvalue > 1e-4
    tails = samplers.make("fns").sample(context_for(graph), positives, seeded(3))[1]
    assert chisquare(torch.bincount(tails, minlength=graph.n)[allowed]).pvalue < 1e-4


# --- the choice ------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["per-link", "per-centre"])
@pytest.mark.parametrize("form", ["lower-approximation", "similarity"])
def test_the_best_of_a_large_pool_are_the_best_of_all(graph, choice, form):
    sampler = samplers.make("fns", candidates=400, choice=choice, form=form)
    context = context_for(graph)
    node = int(graph.degree.argmax())
    negatives = sampler.sample(context, torch.tensor([[node], [0]]), seeded())
    pairs = non_edges(graph)
    pairs = pairs[:, pairs[0] == node]
    best = sampler.quality(context, pairs, seeded()).max()
    assert sampler.quality(context, negatives, seeded()) == best


def test_each_centre_keeps_the_best_of_its_own_candidates():
    generator = seeded(5)
    centres = torch.randint(6, (50,), generator=generator).repeat_interleave(3)
    pool = torch.stack([centres, torch.arange(150)])
    quality = torch.randint(20, (150,), generator=generator).float()  # ties too
    kept = best_of_centres(pool, quality, 3)
    assert kept.shape == (2, 50)
    expected = []
    for centre in range(6):
        own = (centres == centre).nonzero().squeeze(-1).tolist()
        own.sort(key=lambda place: -quality[place])  # stable, as promised
        expected += own[: len(own) // 3]
    assert kept[1].tolist() == expected


def test_the_global_choice_keeps_the_best_half_of_distinct_non_edges(graph):
    sampler = samplers.make("fns")
    context = context_for(graph)
    pool = random_non_edges(graph, 2 * graph.m, seeded(1))
    keys = pool.min(0).values * graph.n + pool.max(0).values
    assert keys.unique().numel() == 2 * graph.m
    assert not graph.has_links(pool).any()
    assert 0.3 < (pool[0] < pool[1]).float().mean() < 0.7
    kept = GlobalChoice(sampler).sample(context, graph.links, seeded(1))  # the same pool
    quality = sampler.quality(context, pool, seeded())
    best = quality.sort(descending=True).values[: graph.m]
    assert torch.equal(sampler.quality(context, kept, seeded()).sort(descending=True).values, best)
    assert (kept[0].diff() >= 0).all()
    assert set(map(tuple, kept.T.tolist())) < set(map(tuple, pool.T.tolist()))


def test_the_global_choice_takes_what_there_is():
    links, _ = clean_links(torch.combinations(torch.arange(6)).T.numpy()[:, 2:], 6)
    nearly = Graph(6, torch.from_numpy(links))
    kept = GlobalChoice(samplers.make("fns")).sample(context_for(nearly), nearly.links, seeded())
    assert sorted(map(sorted, kept.T.tolist())) == [[0, 1], [0, 2]]
    full = Graph(3, torch.tensor([[0, 0, 1], [1, 2, 2]]))
    with pytest.raises(TrainingError, match="every pair of nodes is a training link"):
        GlobalChoice(samplers.make("fns")).sample(context_for(full), full.links, seeded())


def test_the_global_choice_needs_a_sampler_that_rates():
    run = make_run(random_graph(n=40, m=120))
    with pytest.raises(TrainingError, match=r"Uniform has none: set the sampler to fns"):
        fit(METHODS.make("plain-global", epochs=1), run)


def test_embeddings_are_looked_at_once_in_a_period_and_features_once(monkeypatch, graph):
    looks = []

    def look(points, count, *, itself=False):
        looks.append(points)
        return nearest(points, count, itself=itself)

    monkeypatch.setattr(fns, "nearest", look)

    def epochs(sampler, numbers, generator):
        before = len(looks)
        for epoch in numbers:
            context = replace(context_for(graph), epoch=epoch)
            sampler.sample(context, graph.arcs, generator)
        return len(looks) - before

    one, other = seeded(1), seeded(1)
    slow = samplers.make("fns", refresh=3)
    assert epochs(slow, range(7), one) == 3  # epochs 0, 3, 6
    assert epochs(slow, [7, 8], one) == 0
    assert epochs(slow, [7], other) == 1  # another run knows nothing of the first
    assert epochs(slow, [11, 10], one) == 2  # epochs that go back are another run's
    assert epochs(samplers.make("fns"), range(4), one) == 4
    assert epochs(samplers.make("fns", space="features"), range(4), one) == 1
    assert epochs(samplers.make("fns", space="features"), [0], other) == 0


def test_without_any_vectors_the_error_says_so(graph):
    bare = Graph(graph.n, graph.links)
    with pytest.raises(ValueError, match="this graph has no features"):
        samplers.make("fns").sample(Context(bare), bare.arcs, seeded())


# --- training --------------------------------------------------------------------------------


def communities(n=60, groups=4, seed=0):
    """Nodes of one group are linked with probability .5, others with .02; no features."""
    group = torch.arange(n) % groups
    chance = torch.where(group[:, None] == group, 0.5, 0.02)
    linked = (torch.rand(n, n, generator=seeded(seed)) < chance).triu(1)
    return Graph(n, linked.nonzero().T.contiguous())


@pytest.mark.parametrize(
    ("method", "sampler"),
    [("plain", "uniform"), ("plain", "fns"), ("plain-global", "fns")],
)
def test_fgat_learns_hidden_links_of_a_graph_without_features(method, sampler):
    run = make_run(communities(), "fgat", sampler, hidden=16, heads=2, layers=2, embedding=16)
    recipe = METHODS.make(method, epochs=60, select="auc", learning_rate=0.01)
    history = fit(recipe, run).history
    assert max(history["valid"]["auc"]) > 0.75
    assert history["loss"][-1] < history["loss"][0]


def test_the_same_seed_trains_the_same_weights():
    run = make_run(communities(), "fgat", "fns", hidden=8, heads=2, layers=2)
    recipe = METHODS.make("plain-global", epochs=3, select="auc")
    first, again = (fit(recipe, run).weights for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)
