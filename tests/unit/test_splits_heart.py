import numpy as np
import pytest
import torch

from neglink.errors import ParamsError, SplitError
from neglink.graph import Graph, clean_links, similarity
from neglink.splits import PROTOCOLS, make_split, stream
from neglink.splits import heart as module
from neglink.splits.heart import Heart, hardest
from neglink.splits.links import RandomSplit


def random_graph(n: int, rows: int, seed: int) -> Graph:
    pairs = np.random.default_rng(seed).integers(0, n, (2, rows))
    return Graph(n, torch.from_numpy(clean_links(pairs, n)[0]))


def slow_order(graph: Graph, train: Graph, node: int, tie_break: np.ndarray) -> list[int]:
    """All candidates of a node, hardest first: the docstring of Heart, word by word."""
    linked = set(graph.links[:, (graph.links == node).any(0)].flatten().tolist())
    candidates = [x for x in range(graph.n) if x != node and x not in linked]
    pairs = torch.tensor([[node] * len(candidates), candidates])
    best = dict.fromkeys(candidates, graph.n)
    for score in (similarity.resource_allocation, similarity.personalised_pagerank):
        values = dict(zip(candidates, score(train, pairs).tolist(), strict=True))
        for x in candidates:
            if values[x] > 0:
                rank = 1 + sum(values[y] > values[x] * (1 + 1e-9) for y in candidates)
                best[x] = min(best[x], rank)
    return sorted(candidates, key=lambda x: best[x] + tie_break[x])


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_slow_reading_of_the_docstring(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOURCES", 8)
    monkeypatch.setattr(similarity, "SOURCES", 8)
    graph = random_graph(35, 50, seed)  # sparse: some candidates cannot be reached
    train = graph.links[:, ::2]
    kept = np.arange(0, 35, 2)
    found = hardest(graph, train, kept, 20, np.random.default_rng(seed))
    ties = np.random.default_rng(seed).random((kept.size, graph.n))  # blocks draw in this order
    for row, node in enumerate(kept):
        slow = slow_order(graph, graph.with_links(train), int(node), ties[row])
        assert found[row].tolist() == slow[:20]


def test_half_of_the_negatives_keep_either_end() -> None:
    graph = random_graph(40, 100, 0)
    split = make_split(graph, RandomSplit(), Heart(per_link=7), 0)
    ranked = split.ranked["test"]
    assert not ranked.shared
    assert ranked.negatives.shape == (2, ranked.positives.shape[1], 7)
    assert (ranked.negatives[0, :, :4] == ranked.positives[0][:, None]).all()
    assert (ranked.negatives[1, :, 4:] == ranked.positives[1][:, None]).all()
    keys = ranked.negatives.min(0).values * graph.n + ranked.negatives.max(0).values
    assert all(row.unique().numel() == 7 for row in keys)


def test_heart_negatives_are_harder_than_random_ones() -> None:
    graph = random_graph(60, 300, 0)
    split = make_split(graph, RandomSplit(), Heart(per_link=6), 0)
    random = make_split(graph, RandomSplit(), PROTOCOLS.make("candidates", per_link=6), 0)
    train = split.train_graph(graph)
    scores = [
        similarity.resource_allocation(train, s.ranked["test"].negatives.flatten(1)).mean()
        for s in (split, random)
    ]
    assert scores[0] > 1.5 * scores[1]


def test_positives_are_a_sample_of_the_side() -> None:
    graph = random_graph(40, 100, 0)
    split = make_split(graph, RandomSplit(), Heart(per_link=4, positives=5), 0)
    ranked = split.ranked["test"]
    assert ranked.positives.shape == (2, 5)
    sides = Heart(per_link=4, positives=5).rank(
        graph, RandomSplit().divide(graph, stream(0, "links")), stream(1, "negatives")
    )
    assert not torch.equal(sides["test"].positives, ranked.positives)


def test_more_positives_than_links_name_the_setting() -> None:
    with pytest.raises(SplitError, match=r"evaluation\.positives=999, but the valid side"):
        make_split(random_graph(40, 100, 0), RandomSplit(), Heart(per_link=4, positives=999), 0)
    with pytest.raises(ParamsError, match="positives"):
        PROTOCOLS.make("heart", positives=0)
