from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.autograd import forward_ad

import neglink.graph.graph as graph_module
from neglink.errors import DataError
from neglink.graph import Graph, clean_links, load_graph, save_graph
from neglink.graph import k_hop as k_hop_module
from neglink.graph.first_paths import FirstPaths
from neglink.graph.k_hop import KHopSets, within_hops
from neglink.graph.pairs import pair_dot
from neglink.graph.sparse import SparseMatrix
from neglink.graph.weighted import ClosedArcs, weighted_sums
from tests.conftest import random_graph, seeded

rows = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(rows)
def test_cleaned_links_are_the_set_of_undirected_pairs(pairs):
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    links, counts = clean_links(array, 10)
    expected = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    assert links.T.tolist() == [list(p) for p in expected]
    assert counts.rows == len(pairs)
    assert counts.self_loops == sum(a == b for a, b in pairs)
    assert counts.rows == counts.links + counts.self_loops + counts.duplicates


def test_an_id_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        clean_links(np.array([[0], [3]]), 3)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([[0, 1], [1, 2], [0, 2]], r"shape \[3, 2\], expected \[2, rows\]"),
        ([[0, 1, 2]], r"shape \[1, 3\], expected \[2, rows\]"),
        ([0, 1], r"shape \[2\], expected \[2, rows\]"),
        ([[0.0, 1.0], [1.5, 2.0]], r"is 1\.5, expected integers"),
        ([[0.0], [np.nan]], "is nan, expected integers"),
        ([[0.0], [np.inf]], r"\[0\.0, inf\], expected \[0, 3\)"),
        ([["0"], ["1"]], "type <U1, expected integers"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused_with_what_is_expected(pairs, said):
    with pytest.raises(ValueError, match=said):
        clean_links(np.array(pairs), 3)


def test_ids_may_be_whole_numbers_of_any_type():
    for kind in (np.float32, np.int16, np.uint64):
        links, _ = clean_links(np.array([[2, 0], [1, 2]], dtype=kind), 3)
        assert links.dtype == np.int64
        assert links.tolist() == [[0, 1], [2, 2]]


@pytest.mark.parametrize(
    "links",
    [
        [(0, 1), (1, 0)],
        [(1, 2), (0, 1)],
        [(0, 2), (0, 1)],
        [(0, 1), (0, 1)],
        [(1, 1)],
        [(2, 1)],
        [(0, 3)],
        [(-1, 1)],
        [(-1, 1), (0, 1)],
    ],
    ids=["both ways", "unsorted", "unsorted second", "twice", "loop", "second first", "beyond n",
         "negative", "negative before others"],
)  # fmt: skip
def test_links_that_are_not_as_stated_are_refused(links, graph):
    with pytest.raises(ValueError, match=r"ids in \[0, 3\).*clean_links"):
        Graph(3, torch.tensor(links).t())
    with pytest.raises(ValueError, match="clean_links"):
        Graph(3, torch.tensor([[0, 1], [1, 2], [0, 2]]))
    with pytest.raises(ValueError, match="clean_links"):
        graph.with_links(graph.arcs)


@pytest.mark.parametrize("bits", [2**29, 0])
def test_has_links_equals_a_set_look_up(graph, monkeypatch, bits):
    monkeypatch.setattr(graph_module, "BITS_LIMIT", bits)
    known = {tuple(p) for p in graph.arcs.T.tolist()}
    everything = torch.cartesian_prod(torch.arange(graph.n), torch.arange(graph.n)).T
    found = graph.has_links(everything)
    assert found.tolist() == [tuple(p) in known for p in everything.T.tolist()]


def test_adjacency_is_the_symmetric_normalisation(graph):
    dense = torch.eye(graph.n)
    dense[graph.arcs[0], graph.arcs[1]] = 1
    scale = dense.sum(1).rsqrt()
    expected = scale[:, None] * dense * scale
    assert torch.allclose(graph.adjacency.csr.to_dense(), expected)


def test_degrees_and_arcs_fit_together(graph):
    for node in range(graph.n):
        start, end = graph.row_starts[node : node + 2].tolist()
        assert (graph.arcs[0, start:end] == node).all()
        assert end - start == graph.degree[node]
    ends = graph.links[:, graph.arc_links]
    assert (ends.sum(0) == graph.arcs.sum(0)).all()


@pytest.mark.parametrize("dtype", [torch.float64])
def test_sparse_product_differentiates_both_ways(graph, dtype):
    matrix = SparseMatrix.from_scipy(graph.features.scipy(), dtype)
    dense = torch.randn(graph.f, 3, dtype=dtype, requires_grad=True, generator=seeded())
    assert torch.autograd.gradcheck(
        lambda x: matrix @ x, dense, check_forward_ad=True, check_batched_grad=False
    )
    assert torch.autograd.gradgradcheck(lambda x: matrix @ x, dense)


@pytest.mark.parametrize("ordered", [True, False])
def test_pair_dot_and_its_derivatives_equal_the_gathered_form(ordered):
    z = torch.randn(7, 4, dtype=torch.float64, requires_grad=True, generator=seeded())
    pairs = torch.randint(7, (2, 25), generator=seeded(1))
    if ordered:
        pairs = pairs[:, pairs[0].argsort()]
    gathered = (z[pairs[0]] * z[pairs[1]]).sum(-1)
    scores = pair_dot(z, pairs)
    assert torch.allclose(scores, gathered)
    weights = torch.randn(25, dtype=torch.float64, generator=seeded(2))
    (ours,) = torch.autograd.grad(scores @ weights, z, retain_graph=True)
    (theirs,) = torch.autograd.grad(gathered @ weights, z)
    assert torch.allclose(ours, theirs)
    assert torch.autograd.gradcheck(lambda x: pair_dot(x, pairs), z)
    assert torch.autograd.gradgradcheck(lambda x: pair_dot(x, pairs), z)
    tangent = torch.randn(7, 4, dtype=torch.float64, generator=seeded(3))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(z.detach(), tangent)
        slope = forward_ad.unpack_dual(pair_dot(dual, pairs)).tangent
    expected = (tangent[pairs[0]] * z[pairs[1]] + z[pairs[0]] * tangent[pairs[1]]).sum(-1)
    assert torch.allclose(slope, expected)


def test_weighted_sums_and_their_derivatives_equal_the_gathered_form(graph):
    heads, width = 3, 2
    arcs = ClosedArcs.of(graph, heads)
    assert ClosedArcs.of(graph, heads) is arcs
    loops = torch.arange(graph.n).expand(2, -1)
    both = torch.cat([graph.arcs, loops], 1)
    assert sorted(torch.stack([arcs.receivers, arcs.senders]).T.tolist()) == sorted(both.T.tolist())
    count = arcs.receivers.numel()
    weights, x = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True, generator=seeded(i))
        for i, shape in enumerate([(heads, count), (heads, graph.n, width)])
    )
    expected = torch.zeros_like(x).index_add(
        1, arcs.receivers, weights[..., None] * x.index_select(1, arcs.senders)
    )
    assert torch.allclose(weighted_sums(arcs, weights, x), expected)

    def sums(*given):
        return weighted_sums(arcs, *given)

    assert torch.autograd.gradcheck(
        sums, (weights, x), check_forward_ad=True, check_batched_grad=False, fast_mode=True
    )
    assert torch.autograd.gradgradcheck(sums, (weights, x), fast_mode=True)


WAYS = {
    "bit table": {},
    "sparse products": {"TABLE_LIMIT": 0, "TRIES": 0, "LOOKUPS_PER_WALK": 0},
    "rejection": {"TABLE_LIMIT": 0, "TRIES": 0, "LOOKUPS_PER_WALK": 1e9},
    "walks": {"TABLE_LIMIT": 0, "TRIES": 1000},
}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """How draws are made, by the limits that choose it."""
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(k_hop_module, name, value)
    return request.param


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("hops", "inner"), [(3, 1), (3, 2), (2, 1)])
def test_k_hop_sets_equal_breadth_first_search(hops, inner):
    graph = random_graph(n=60, m=70)
    reference = nx.Graph(graph.links.T.tolist())
    reference.add_nodes_from(range(graph.n))
    sets = KHopSets(graph, hops, inner)
    for node in range(graph.n):
        distance = nx.single_source_shortest_path_length(reference, node, hops)
        expected = {v for v, d in distance.items() if d > inner}
        nodes = torch.arange(graph.n)
        inside = sets.contains(torch.full_like(nodes, node), nodes)
        assert set(nodes[inside].tolist()) == expected
        centres = torch.full((40 * max(1, len(expected)),), node)
        drawn, found = sets.draw(centres, seeded(node))
        assert int(sets.sizes(centres[:1])) == len(expected)
        assert bool(found.all()) == bool(expected)
        if expected:
            assert set(drawn.tolist()) <= expected


def test_k_hop_draws_are_uniform_whichever_way_they_are_made(way):
    graph = random_graph(n=40, m=60)
    sets = KHopSets(graph, 3)
    size = sets.sizes(torch.arange(graph.n))
    if way == "walks":
        size = size * sets._walks  # many walks start where most nodes are near
    node = int(size.argmax())
    if way == "rejection":
        assert bool(sets._rejects[node])
    drawn, found = sets.draw(torch.full((20_000,), node), seeded())
    counts = drawn.bincount(minlength=graph.n)
    assert bool(found.all())
    assert chisquare(counts[counts > 0]).pvalue > 1e-4
    assert int((counts > 0).sum()) == int(sets.sizes(torch.tensor([node])))


@pytest.mark.parametrize("m", [60, 150])
@pytest.mark.parametrize(("nearest", "farthest"), [(2, 2), (3, 3), (2, 3)])
def test_each_node_within_reach_has_one_first_path_among_all_walks(nearest, farthest, m):
    graph = random_graph(n=40, m=m)
    reference = nx.Graph(graph.links.T.tolist())
    reference.add_nodes_from(range(graph.n))
    adjacency = torch.from_numpy(graph.scipy.toarray()).long()
    paths = FirstPaths(graph, nearest, farthest)
    for node in range(graph.n):
        ends = []
        for steps in paths.lengths:
            count = int(paths.count[steps][node])
            assert count == int(torch.linalg.matrix_power(adjacency, steps)[node].sum())
            walks = paths.walk(torch.full((count,), node), steps, torch.arange(count))
            for tail, head in pairwise(walks):
                assert bool(graph.has_links(torch.stack([tail, head])).all())
            assert len(set(zip(*(step.tolist() for step in walks), strict=True))) == count
            ends += walks[-1][paths.is_first(walks)].tolist()
        distance = nx.single_source_shortest_path_length(reference, node, farthest)
        assert sorted(ends) == sorted(v for v, d in distance.items() if d >= nearest)


def test_first_paths_are_of_two_or_three_steps_and_an_unlinked_node_has_none():
    graph = Graph(4, torch.tensor([[0, 1], [1, 2]]))
    for lengths in ((1, 2), (3, 2), (2, 4)):
        with pytest.raises(ValueError, match=f"hops {lengths[0]} to {lengths[1]}: expected"):
            FirstPaths(graph, *lengths)
    nodes, found = FirstPaths(graph, 2, 2).draw(torch.tensor([3, 0, 1]), seeded(), 50)
    assert nodes.tolist() == [0, 2, 0]
    assert found.tolist() == [False, True, False]


def test_the_filter_of_a_large_graph_changes_no_answer():
    graph = random_graph(n=40, m=90)
    large = Graph(30_000, graph.links * 700)  # beyond the bit table
    linked = large.links.flip(0)
    others = torch.randint(large.n, (2, 50_000), generator=seeded())
    pairs = torch.cat([linked, others, linked[:, :1]], 1)
    assert torch.equal(large.has_links(pairs), large.find_arcs(pairs)[1])
    assert "_filter" in large.__dict__
    assert "_bits" not in large.__dict__
    assert bool(large.has_links(linked.view(2, -1, 2)).all())
    assert not Graph(30_000, large.links[:, :0]).has_links(others).any()


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_within_hops_is_the_distance_in_the_graph(hops):
    graph = random_graph(n=40, m=50)
    reference = nx.Graph(graph.links.T.tolist())
    reference.add_nodes_from(range(graph.n))
    pairs = torch.cartesian_prod(torch.arange(graph.n), torch.arange(graph.n)).T
    near = within_hops(graph, pairs, hops)
    for (u, v), found in zip(pairs.T.tolist(), near.tolist(), strict=True):
        reached = nx.single_source_shortest_path_length(reference, u, hops)
        assert found == (v in reached)
    with pytest.raises(ValueError, match="at most 3"):
        within_hops(graph, pairs, 4)


def test_a_graph_survives_its_file(tmp_path, graph):
    labelled = Graph(graph.n, graph.links, graph.features, torch.arange(graph.n))
    save_graph(tmp_path / "g.npz", labelled)
    read = load_graph(tmp_path / "g.npz")
    assert torch.equal(read.links, graph.links)
    assert torch.equal(read.labels, labelled.labels)
    assert torch.equal(read.features.csr.to_dense(), graph.features.csr.to_dense())


def test_a_file_of_links_that_no_graph_has_is_named(tmp_path, graph):
    save_graph(tmp_path / "g.npz", replace(graph, links=graph.links.flip(0), brief=True))
    with pytest.raises(DataError, match=r"g\.npz: links .*clean_links"):
        load_graph(tmp_path / "g.npz")
