from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch

from neglink.graph import Graph, neighbours
from neglink.graph.io import feature_matrix
from neglink.graph.sparse import SparseMatrix
from neglink.predictors import PREDICTORS, Heuristic, base, layers, ncn
from neglink.predictors.base import normalised_features
from neglink.predictors.gae import with_dropout
from neglink.predictors.ncn import common_neighbours, looked_up
from neglink.predictors.sage import neighbour_mean
from tests.conftest import random_graph, seeded
from tests.unit.derivatives import assert_derivatives_agree

HEURISTICS = [n for n in PREDICTORS.names() if issubclass(PREDICTORS.get(n), Heuristic)]
TRAINED = [
    name
    for name in PREDICTORS.names()
    if name not in HEURISTICS
    and not PREDICTORS.make(name).build(random_graph(), seeded()).edge_centric
]
"""Edge-centric predictors have tests of their own."""


def dense_copy(graph: Graph) -> Graph:
    return Graph(graph.n, graph.links, graph.features.csr.to_dense())


def edge_index(graph: Graph) -> torch.Tensor:
    return graph.arcs.flip(0)


def test_gcn_equals_pyg(graph):
    from torch_geometric.nn import GCNConv

    model = PREDICTORS.make("gcn", hidden=8, d=5, normalise=True).build(graph, seeded())
    torch.nn.init.normal_(model.b1, generator=seeded(1))
    first, second = GCNConv(graph.f, 8), GCNConv(8, 5)
    with torch.no_grad():
        first.lin.weight.copy_(model.w1.T)
        first.bias.copy_(model.b1)
        second.lin.weight.copy_(model.w2.T)
        second.bias.copy_(model.b2)
    x = normalised_features(graph).csr.to_dense()
    expected = second(first(x, edge_index(graph)).relu(), edge_index(graph))
    assert torch.allclose(model.encode(graph), expected, atol=1e-6)


@pytest.mark.parametrize("messages", ["gathered", "sparse"])
def test_gat_equals_pyg(graph, messages):
    from torch_geometric.nn import GATConv

    settings = PREDICTORS.make("gat", hidden=4, d=5, heads=3, normalise=True, messages=messages)
    model = settings.build(graph, seeded())
    first, second = GATConv(graph.f, 4, heads=3), GATConv(12, 5, heads=3, concat=False)
    with torch.no_grad():
        for layer, i in ((first, "1"), (second, "2")):
            layer.lin.weight.copy_(getattr(model, f"w{i}").T)
            layer.att_src.copy_(getattr(model, f"source{i}")[None])
            layer.att_dst.copy_(getattr(model, f"target{i}")[None])
            layer.bias.copy_(getattr(model, f"b{i}"))
    x = normalised_features(graph).csr.to_dense()
    expected = second(first(x, edge_index(graph)).relu(), edge_index(graph))
    assert torch.allclose(model.encode(graph), expected, atol=1e-6)


def test_sage_equals_pyg(graph):
    from torch_geometric.nn import SAGEConv

    model = PREDICTORS.make("sage", hidden=8, d=5).build(graph, seeded())
    torch.nn.init.normal_(model.b1, generator=seeded(1))
    layers = SAGEConv(graph.f, 8), SAGEConv(8, 5)
    with torch.no_grad():
        for i, layer in enumerate(layers, 1):
            layer.lin_r.weight.copy_(getattr(model, f"w{i}").T)
            layer.lin_l.weight.copy_(getattr(model, f"v{i}").T)
            layer.lin_l.bias.copy_(getattr(model, f"b{i}"))
    x = normalised_features(graph).csr.to_dense()
    expected = layers[1](layers[0](x, edge_index(graph)).relu(), edge_index(graph))
    assert (graph.degree == 0).any()  # a node without neighbours too
    assert torch.allclose(model.encode(graph), expected, atol=1e-6)


def square() -> Graph:
    """0-1-2-3-0 with the diagonal 1-3, node 4 alone."""
    links = torch.tensor([[0, 0, 1, 1, 2], [1, 3, 2, 3, 3]])
    return Graph(5, links, torch.rand(5, 4, generator=seeded(9)))


def test_an_encoder_without_norm_and_activation_is_a_polynomial_of_the_adjacency():
    graph = square()
    a = graph.adjacency.scipy().toarray()
    model = PREDICTORS.make(
        "gae", hidden=6, layers=2, residual=0.5, norm=False, dropout=0.3, inputs="both",
        embedding=3, normalise=False, decoder_layers=0,
    ).build(graph, seeded()).eval()  # fmt: skip
    torch.nn.init.normal_(model.input.map.bias, generator=seeded(1))
    first = graph.features @ model.input.map.weight + model.input.map.bias
    first = first + model.input.rows @ model.input.map_rows
    a = torch.from_numpy(a)
    expected = a @ a @ first + 0.5 * a @ first + 0.5 * first
    z = model.encode(graph)
    assert torch.allclose(z, expected, atol=1e-6)
    pairs = torch.tensor([[3, 0, 4], [1, 2, 0]])
    by_hand = torch.stack([z[u] @ z[v] for u, v in pairs.T.tolist()])
    assert torch.allclose(model.decode(graph, z, pairs), by_hand, atol=1e-6)


@pytest.mark.parametrize("raw_input", [False, True])
@pytest.mark.parametrize("root_weight", [False, True])
def test_layers_with_norm_activation_and_weights_follow_the_formula(root_weight, raw_input):
    graph = square()
    a = torch.from_numpy(graph.adjacency.scipy().toarray())
    model = PREDICTORS.make(
        "gae", hidden=6, layers=2, activation=True, transform=True, residual=0.5,
        decoder_layers=3, decoder_skip=True, root_weight=root_weight,
        raw_input=raw_input,
    ).build(graph, seeded()).eval()  # fmt: skip
    assert len(model.encoder.roots) == 2 * root_weight
    for name, value in model.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(value, generator=seeded(len(name)))

    def norm(x, layer):
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x * layer.weight + layer.bias

    x = graph.features / graph.features.sum(1, keepdim=True)
    h = x @ model.input.map.weight + model.input.map.bias
    first = None
    for i, layer in enumerate(model.encoder.norms):
        weights = model.encoder.transforms[i]
        h = h if raw_input and i == 0 else norm(h, layer).relu()
        first = h if first is None else first
        own = h @ model.encoder.roots[i] if root_weight else 0
        h = a @ h @ weights.weight + weights.bias + own + 0.5 * first
    assert torch.allclose(model.encode(graph), h, atol=1e-5)

    product = h[1] * h[2]
    y = product
    for block in model.decoder:
        y = norm(y @ block.linear.weight + block.linear.bias + product, block.norm).relu()
    expected = y @ model.last.weight + model.last.bias
    got = model.score(graph, torch.tensor([[1], [2]]))
    assert torch.allclose(got, expected, atol=1e-5)


def test_learned_rows_of_a_gae_are_orthogonal_and_of_norm_one_on_average():
    graph = Graph(30, random_graph(n=30).links)
    for width in (8, 50):
        model = PREDICTORS.make("gae", embedding=width, hidden=64).build(graph, seeded())
        rows = model.input.rows.detach()
        assert rows.square().sum().item() == pytest.approx(30, rel=1e-4)
        gram = rows.T @ rows if width < 30 else rows @ rows.T
        assert torch.allclose(gram, gram.diagonal().mean() * torch.eye(gram.shape[0]), atol=1e-4)
        mapped = model.input(graph)  # the map keeps the products of rows
        assert torch.allclose(mapped @ mapped.T, rows @ rows.T, atol=1e-4)


def test_common_neighbours_of_a_square():
    pairs = torch.tensor([[0, 1, 3, 0, 4, 2], [2, 3, 0, 1, 2, 2]])
    found = common_neighbours(square(), pairs)
    expected = torch.zeros(6, 5)
    for row, shared in enumerate([[1, 3], [0, 2], [1], [3], [], [1, 3]]):
        expected[row, shared] = 1
    assert torch.equal(found.csr.to_dense(), expected)
    assert torch.equal(found.transposed.to_dense(), expected.T)


def test_common_neighbours_in_blocks_equal_those_of_sets(monkeypatch):
    graph = random_graph(n=60, m=400)
    around = [set(graph.arcs[1][graph.arcs[0] == u].tolist()) for u in range(graph.n)]
    pairs = torch.randint(graph.n, (2, 300), generator=seeded(4))
    shared = [around[u] & around[v] for u, v in pairs.T.tolist()]
    expected = torch.tensor([[float(w in s) for w in range(graph.n)] for s in shared])
    brief = graph.thinned(torch.ones(graph.m, dtype=torch.bool))
    for entries, table in ((2**21, False), (50, True)):
        monkeypatch.setattr(ncn, "ENTRIES", entries)
        monkeypatch.setattr("neglink.graph.graph.LOOKUP_BYTES", 10**6 if table else 0)
        for found in (common_neighbours(brief, pairs), looked_up(brief, pairs, torch.float32)):
            assert torch.equal(found.csr.to_dense(), expected)
            assert torch.equal(found.transposed.to_dense(), expected.T)
        assert ("_bits" in brief.__dict__) is table
        blocks = list(neighbours.shared_neighbours(brief, pairs, entries=entries))
        assert (len(blocks) > 1) is table
        column, node = torch.cat([torch.stack(block) for block in blocks], 1)
        assert torch.equal(torch.stack([column, node]), expected.nonzero().T)
    assert common_neighbours(graph, pairs[:, :0]).shape == (0, 60)
    none = graph.with_links(graph.links[:, :0])
    assert common_neighbours(none, pairs).csr.to_dense().sum() == 0


def test_ncn_adds_the_embeddings_of_common_neighbours():
    graph = square()
    model = PREDICTORS.make("ncn", hidden=6, layers=1, norm=False).build(graph, seeded()).eval()
    z = model.encode(graph)

    def block(module, x):
        return (x @ module.linear.weight + module.linear.bias).relu()

    joint, last = model.joint
    pairs = torch.tensor([[0, 0, 4], [2, 1, 2]])
    shared = torch.stack([z[1] + z[3], z[3], torch.zeros(6)])
    h = block(model.product[0], z[pairs[0]] * z[pairs[1]]) + block(model.common[0], shared)
    expected = (block(joint, h) @ last.weight + last.bias).squeeze(-1)
    assert torch.allclose(model.decode(graph, z, pairs), expected, atol=1e-6)


DEEP = {
    "sage": {"hidden": 6, "d": 4, "dropout": 0.5},
    "gae": {
        "hidden": 6, "inputs": "both", "embedding": 4, "activation": True, "transform": True,
        "residual": 0.3, "decoder_layers": 3, "decoder_skip": True,
    },
    "gae dot": {"hidden": 6, "decoder_layers": 0},
    "gat gathered": {"hidden": 3, "d": 4, "heads": 2},
    "gat sparse": {"hidden": 3, "d": 4, "heads": 2, "messages": "sparse"},
    "ncn": {"hidden": 6, "layers": 2},
}  # fmt: skip


@pytest.mark.parametrize("case", DEEP)
def test_forward_and_reverse_mode_agree_with_differences(case):
    graph = random_graph(n=20, m=50)
    dense = graph.features.csr.to_dense().double()
    graph = Graph(graph.n, graph.links, dense)
    graph.__dict__["adjacency"] = SparseMatrix.symmetric(graph.adjacency.scipy(), torch.float64)
    graph.__dict__["_neighbour_mean"] = neighbour_mean(graph).to(torch.float64)
    name = case.split()[0]
    model = PREDICTORS.make(name, **DEEP[case]).build(graph, seeded()).double().eval()
    for key, value in model.named_parameters():
        if value.dim() == 1:  # biases of 0 put a sum over no neighbour at the kink of the relu
            torch.nn.init.normal_(value, generator=seeded(len(key)))
    assert_derivatives_agree(model, graph)


@pytest.mark.parametrize("name", ["sage", "gae", "ncn"])
def test_dropout_follows_the_mode_and_torchs_generator(name, graph):
    part = PREDICTORS.make(
        name, dropout=0.5, **({} if name == "sage" else {"decoder_dropout": 0.5})
    )
    model = part.build(graph, seeded())
    scores = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        scores.append(model.train().score(graph, graph.links))
    assert torch.equal(scores[0], scores[1])
    assert not torch.allclose(scores[0], scores[2])
    model.eval()
    assert torch.equal(model.score(graph, graph.links), model.score(graph, graph.links))


def test_dropout_keeps_the_mean_and_drops_the_share():
    torch.manual_seed(0)
    dropped = layers.dropout(torch.ones(300, 1001), 0.25, training=True)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)
    assert (dropped == 0).float().mean(0).max() < 0.4  # no column is special
    nearly_all = layers.dropout(torch.ones(300, 1001), 0.999, training=True)
    assert nearly_all.unique().tolist() == [0, 256]
    assert nearly_all.mean().item() == pytest.approx(1, abs=0.2)
    same = torch.ones(3)
    assert layers.dropout(same, 0.25, training=False) is same
    assert layers.dropout(same, 0.0, training=True) is same


def test_dropped_features_stay_sparse_and_have_the_gradient_of_dense_ones():
    x = scipy.sparse.random_array((200, 30), density=0.3, rng=np.random.default_rng(3))
    whole = SparseMatrix.from_scipy(x)
    torch.manual_seed(4)
    part = with_dropout(whole, 0.75)
    values = part.scipy().toarray()
    kept = values != 0
    assert np.allclose(values[kept], 4 * x.toarray()[kept], rtol=1e-6)
    assert 0.2 < kept.sum() / x.nnz < 0.3
    assert (part.transposed.to_dense().numpy() == values.T).all()
    weight = torch.randn(30, 4, generator=seeded(5), requires_grad=True)
    (part @ weight).square().sum().backward()
    dense = torch.from_numpy(values)
    by_hand = 2 * dense.T @ (dense @ weight.detach())
    assert torch.allclose(weight.grad, by_hand, rtol=1e-4)
    torch.manual_seed(4)
    again = with_dropout(SparseMatrix.from_scipy(x), 0.75)
    assert (again.scipy().toarray() == values).all()


@pytest.mark.parametrize(
    ("name", "more"),
    [("gae", {}), ("ncn", {}), ("dense-gae", {"inputs": "both", "rows": "free"})],
)
def test_feature_dropout_acts_in_training_alone(name, more, graph):
    settings = {"hidden": 6, "dropout": 0.0, "decoder_dropout": 0.0, "embedding": 6, **more}
    pairs = torch.tensor([[0, 1], [2, 3]])
    plain, dropping = (
        PREDICTORS.make(name, **settings, feature_dropout=rate).build(graph, seeded())
        for rate in (0.0, 0.5)
    )
    assert torch.equal(plain.eval().score(graph, pairs), dropping.eval().score(graph, pairs))
    torch.manual_seed(1)
    assert not torch.equal(plain.train().score(graph, pairs), dropping.train().score(graph, pairs))


@pytest.mark.parametrize("name", ["gae", "ncn"])
def test_pairs_scored_in_parts_get_the_same_logits(name, graph, monkeypatch):
    model = PREDICTORS.make(name, hidden=8).build(graph, seeded()).eval()
    whole = model.score(graph, graph.links)
    monkeypatch.setattr(base, "PAIRS_AT_ONCE", 7)
    with torch.no_grad():
        assert torch.allclose(model.score(graph, graph.links), whole, atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("normalise", [True, False])
def test_sparse_and_dense_features_give_one_answer(name, normalise, graph):
    settings = PREDICTORS.make(name, normalise=normalise)
    sparse = settings.build(graph, seeded()).eval().encode(graph)
    other = dense_copy(graph)
    dense = settings.build(other, seeded()).eval().encode(other)
    assert torch.allclose(sparse, dense, atol=1e-5)
    asked = replace(settings, sparse=True).build(other, seeded()).eval()
    inputs = [part for part in asked.modules() if isinstance(part, base.NodeInput)]
    assert all(isinstance(part.matrix(other), SparseMatrix) for part in inputs)
    assert torch.allclose(asked.encode(other), dense, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_scores_pairs_symmetrically_as_logits(name, graph):
    model = PREDICTORS.make(name).build(graph, seeded()).eval()
    pairs = torch.randint(graph.n, (2, 50), generator=seeded(1))
    scores = model.score(graph, pairs)
    assert scores.shape == (50,)
    assert torch.allclose(scores, model.score(graph, pairs.flip(0)), atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_a_graph_without_features_gets_learned_rows(name, graph):
    bare = Graph(graph.n, graph.links)
    model = PREDICTORS.make(name, embedding=7).build(bare, seeded())
    assert model.input.rows.shape == (graph.n, 7)
    model.score(bare, bare.links).sum().backward()
    assert model.input.rows.grad.abs().sum() > 0


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_generator_gives_the_same_weights(name, graph):
    first, again = (PREDICTORS.make(name).build(graph, seeded(3)).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("name", [n for n in TRAINED if n != "mlp"])
def test_messages_follow_the_given_graph_alone(name, graph):
    model = PREDICTORS.make(name).build(graph, seeded()).eval()
    isolated = graph.with_links(graph.links[:, :0])
    assert not torch.allclose(model.encode(graph), model.encode(isolated))


def test_normalised_rows_sum_to_one_and_empty_rows_stay():
    graph = Graph(3, torch.tensor([[0], [1]]), feature_matrix(np.eye(3, 40) * [[4], [2], [0]]))
    assert normalised_features(graph).csr.to_dense().sum(1).tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", HEURISTICS)
def test_heuristics_score_the_train_graph(name):
    graph = random_graph(n=30, m=60)
    pairs = torch.randint(30, (2, 40), generator=seeded())
    scores = PREDICTORS.make(name).score(graph, pairs)
    assert scores.shape == (40,)
    assert torch.allclose(scores, PREDICTORS.make(name).score(graph, pairs.flip(0)))
