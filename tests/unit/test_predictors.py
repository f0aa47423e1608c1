import numpy as np
import pytest
import torch

from neglink.graph import Graph
from neglink.graph.io import feature_matrix
from neglink.predictors import PREDICTORS, Heuristic
from neglink.predictors.base import normalised_features
from tests.conftest import random_graph, seeded

TRAINED = [n for n in PREDICTORS.names() if not issubclass(PREDICTORS.get(n), Heuristic)]


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


def test_gat_equals_pyg(graph):
    from torch_geometric.nn import GATConv

    model = PREDICTORS.make("gat", hidden=4, d=5, heads=3, normalise=True).build(graph, seeded())
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


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("normalise", [True, False])
def test_sparse_and_dense_features_give_one_answer(name, normalise, graph):
    settings = PREDICTORS.make(name, normalise=normalise)
    sparse = settings.build(graph, seeded()).encode(graph)
    other = dense_copy(graph)
    dense = settings.build(other, seeded()).encode(other)
    assert torch.allclose(sparse, dense, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_scores_pairs_symmetrically_as_logits(name, graph):
    model = PREDICTORS.make(name).build(graph, seeded())
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
    model = PREDICTORS.make(name).build(graph, seeded())
    isolated = graph.with_links(graph.links[:, :0])
    assert not torch.allclose(model.encode(graph), model.encode(isolated))


def test_normalised_rows_sum_to_one_and_empty_rows_stay():
    graph = Graph(3, torch.tensor([[0], [1]]), feature_matrix(np.eye(3, 40) * [[4], [2], [0]]))
    assert normalised_features(graph).csr.to_dense().sum(1).tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", [n for n in PREDICTORS.names() if n not in TRAINED])
def test_heuristics_score_the_train_graph(name):
    graph = random_graph(n=30, m=60)
    pairs = torch.randint(30, (2, 40), generator=seeded())
    scores = PREDICTORS.make(name).score(graph, pairs)
    assert scores.shape == (40,)
    assert torch.allclose(scores, PREDICTORS.make(name).score(graph, pairs.flip(0)))
