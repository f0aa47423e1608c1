"""The planted graph: what it says of itself is how it was drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neglink.datasets import build_graph, identity
from neglink.datasets.planted import Planted, is_planted, link_probability
from neglink.errors import DataError, ParamsError
from neglink.graph import Graph, load_graph, save_graph
from neglink.graph.sparse import SparseMatrix


@pytest.fixture(scope="module")
def planted() -> Graph:
    return Planted().build(0)


def all_pairs(n: int) -> np.ndarray:
    return np.stack(np.triu_indices(n, 1))


def auc(links: np.ndarray, others: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    labels = np.r_[np.ones(links.size), np.zeros(others.size)]
    return float(roc_auc_score(labels, np.r_[links, others]))


def test_one_seed_one_graph() -> None:
    first, second, other = (Planted(nodes=300).build(seed) for seed in (1, 1, 2))
    assert torch.equal(first.links, second.links)
    assert isinstance(first.features, SparseMatrix)
    assert isinstance(second.features, SparseMatrix)
    assert (first.features.scipy() != second.features.scipy()).nnz == 0
    assert not torch.equal(first.links, other.links)


def test_the_links_are_clean_and_of_the_mean_degree(planted: Graph) -> None:
    assert (planted.links[0] < planted.links[1]).all()
    expected = link_probability(planted, all_pairs(planted.n)).sum()
    assert expected == pytest.approx(planted.n * 10 / 2, rel=1e-6)
    assert abs(planted.m - expected) < 4 * np.sqrt(expected)


def test_pairs_are_linked_as_often_as_their_probability_says() -> None:
    pairs = all_pairs(400)
    expected = np.zeros(5)
    seen, spread = np.zeros(5), np.zeros(5)
    for seed in range(12):
        graph = Planted(nodes=400, features=0).build(seed)
        p = link_probability(graph, pairs)
        linked = graph.has_links(torch.from_numpy(pairs)).numpy()
        bins = np.digitize(p, [0.003, 0.03, 0.15, 0.5])
        expected += np.bincount(bins, p, 5)
        seen += np.bincount(bins, linked, 5)
        spread += np.bincount(bins, p * (1 - p), 5)
    assert (expected > 30).all()
    assert (np.abs(seen - expected) < 4 * np.sqrt(spread)).all()


def test_heuristics_work_and_stay_below_the_ceiling(planted: Graph) -> None:
    pairs = all_pairs(planted.n)
    linked = planted.has_links(torch.from_numpy(pairs)).numpy()
    p = link_probability(planted, pairs)
    ceiling = auc(p[linked], p[~linked])
    degree = planted.degree.numpy().astype(float)
    # a link adds one to both degrees, so it is taken off again
    product = (degree[pairs[0]] - linked) * (degree[pairs[1]] - linked)
    assert isinstance(planted.features, SparseMatrix)
    words = planted.features.scipy()
    words = words / np.sqrt(np.maximum(words.sum(axis=1), 1))[:, None]
    overlap = (words @ words.T).todense()[*pairs]
    assert 0.9 < ceiling < 0.96
    assert 0.65 < auc(product[linked], product[~linked]) < ceiling - 0.05
    assert 0.6 < auc(overlap[linked], overlap[~linked]) < ceiling - 0.05


def test_the_truth_survives_the_file_and_other_links(planted: Graph, tmp_path: Path) -> None:
    save_graph(tmp_path / "planted.npz", planted)
    loaded = load_graph(tmp_path / "planted.npz")
    some = planted.links[:, :50]
    fewer = loaded.with_links(some)
    assert is_planted(fewer)
    expected = link_probability(planted, some)
    np.testing.assert_array_equal(link_probability(fewer, some), expected)
    np.testing.assert_allclose(link_probability(fewer, some.flip(0)), expected)
    assert link_probability(planted, np.array([[3], [3]])) == [0.0]
    assert link_probability(planted, np.zeros((2, 0), dtype=np.int64)).size == 0


def test_another_graph_has_no_probabilities() -> None:
    graph = Graph(3, torch.tensor([[0], [1]]))
    assert not is_planted(graph)
    with pytest.raises(DataError, match="planted graph only"):
        link_probability(graph, graph.links)


def test_labels_classes_and_degrees_follow_the_settings() -> None:
    graph = Planted(nodes=500, classes=4, features=0, exponent=100, mean_degree=6).build(3)
    assert graph.features is None
    assert graph.labels is not None
    assert torch.bincount(graph.labels).tolist() == [125] * 4
    assert graph.truth["theta"].max() < 1.2  # nearly equal nodes


def test_a_larger_graph_is_drawn_without_visiting_all_pairs() -> None:
    graph = Planted(nodes=20_000, features=20, mean_degree=8).build(0)
    assert 2 * graph.m / graph.n == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize(
    "settings",
    [{"nodes": 30, "mean_degree": 20}, {"nodes": 100, "reach": 0.001, "separation": 50}],
)
def test_a_degree_out_of_reach_is_said(settings: dict[str, float]) -> None:
    with pytest.raises(DataError, match="planted graph"):
        Planted(**settings).build(0)  # type: ignore[arg-type]


def test_a_source_gives_the_graph_its_report_and_its_identity(tmp_path: Path) -> None:
    source = {"kind": "planted", "seed": 4, "nodes": 200}
    graph, report = build_graph(source, tmp_path)
    assert report["counts"]["nodes"] == graph.n == 200
    assert report["settings"] == identity(source)["settings"]
    assert identity(source) != identity(source | {"seed": 5})
    assert identity(source) != identity(source | {"nodes": 201})


@pytest.mark.parametrize("wrong", [{"nodes": 1}, {"node": 20}, {"seed": -1}, {"seed": "a"}])
def test_a_wrong_setting_is_named(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=rf"data\.planted\.{next(iter(wrong))}"):
        build_graph({"kind": "planted", **wrong}, tmp_path)
