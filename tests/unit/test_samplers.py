import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from neglink import samplers
from neglink.errors import ParamsError
from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.samplers.base import Context, uniform_non_neighbours
from neglink.samplers.k_hop import k_hop_sets
from tests.conftest import random_graph, seeded

NAMES = samplers.SAMPLERS.names()


def context_for(graph: Graph) -> Context:
    z = torch.randn(graph.n, 6, generator=seeded(9))
    return Context(graph, lambda pairs: pair_dot(z, pairs), z)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(4, 50), density=st.floats(0.05, 0.6))
def test_no_negative_is_a_training_link_or_the_node_itself(name, seed, n, density):
    graph = random_graph(n=n, m=int(density * n * (n - 1) / 2) + 1, seed=seed % 1000)
    if int(graph.degree.max()) >= n - 1 or graph.m == 0:
        return
    positives = graph.arcs
    negatives = samplers.make(name).sample(context_for(graph), positives, seeded(seed))
    assert negatives.shape == positives.shape
    assert torch.equal(negatives[0], positives[0])
    assert (negatives[0] != negatives[1]).all()
    assert not graph.has_links(negatives).any()
    assert ((negatives >= 0) & (negatives < n)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_negatives(name, graph):
    first, again, other = (
        samplers.make(name).sample(context_for(graph), graph.arcs, seeded(s)) for s in (4, 4, 5)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def draws(sampler, graph, node, count=40_000):
    positives = torch.tensor([[node], [0]]).expand(2, count)
    tails = sampler.sample(context_for(graph), positives, seeded(1))[1]
    return torch.bincount(tails, minlength=graph.n).double()


def allowed_nodes(graph, node):
    allowed = torch.ones(graph.n, dtype=torch.bool)
    allowed[node] = False
    allowed[graph.arcs[1][graph.arcs[0] == node]] = False
    return allowed


def assert_distribution(counts, weights):
    expected = weights / weights.sum() * counts.sum()
    assert counts[expected == 0].sum() == 0
    assert chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4


@pytest.mark.parametrize(
    ("sampler", "weight"),
    [
        (samplers.make("uniform"), lambda g, u: torch.ones(g.n)),
        (samplers.make("pns"), lambda g, u: g.degree.double() ** 0.75),
        (samplers.make("pns", power=2), lambda g, u: g.degree.double() ** 2),
        (samplers.make("dns", candidates=1), lambda g, u: torch.ones(g.n)),
    ],
    ids=["uniform", "pns", "pns squared", "dns of one"],
)
def test_draws_follow_the_stated_distribution(graph, sampler, weight):
    node = int(graph.degree.argmax())
    weights = weight(graph, node).double() * allowed_nodes(graph, node)
    assert_distribution(draws(sampler, graph, node), weights)


def test_k_hop_draws_are_uniform_over_the_neighbourhood():
    graph = random_graph(n=60, m=70)
    sizes = k_hop_sets(graph, 3).sizes(torch.arange(graph.n))
    node = int(sizes.argmax())
    counts = draws(samplers.make("k-hop"), graph, node)
    assert int((counts > 0).sum()) == int(sizes[node])
    assert_distribution(counts, (counts > 0).double())


def test_std_mixes_neighbourhood_and_base_with_probability_delta():
    graph = random_graph(n=60, m=70)
    sizes = k_hop_sets(graph, 3).sizes(torch.arange(graph.n))
    node = int(sizes.argmax())
    near = (draws(samplers.make("k-hop"), graph, node) > 0).double()
    allowed = allowed_nodes(graph, node).double()
    mixed = 0.3 * near / near.sum() + 0.7 * allowed / allowed.sum()
    assert_distribution(draws(samplers.make("std", delta=0.3), graph, node), mixed)


def test_std_takes_any_base(graph):
    sampler = samplers.make("std", base={"kind": "dns", "candidates": 3}, delta=0.0)
    alone = samplers.make("dns", candidates=3)
    shape = sampler.sample(context_for(graph), graph.arcs, seeded()).shape
    assert shape == alone.sample(context_for(graph), graph.arcs, seeded()).shape
    with pytest.raises(ParamsError, match="no such sampler"):
        samplers.make("std", base="nowhere")


def test_dns_keeps_the_highest_scored_of_its_pool(graph):
    context = context_for(graph)
    hardest = samplers.make("dns", candidates=500).sample(context, graph.arcs, seeded())
    scores = context.score(hardest)
    for node in range(0, graph.n, 7):
        tails = allowed_nodes(graph, node).nonzero().squeeze(-1)
        best = context.score(torch.stack([torch.full_like(tails, node), tails])).max()
        assert torch.allclose(scores[hardest[0] == node], best)


def test_dns_without_a_scorer_says_what_is_missing(graph):
    with pytest.raises(ValueError, match=r"context\.score"):
        samplers.make("dns").sample(Context(graph), graph.arcs, seeded())


def test_the_exact_last_resort_reaches_every_valid_node_and_no_other(graph):
    centres = torch.arange(graph.n).repeat(300)
    tails = uniform_non_neighbours(graph, centres, seeded())
    for node in range(graph.n):
        assert set(tails[centres == node].tolist()) == set(
            allowed_nodes(graph, node).nonzero().squeeze(-1).tolist()
        )


def test_a_node_linked_to_all_others_is_named():
    star = Graph(4, torch.tensor([[0, 0, 0], [1, 2, 3]]))
    with pytest.raises(ValueError, match="node 0 is linked to every other node"):
        samplers.make("uniform").sample(Context(star), star.links, seeded())


def test_a_wrong_setting_is_refused_with_its_bound():
    with pytest.raises(ParamsError, match=r"power = -1: .*greater than or equal to 0"):
        samplers.make("pns", power=-1)
    with pytest.raises(ParamsError, match="unknown key"):
        samplers.make("pns", pover=1)
    with pytest.raises(ParamsError, match="did you mean 'pns'"):
        samplers.make("pnss")
