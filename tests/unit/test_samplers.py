from dataclasses import replace

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from neglink import samplers
from neglink.errors import ParamsError
from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.samplers import base, mcns
from neglink.samplers.base import Context, uniform_non_neighbours
from neglink.samplers.k_hop import k_hop_sets
from neglink.samplers.mcns import (
    Nearest,
    WithinTwoHops,
    depth_first_rank,
    nearest_nodes,
    propose,
)
from neglink.samplers.std import STD
from tests.conftest import random_graph, seeded

NAMES = samplers.SAMPLERS.names()
FORMS = {name: samplers.make(name) for name in NAMES} | {
    "sans walk": samplers.make("sans", form="walk"),
    "mcns of one chain": samplers.make("mcns", chains=1, burn_in=0),
}


def context_for(graph: Graph) -> Context:
    z = torch.randn(graph.n, 6, generator=seeded(9))
    return Context(graph, lambda pairs: pair_dot(z, pairs), z)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("edge_centric", [False, True])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(4, 50), density=st.floats(0.05, 0.6))
def test_no_negative_is_a_training_link_or_the_node_itself(name, edge_centric, seed, n, density):
    graph = random_graph(n=n, m=int(density * n * (n - 1) / 2) + 1, seed=seed % 1000)
    if int(graph.degree.max()) >= n - 1 or graph.m == 0:
        return
    nodes = torch.arange(n)  # unlinked ones too
    positives = torch.cat([graph.arcs, torch.stack([nodes, nodes])], 1)
    context = context_for(graph)
    if edge_centric:
        context = replace(context, embeddings=None)
    negatives = FORMS[name].sample(context, positives, seeded(seed))
    assert negatives.shape == positives.shape
    assert torch.equal(negatives[0], positives[0])
    assert (negatives[0] != negatives[1]).all()
    assert not graph.has_links(negatives).any()
    assert ((negatives >= 0) & (negatives < n)).all()


@pytest.mark.parametrize("name", FORMS)
def test_no_links_have_no_negatives(name, graph):
    none = graph.links[:, :0]
    assert FORMS[name].sample(context_for(graph), none, seeded()).shape == (2, 0)


@pytest.mark.parametrize("name", FORMS)
def test_the_same_seed_draws_the_same_negatives(name, graph):
    first, again, other = (
        FORMS[name].sample(context_for(graph), graph.arcs, seeded(s)) for s in (4, 4, 5)
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


@pytest.mark.parametrize("power", [0.75, 10])
def test_pns_keeps_its_law_where_redraws_find_nothing(monkeypatch, power):
    monkeypatch.setattr(base, "CANDIDATES_AT_ONCE", 200 * 1000)  # blocks of a thousand centres
    links = [*((0, v) for v in range(1, 197)), (1, 197), (1, 198), (2, 197), (3, 197)]
    hub = Graph(200, torch.tensor(links).t())
    weights = hub.degree.double() ** power * allowed_nodes(hub, 0)
    assert_distribution(draws(samplers.make("pns", power=power), hub, 0), weights)


def test_pns_draws_uniformly_where_no_valid_node_has_a_link():
    star = Graph(7, torch.tensor([[0, 0, 0], [1, 2, 3]]))
    assert_distribution(draws(samplers.make("pns"), star, 0), allowed_nodes(star, 0).double())


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


@pytest.mark.parametrize("structure", ["uniform", "walk"])
@pytest.mark.parametrize(("fallback", "share"), [("base", 1.0), ("uniform", 0.2)])
def test_std_draws_from_its_base_where_nobody_is_near(structure, fallback, share):
    """Two cliques: all near nodes are linked. The base knows one node of the other clique."""
    cliques = [(u, v) for low in (0, 4) for u in range(low, low + 4) for v in range(u + 1, low + 4)]
    graph = Graph(9, torch.tensor(cliques).t())  # node 8 has no link

    class Seven:
        def sample(self, context, positives, generator):
            return torch.stack([positives[0], torch.full_like(positives[0], 7)])

    sampler = STD(Seven(), delta=0.5, structure=structure, fallback=fallback)
    positives = torch.tensor([[0], [1]]).expand(2, 4000)
    drawn = sampler.sample(Context(graph), positives, seeded())
    assert torch.equal(drawn[0], positives[0])
    expected = 0.5 + 0.5 * share  # of the near half: all, or one of the five valid nodes
    assert float((drawn[1] == 7).double().mean()) == pytest.approx(expected, abs=0.03)


def test_std_can_draw_its_neighbourhood_by_walks(graph):
    """With δ = 1 these are the draws of SANS's walks, after the coins that choose the part."""
    positives = graph.arcs[:, ::3]
    context = Context(graph)
    drawn = samplers.make("std", delta=1.0, hops=2, structure="walk").sample(
        context, positives, seeded(4)
    )
    generator = seeded(4)
    torch.rand(positives.shape[1], generator=generator)
    walks = samplers.make("sans", form="walk", hops=2).sample(context, positives, generator)
    assert torch.equal(drawn, walks)


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


@pytest.mark.parametrize("name", ["dns", "recns", "mcns"])
def test_a_sampler_without_its_scorer_says_what_is_missing(name, graph):
    with pytest.raises(ValueError, match=rf"{name} .*context\.score"):
        samplers.make(name).sample(Context(graph), graph.arcs, seeded())


def test_sans_draws_uniformly_what_k_hop_draws(graph):
    drawn, same = (
        samplers.make(name, hops=2).sample(context_for(graph), graph.arcs, seeded())
        for name in ("sans", "k-hop")
    )
    assert torch.equal(drawn, same)


@pytest.mark.parametrize("walks", [1, 2, 200])
def test_sans_walks_end_as_the_transition_matrix_says(walks):
    graph = random_graph(n=30, m=35)
    node = int(graph.degree.argmax())
    adjacency = torch.from_numpy(graph.scipy.toarray()).double()
    step = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    allowed = allowed_nodes(graph, node).double()
    law = torch.linalg.matrix_power(step, 3)[node] * allowed
    missed = (1 - law.sum()) ** walks
    weights = (1 - missed) * law / law.sum() + missed * allowed / allowed.sum()
    sampler = samplers.make("sans", form="walk", walks=walks)
    counts = draws(sampler, graph, node)
    if walks == 200:  # what is left for the uniform draw is too rare to be counted
        weights = law
    assert_distribution(counts, weights)


def shell(graph, node, hops=3):
    reference = nx.Graph(graph.links.T.tolist())
    distance = nx.single_source_shortest_path_length(reference, node)
    return [v for v, d in distance.items() if d == hops]


def test_recns_draws_from_exactly_three_hops():
    graph = random_graph(n=60, m=70)
    node = max(range(graph.n), key=lambda u: len(shell(graph, u)) if graph.degree[u] else 0)
    weights = torch.zeros(graph.n)
    weights[shell(graph, node)] = 1
    assert weights.sum() > 5
    assert_distribution(draws(samplers.make("recns", candidates=1), graph, node), weights.double())


def test_recns_draws_uniformly_where_no_node_is_three_hops_away():
    path = Graph(6, torch.tensor([[0, 1], [1, 2]]))
    counts = draws(samplers.make("recns", candidates=1), path, 0)
    assert_distribution(counts, allowed_nodes(path, 0).double())


def test_recns_keeps_the_best_of_its_pool_under_the_mixed_score():
    """The pool is the whole region; the kept node is the best for the link's α, and α varies."""
    graph = random_graph(n=60, m=70)
    context = context_for(graph)
    z = context.embeddings
    node = max(range(graph.n), key=lambda u: len(shell(graph, u)) if graph.degree[u] else 0)
    helper = (node + 1) % graph.n
    region = torch.tensor(sorted(shell(graph, node)))
    positives = torch.tensor([[node], [helper]]).expand(2, 4_000)
    tails = samplers.make("recns", candidates=200).sample(context, positives, seeded())[1]
    alpha = torch.linspace(0, 1, 10_001)[:, None]
    best = ((alpha * z[node] + (1 - alpha) * z[helper]) @ z[region].t()).argmax(1)
    weights = torch.zeros(graph.n).index_add(0, region[best], torch.ones(best.numel()))
    assert int((weights > 0).sum()) > 1
    assert_distribution(torch.bincount(tails, minlength=graph.n).double(), weights.double())


def mcns_law(graph, node, power=0.75):
    nodes = torch.arange(graph.n)
    logits = context_for(graph).score(torch.stack([torch.full_like(nodes, node), nodes]))
    return logits.double().sigmoid() ** power * allowed_nodes(graph, node)


@pytest.mark.parametrize("edge_centric", [False, True])
@pytest.mark.parametrize("power", [0.75, 2.0])
def test_mcns_draws_what_the_current_scores_say(graph, edge_centric, power):
    """Many chains, each kept for one step after its burn-in, so that draws are independent."""
    node = int(graph.degree.argmax())
    context = context_for(graph)
    if edge_centric:
        context = replace(context, embeddings=None)
    positives = torch.tensor([[node], [0]]).expand(2, 40_000)
    sampler = samplers.make("mcns", power=power, chains=40_000, burn_in=80, nearest=5)
    tails = sampler.sample(context, positives, seeded(2))[1]
    counts = torch.bincount(tails, minlength=graph.n).double()
    assert_distribution(counts, mcns_law(graph, node, power))


def test_one_chain_of_mcns_has_the_same_law_from_step_to_step(graph):
    node = int(graph.degree.argmax())
    positives = torch.tensor([[node], [0]]).expand(2, 60_000)
    sampler = samplers.make("mcns", chains=100, nearest=5)
    tails = sampler.sample(context_for(graph), positives, seeded(2))[1]
    thinned = tails.view(100, -1)[:, ::15].flatten()  # steps that far apart are all but independent
    assert_distribution(torch.bincount(thinned, minlength=graph.n).double(), mcns_law(graph, node))


@pytest.mark.parametrize("kind", ["nearest", "two hops"])
def test_mcns_knows_the_law_of_its_proposals(graph, kind):
    z = context_for(graph).embeddings
    near = Nearest(nearest_nodes(graph, z, 5)) if kind == "nearest" else WithinTwoHops(graph)
    node = int(graph.degree.argmax())
    centres = torch.full((40_000,), node)
    drawn = torch.bincount(propose(graph.n, near, centres, seeded()), minlength=graph.n)
    law = near.log_proposal(centres[: graph.n], torch.arange(graph.n)).double().exp()
    assert law.sum() == pytest.approx(1, abs=1e-6)
    assert_distribution(drawn.double(), law)


def test_nearest_nodes_are_those_of_a_full_table(monkeypatch, graph):
    monkeypatch.setattr(mcns, "BLOCK_PAIRS", 7 * graph.n)  # blocks of seven rows
    z = context_for(graph).embeddings
    lists = nearest_nodes(graph, z, 6)
    for node in range(graph.n):
        scores = (z @ z[node]).masked_fill(~allowed_nodes(graph, node), -torch.inf)
        assert set(lists[node].tolist()) == set(scores.topk(6).indices.tolist())


@pytest.mark.parametrize("m", [8, 30, 90])
def test_depth_first_order_goes_on_from_the_nearest_visited_ancestor(m):
    """In such an order each node is linked to its predecessor, or to an ancestor that has no
    unvisited neighbour below it: replayed with a stack."""
    graph = random_graph(n=40, m=m)
    rank = depth_first_rank(graph)
    assert sorted(rank.tolist()) == list(range(graph.n))
    neighbours = nx.Graph(graph.links.T.tolist())
    neighbours.add_nodes_from(range(graph.n))
    seen, path = set(), []
    for node in rank.argsort().tolist():
        while path and not set(neighbours[path[-1]]) - seen:
            path.pop()
        assert not path or node in neighbours[path[-1]]
        seen.add(node)
        path.append(node)


def test_mcns_searches_for_nearest_nodes_once_in_a_period_of_a_run(monkeypatch, graph):
    found = []

    def search(graph, z, count):
        found.append(z)
        return nearest_nodes(graph, z, count)

    monkeypatch.setattr(mcns, "nearest_nodes", search)
    sampler = samplers.make("mcns", refresh=3)

    def epochs(numbers, generator):
        before = len(found)
        for epoch in numbers:
            context = replace(context_for(graph), epoch=epoch)
            sampler.sample(context, graph.arcs, generator)
            sampler.sample(context, graph.arcs, generator)  # the same embeddings again
        return len(found) - before

    one, other = seeded(1), seeded(1)
    assert epochs(range(7), one) == 3  # epochs 0, 3, 6
    assert epochs([7, 8], one) == 0
    assert epochs([7], other) == 1  # another run knows nothing of the first
    assert epochs([0, 0, 0], one) == 3  # who never counts epochs never has old ones
    assert epochs([1], one) == 0
    assert epochs([8, 7], one) == 2  # epochs that go back are another run's


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
