from itertools import pairwise

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neglink.graph import Graph
from neglink.graph.subgraph_cache import Kind, labelled_subgraphs
from neglink.graph.subgraphs import Subgraphs, double_radius_labels, enclosing_subgraphs, within
from tests.conftest import random_graph, seeded


@st.composite
def graphs_and_pairs(draw):
    """A small graph, often with isolated nodes and several components, and pairs of its nodes."""
    n = draw(st.integers(2, 14))
    possible = [(u, v) for u in range(n) for v in range(u + 1, n)]
    links = sorted(draw(st.lists(st.sampled_from(possible), unique=True, max_size=22)))
    nodes = st.integers(0, n - 1)
    pairs = draw(
        st.lists(st.tuples(nodes, nodes).filter(lambda p: p[0] != p[1]), min_size=1, max_size=6)
    )
    pairs += [link[::-1] for link in links[:4]]
    graph = Graph(n, torch.tensor(links, dtype=torch.int64).reshape(-1, 2).T.contiguous())
    return graph, torch.tensor(pairs).T.contiguous()


def as_networkx(graph: Graph) -> nx.Graph:
    plain = nx.Graph(graph.links.T.tolist())
    plain.add_nodes_from(range(graph.n))
    return plain


def one(batch: Subgraphs, i: int) -> tuple[nx.Graph, list[int]]:
    """The i-th subgraph under the node ids of the whole graph, and its nodes in order."""
    inside = (batch.pair == i).nonzero().squeeze(1)
    nodes = batch.nodes.tolist()
    found = nx.Graph()
    found.add_nodes_from(nodes[j] for j in inside.tolist())
    pair = batch.pair.tolist()
    for head, tail in batch.arcs.T.tolist():
        assert pair[head] == pair[tail]
        if pair[head] == i:
            found.add_edge(nodes[head], nodes[tail])
    return found, [nodes[j] for j in inside.tolist()]


def expected_subgraph(graph: Graph, u: int, v: int, hops: int, enclosing: str) -> nx.Graph:
    plain = as_networkx(graph)
    if plain.has_edge(u, v):
        plain.remove_edge(u, v)
    near_u = set(nx.single_source_shortest_path_length(plain, u, hops))
    near_v = set(nx.single_source_shortest_path_length(plain, v, hops))
    nodes = near_u | near_v if enclosing == "union" else (near_u & near_v) | {u, v}
    return plain.subgraph(nodes).copy()


def distances_without(plain: nx.Graph, source: int, removed: int) -> dict[int, int]:
    rest = plain.subgraph(set(plain) - {removed})
    return dict(nx.single_source_shortest_path_length(rest, source))


def drnl(plain: nx.Graph, u: int, v: int, node: int) -> int:
    if node in (u, v):
        return 1
    a = distances_without(plain, u, v).get(node)
    b = distances_without(plain, v, u).get(node)
    if a is None or b is None:
        return 0
    d = a + b
    return 1 + min(a, b) + (d // 2) * (d // 2 + d % 2 - 1)


@given(graphs_and_pairs(), st.integers(1, 3), st.sampled_from(["union", "intersection"]))
@settings(max_examples=150, deadline=None)
def test_subgraphs_and_labels_equal_a_direct_computation(drawn, hops, enclosing):
    graph, pairs = drawn
    batch = enclosing_subgraphs(graph, pairs, hops, enclosing=enclosing)
    labels = double_radius_labels(batch)
    distance = batch.distances()
    for i, (u, v) in enumerate(pairs.T.tolist()):
        expected = expected_subgraph(graph, u, v, hops, enclosing)
        found, nodes = one(batch, i)
        assert nodes == sorted(expected)
        assert nx.utils.graphs_equal(found, expected)
        assert batch.nodes[batch.ends[:, i]].tolist() == [u, v]
        inside = batch.pair == i
        assert labels[inside].tolist() == [drnl(expected, u, v, node) for node in nodes]
        for side, (source, removed) in enumerate([(u, v), (v, u)]):
            reached = distances_without(expected, source, removed)
            assert distance[side][inside].tolist() == [reached.get(node, -1) for node in nodes]


@given(graphs_and_pairs(), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_pruning_keeps_the_nodes_near_both_ends(drawn, hops):
    graph, pairs = drawn
    batch, distance = within(
        enclosing_subgraphs(graph, pairs, hops, enclosing="intersection"), hops
    )
    for i, (u, v) in enumerate(pairs.T.tolist()):
        whole = expected_subgraph(graph, u, v, hops, "intersection")
        from_u, from_v = distances_without(whole, u, v), distances_without(whole, v, u)
        near = {w: (from_u[w], from_v[w]) for w in whole if w in from_u and w in from_v}
        near = {w: d for w, d in near.items() if max(d) <= hops} | {u: (0, 1), v: (1, 0)}
        found, nodes = one(batch, i)
        assert nodes == sorted(near)
        assert nx.utils.graphs_equal(found, whole.subgraph(near).copy())
        labels = distance[:, batch.pair == i].T.tolist()
        assert [tuple(label) for label in labels] == [near[w] for w in nodes]


def pyg_labels(graph: Graph, u: int, v: int, hops: int) -> tuple[list[int], list[int], set]:
    """Nodes, labels and arcs of one pair by PyG's k_hop_subgraph and scipy's shortest paths.

    Distances as SEAL takes them: on the subgraph without the target link, the other end removed.
    """
    from scipy.sparse.csgraph import shortest_path
    from torch_geometric.utils import k_hop_subgraph, to_scipy_sparse_matrix

    nodes, arcs, ends, _ = k_hop_subgraph([u, v], hops, graph.arcs, True, graph.n)
    u, v = ends.tolist()
    target = ((arcs[0] == u) & (arcs[1] == v)) | ((arcs[0] == v) & (arcs[1] == u))
    arcs = arcs[:, ~target]
    matrix = to_scipy_sparse_matrix(arcs, num_nodes=nodes.numel()).tocsr()
    labels = torch.zeros(2, nodes.numel())
    for side, (source, removed) in enumerate([(u, v), (v, u)]):
        rest = [i for i in range(nodes.numel()) if i != removed]
        d = shortest_path(matrix[rest][:, rest], unweighted=True, indices=rest.index(source))
        labels[side, rest] = torch.from_numpy(d).float()
    total = labels.sum(0)
    half = total // 2
    z = 1 + labels.min(0).values + half * (half + total % 2 - 1)
    z[[u, v]] = 1
    z[~z.isfinite()] = 0
    return nodes.tolist(), z.long().tolist(), {tuple(arc) for arc in nodes[arcs].T.tolist()}


def test_subgraphs_and_labels_equal_pygs():
    graph = random_graph(n=60, m=90)
    pairs = torch.cat([graph.links[:, ::7], torch.randint(60, (2, 15), generator=seeded())], 1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    batch = enclosing_subgraphs(graph, pairs, 2)
    labels = double_radius_labels(batch)
    for i, (u, v) in enumerate(pairs.T.tolist()):
        nodes, expected, arcs = pyg_labels(graph, u, v, 2)
        found, here = one(batch, i)
        assert here == nodes
        assert labels[batch.pair == i].tolist() == expected
        assert set(found.to_directed().edges) == arcs


def test_labels_of_a_square_by_hand():
    square = Graph(5, torch.tensor([[0, 0, 1, 2], [1, 3, 2, 3]]))  # 0-1-2-3-0, and 4 alone
    batch = enclosing_subgraphs(square, torch.tensor([[0, 0, 4], [1, 4, 0]]), 2)
    assert batch.sizes.tolist() == [4, 5, 5]
    # link 0-1 is left out: 3 is at (1, 2), 2 at (2, 1); nothing is reached from 4
    assert double_radius_labels(batch)[:9].tolist() == [1, 1, 3, 3, 1, 0, 0, 0, 1]


def test_blocks_of_pairs_and_selections_give_the_same_subgraphs(monkeypatch):
    graph = random_graph(n=50, m=100)
    pairs = torch.randint(50, (2, 23), generator=seeded(1))
    pairs = pairs[:, pairs[0] != pairs[1]]
    for enclosing in ("union", "intersection"):
        kind = Kind(2, enclosing)
        whole = kind.extract(graph, pairs)
        with monkeypatch.context() as patch:
            patch.setattr("neglink.graph.subgraphs.ENTRIES", 5 * (graph.n + 2 * graph.m))
            assert_same(kind.extract(graph, pairs), whole)
        chosen = torch.randint(pairs.shape[1], (9,), generator=seeded(2))
        assert_same(whole.select(chosen), kind.extract(graph, pairs[:, chosen]))


def assert_same(one, two):
    assert torch.equal(one.labels, two.labels)
    for name in ("nodes", "sizes", "ends", "starts", "columns", "reverse"):
        assert torch.equal(getattr(one.subgraphs, name), getattr(two.subgraphs, name)), name


@pytest.mark.parametrize("enclosing", ["union", "intersection"])
def test_pairs_need_not_be_contiguous(graph, enclosing):
    rows = graph.links[:, :9].t().contiguous()
    found, same = (
        enclosing_subgraphs(graph, pairs, 2, enclosing=enclosing)
        for pairs in (rows.t(), rows.t().contiguous())
    )
    assert torch.equal(found.nodes, same.nodes)
    assert torch.equal(found.columns, same.columns)


def test_reverse_pairs_each_arc_with_its_opposite():
    batch = enclosing_subgraphs(random_graph(), torch.tensor([[0, 3], [1, 9]]), 2)
    heads, tails = batch.arcs
    assert torch.equal(heads[batch.reverse], tails)
    assert torch.equal(tails[batch.reverse], heads)


@pytest.mark.parametrize("enclosing", ["union", "intersection"])
def test_a_cap_bounds_each_hop_and_chooses_by_the_pair_alone(enclosing):
    graph = random_graph(n=80, m=600)
    pairs = torch.randint(80, (2, 20), generator=seeded(3))
    pairs = pairs[:, pairs[0] != pairs[1]]
    k = pairs.shape[1]
    capped = enclosing_subgraphs(graph, pairs, 2, enclosing=enclosing, per_hop=4)
    assert capped.sizes.max() <= 2 + 2 * 4
    wide = enclosing_subgraphs(graph, pairs, 2, enclosing=enclosing, per_hop=80)
    assert torch.equal(wide.nodes, enclosing_subgraphs(graph, pairs, 2, enclosing=enclosing).nodes)
    order = torch.randperm(k, generator=seeded(4))
    again = enclosing_subgraphs(graph, pairs[:, order].flip(0), 2, enclosing=enclosing, per_hop=4)
    for i, j in enumerate(order.tolist()):
        assert one(again, i)[1] == one(capped, j)[1]
    if enclosing == "union":
        chosen = [set(one(capped, i)[1]) for i in range(k)]
        assert (capped.sizes == 10).float().mean() > 0.8
        assert all(a != b for a, b in pairwise(chosen))


def test_only_the_given_graph_is_seen():
    """No link of the whole graph that the train graph lacks appears in any subgraph."""
    whole = random_graph(n=40, m=150)
    train = whole.with_links(whole.links[:, torch.arange(whole.m) % 3 != 0])
    hidden = {tuple(link) for link in whole.links[:, ::3].T.tolist()}
    pairs = torch.cat([whole.links, torch.combinations(torch.arange(15)).T], 1)
    for kind in (Kind(2), Kind(3, "intersection", labels="distances")):
        labelled_subgraphs(whole, pairs, kind)  # what is kept for one graph serves no other
        for _ in range(3):
            batch = labelled_subgraphs(train, pairs, kind).subgraphs
            arcs = {tuple(arc) for arc in batch.nodes[batch.arcs].T.tolist()}
            assert arcs
            assert arcs <= {tuple(arc) for arc in train.arcs.T.tolist()}
            assert not arcs & hidden
            u, v = batch.ends[:, batch.pair[batch.arcs[0]]]
            target = (batch.arcs[0] == u) & (batch.arcs[1] == v)
            assert not target.any()


def test_what_is_kept_equals_fresh_extraction_and_stays_bounded(monkeypatch):
    graph = random_graph(n=60, m=120)
    kind = Kind(2)
    fixed = torch.randint(60, (2, 30), generator=seeded(5)).sort(0).values
    limit = 12 * kind.extract(graph, fixed).nbytes
    monkeypatch.setattr("neglink.graph.subgraph_cache.FIXED_BYTES", limit)
    monkeypatch.setattr("neglink.graph.subgraph_cache.RECENT_BYTES", limit // 3)
    expected = kind.extract(graph, fixed)
    before = None
    for epoch in range(40):
        got = labelled_subgraphs(graph, fixed, kind)
        assert_same(got, expected)
        assert epoch < 2 or got is before
        before = got
        fresh = torch.randint(60, (2, 30), generator=seeded(100 + epoch))
        labelled_subgraphs(graph, fresh, kind)
    cache = graph.__dict__["_subgraph_caches"][kind]
    assert len(cache.fixed) == 1
    assert sum(made.nbytes for _, made in cache.recent.values()) <= limit // 3


def test_subgraphs_of_links_are_kept_from_the_second_epoch_on():
    graph = random_graph(n=60, m=120)
    kind = Kind(2)
    for epoch in range(3):
        order = torch.randperm(graph.m, generator=seeded(epoch))
        for part in order.split(25):
            links = graph.links[:, part]
            sides = links if epoch else links.flip(0)
            assert_same(labelled_subgraphs(graph, sides, kind), kind.extract(graph, links))
        cache = graph.__dict__["_subgraph_caches"][kind]
        assert (cache.links is not None) == (epoch > 0)
    assert not cache.fixed
    assert not cache.recent
