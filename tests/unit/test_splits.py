import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neglink.errors import ParamsError, SplitError
from neglink.graph import Graph, clean_links
from neglink.graph.keys import keys_of, pairs_of
from neglink.splits import PROTOCOLS, SPLITS, LinkSplit, Ranked, check, make_split
from neglink.splits.base import (
    distinct,
    non_links,
    stream,
    uniform_non_links,
)
from neglink.splits.links import OfficialSplit, RandomSplit

MAKERS = {
    "uniform": {"negatives_per_link": 2},
    "candidates": {"per_link": 5},
    "heart": {"per_link": 7},
}


def random_graph(n: int, rows: int, seed: int) -> Graph:
    pairs = np.random.default_rng(seed).integers(0, n, (2, rows))
    return Graph(n, torch.from_numpy(clean_links(pairs, n)[0]))


def complete_graph(n: int) -> Graph:
    return Graph(n, torch.triu_indices(n, n, offset=1))


def made(protocol: str = "uniform", seed: int = 0, graph: Graph | None = None) -> LinkSplit:
    part = PROTOCOLS.make(protocol, **MAKERS[protocol])
    return make_split(graph or random_graph(30, 90, 0), RandomSplit(), part, seed)


def with_official(graph: Graph) -> Graph:
    """The graph with an official division: pairs in any direction, as they come from files."""
    m = graph.m
    keys = uniform_non_links(graph, 20, np.random.default_rng(0))
    negatives = pairs_of(keys, graph.n).numpy()
    links = graph.links.flip(0).numpy()
    official = {
        "valid": links[:, : m // 5][:, ::-1].copy(),
        "test": links[:, m // 5 : m // 2],
        "valid_neg": negatives[:, :8],
        "test_neg": negatives[::-1, 8:].copy(),
    }
    return dataclasses.replace(graph, official=official)


@pytest.mark.parametrize("protocol", MAKERS)
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(20, 40), rows=st.integers(40, 90), seed=st.integers(0, 10), drawn=st.integers(0)
)
def test_no_split_leaks(protocol: str, n: int, rows: int, seed: int, drawn: int) -> None:
    graph = random_graph(n, rows, seed)
    split = made(protocol, drawn, graph)  # make_split has checked it, with the code under test
    sides = [set(map(tuple, getattr(split, s).t().tolist())) for s in ("train", "valid", "test")]
    links = set(map(tuple, graph.links.t().tolist()))
    assert sides[0] | sides[1] | sides[2] == links
    assert sum(map(len, sides)) == len(links)
    for ranked in split.ranked.values():
        pairs = ranked.negatives.flatten(1).sort(0).values.t().tolist()
        assert not links & set(map(tuple, pairs))
        assert all(u != v for u, v in pairs)


@pytest.mark.parametrize("protocol", MAKERS)
def test_a_seed_gives_one_split(protocol: str) -> None:
    one, same, other = made(protocol, 3), made(protocol, 3), made(protocol, 4)
    for side in ("train", "valid", "test"):
        assert torch.equal(getattr(one, side), getattr(same, side))
    assert not torch.equal(one.test, other.test)
    for side in ("valid", "test"):
        assert torch.equal(one.ranked[side].negatives, same.ranked[side].negatives)


def test_the_protocol_does_not_change_the_links() -> None:
    assert torch.equal(made("uniform").test, made("heart").test)


@pytest.mark.parametrize("protocol", MAKERS)
def test_a_file_gives_the_split_back(protocol: str, tmp_path: Path) -> None:
    split = made(protocol)
    split.save(tmp_path / "split.npz")
    back = LinkSplit.load(tmp_path / "split.npz")
    assert back.n == split.n
    for side in ("train", "valid", "test"):
        assert torch.equal(getattr(back, side), getattr(split, side))
    for side, ranked in split.ranked.items():
        assert back.ranked[side].shared == ranked.shared
        assert torch.equal(back.ranked[side].positives, ranked.positives)
        assert torch.equal(back.ranked[side].negatives, ranked.negatives)


def test_a_file_that_is_no_split_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", n=3)
    with pytest.raises(SplitError, match="has no array"):
        LinkSplit.load(tmp_path / "other.npz")


# --- links


def test_shares_are_kept() -> None:
    graph = random_graph(100, 1200, 0)
    split = make_split(graph, RandomSplit(0.85, 0.05, 0.1), PROTOCOLS.make("uniform"), 0)
    assert split.valid.shape[1] == round(0.05 * graph.m)
    assert split.test.shape[1] == round(0.1 * graph.m)
    assert split.train_graph(graph).m == graph.m - split.valid.shape[1] - split.test.shape[1]


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ParamsError, match="must be 1"):
        SPLITS.make("random", train=0.7, valid=0.2, test=0.2)
    with pytest.raises(ParamsError, match="test"):
        SPLITS.make("random", train=0.7, valid=0.3, test=0)


def test_an_empty_side_names_its_setting() -> None:
    with pytest.raises(SplitError, match=r"split\.valid=0\.1 of 3 links"):
        make_split(random_graph(6, 3, 0), RandomSplit(), PROTOCOLS.make("uniform"), 0)


def test_every_link_is_held_out_equally_often() -> None:
    graph = random_graph(12, 30, 0)
    count = np.zeros(graph.n**2)
    for seed in range(600):
        sides = RandomSplit().divide(graph, stream(seed, "links"))
        count[keys_of(sides.test, graph.n)] += 1
    count = count[keys_of(graph.links, graph.n)]
    share = round(0.2 * graph.m) / graph.m
    assert (abs(count - 600 * share) < 5 * np.sqrt(600 * share * (1 - share))).all()


def test_the_official_division_is_kept() -> None:
    graph = with_official(random_graph(30, 90, 0))
    split = make_split(graph, OfficialSplit(), PROTOCOLS.make("official"), 0)
    assert torch.equal(split.valid, graph.links[:, : graph.m // 5])
    negatives = torch.from_numpy(graph.official["test_neg"]).sort(0).values
    assert torch.equal(split.ranked["test"].negatives, negatives)


def test_no_official_division_names_the_way_out() -> None:
    graph = random_graph(30, 90, 0)
    with pytest.raises(SplitError, match=r"split\.kind: random"):
        make_split(graph, OfficialSplit(), PROTOCOLS.make("uniform"), 0)
    with pytest.raises(SplitError, match=r"evaluation\.kind: uniform"):
        make_split(graph, RandomSplit(), PROTOCOLS.make("official"), 0)


# --- uniform negatives


@given(size=st.integers(1, 60), share=st.floats(0, 1), seed=st.integers(0, 100))
def test_distinct_integers(size: int, share: float, seed: int) -> None:
    count = int(share * size)
    drawn = distinct(np.random.default_rng(seed), size, count)
    assert drawn.size == np.unique(drawn).size == count
    assert not count or 0 <= drawn.min() <= drawn.max() < size


@settings(deadline=None)
@given(n=st.integers(2, 12), rows=st.integers(0, 60), seed=st.integers(0, 20))
def test_all_non_links_can_be_drawn(n: int, rows: int, seed: int) -> None:
    graph = random_graph(n, rows, seed)
    everything = uniform_non_links(graph, non_links(graph), np.random.default_rng(seed))
    pairs = keys_of(torch.triu_indices(n, n, offset=1), n)
    assert set(everything) == set(pairs) - set(keys_of(graph.links, n))


def test_non_links_are_equally_likely() -> None:
    graph, rounds = random_graph(10, 20, 0), 3000
    rng = np.random.default_rng(0)
    drawn = np.concatenate([uniform_non_links(graph, 5, rng) for _ in range(rounds)])
    count = np.unique(drawn, return_counts=True)[1]
    expected = rounds * 5 / non_links(graph)
    assert count.size == non_links(graph)
    assert (abs(count - expected) < 5 * np.sqrt(expected)).all()


def test_uniform_negatives_are_stored_smaller_id_first() -> None:
    split = made("uniform")
    for side in ("valid", "test"):
        ranked = split.ranked[side]
        assert ranked.negatives.shape == (2, 2 * ranked.positives.shape[1])
        assert (ranked.negatives[0] < ranked.negatives[1]).all()


def test_too_many_negatives_name_the_largest_number() -> None:
    graph = random_graph(10, 30, 0)
    most = non_links(graph) // (round(0.1 * graph.m) + round(0.2 * graph.m))
    make_split(graph, RandomSplit(), PROTOCOLS.make("uniform", negatives_per_link=most), 0)
    with pytest.raises(SplitError, match=f"negatives_per_link={most + 1} .* to {most} or less"):
        make_split(graph, RandomSplit(), PROTOCOLS.make("uniform", negatives_per_link=most + 1), 0)
    with pytest.raises(SplitError, match=r"Lower split\.valid"):
        make_split(complete_graph(8), RandomSplit(), PROTOCOLS.make("uniform"), 0)


# --- negatives per link


def test_candidates_keep_one_end_and_are_distinct() -> None:
    ranked = made("candidates").ranked["test"]
    p = ranked.positives.shape[1]
    assert ranked.negatives.shape == (2, p, 5)
    query = ranked.negatives[0]
    assert (query == query[:, :1]).all()
    assert ((query[:, 0] == ranked.positives[0]) | (query[:, 0] == ranked.positives[1])).all()
    assert all(row.unique().numel() == 5 for row in ranked.negatives[1])


@pytest.mark.parametrize(("protocol", "per_link"), [("candidates", 4), ("heart", 7)])
def test_too_few_candidates_name_the_setting(protocol: str, per_link: int) -> None:
    graph = Graph(6, torch.triu_indices(6, 6, offset=1)[:, :13])  # two pairs are no link
    with pytest.raises(SplitError, match=rf"evaluation\.per_link={per_link} needs 4 candidates"):
        make_split(graph, RandomSplit(), PROTOCOLS.make(protocol, per_link=per_link), 0)


# --- the leak check


def set_ranked(split: LinkSplit, side: str, **changes: torch.Tensor) -> LinkSplit:
    ranked = dataclasses.replace(split.ranked[side], **changes)
    return dataclasses.replace(split, ranked={**split.ranked, side: ranked})


def faults() -> dict[str, tuple[LinkSplit, str]]:
    good = made("uniform")
    n, negatives = good.n, good.ranked["test"].negatives
    train, valid, test = good.train, good.valid, good.test
    both = torch.cat([train, valid[:, :1]], dim=1)
    both = both[:, torch.argsort(both[0] * n + both[1])]
    twice = torch.cat([test[:, :1], test], dim=1)
    replace = dataclasses.replace

    def planted(pair: torch.Tensor, side: str = "test") -> LinkSplit:
        clean = good.ranked[side].negatives
        return set_ranked(good, side, negatives=torch.cat([clean[:, 1:], pair[:, None]], dim=1))

    return {
        "valid link in train": (replace(good, train=both), "1 links both in train and in valid"),
        "link twice": (replace(good, test=twice), "1 links twice in test"),
        "link missing": (replace(good, train=train[:, 1:]), "1 links of the graph that are on no"),
        "link reversed": (replace(good, valid=valid.flip(0)), "valid links out of order"),
        "unknown link": (
            replace(good, train=_one_more(train, negatives[:, 0], n)),
            "1 links of the split that the graph does not have",
        ),
        "link as negative": (planted(train[:, 0]), "1 test negatives that are links"),
        "reversed test link as negative": (
            planted(test[:, 0].flip(0), "valid"),
            "1 valid negatives that are links",
        ),
        "self pair": (planted(torch.tensor([4, 4])), r"1 test negatives with a node with itself"),
        "id too large": (planted(torch.tensor([4, n])), "1 test negatives with ids outside"),
        "id below zero": (planted(torch.tensor([-1, 4])), "1 test negatives with ids outside"),
        "negative twice": (planted(negatives[:, 1]), "1 negatives twice in test"),
        "negative on both sides": (
            planted(good.ranked["valid"].negatives[:, 0].flip(0)),
            "1 negatives both in validation and in test",
        ),
        "ranked link of another side": (
            set_ranked(good, "test", positives=valid),
            "ranked test links not on it",
        ),
        "other number of nodes": (replace(good, n=n + 1), "31 nodes"),
    }


def _one_more(links: torch.Tensor, pair: torch.Tensor, n: int) -> torch.Tensor:
    longer = torch.cat([links, pair[:, None]], dim=1)
    return longer[:, torch.argsort(longer[0] * n + longer[1])]


@pytest.mark.parametrize("fault", faults())
def test_each_planted_fault_is_caught(fault: str) -> None:
    split, message = faults()[fault]
    with pytest.raises(SplitError, match=message):
        check(split, random_graph(30, 90, 0))


def test_a_train_graph_with_held_out_links_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    split, graph = made("uniform"), random_graph(30, 90, 0)
    monkeypatch.setattr(LinkSplit, "train_graph", lambda self, whole: whole)
    with pytest.raises(SplitError, match="valid links in the train graph"):
        check(split, graph)


def test_the_check_reports_what_it_compared() -> None:
    graph = random_graph(30, 90, 0)
    report = check(made("uniform"), graph)
    assert sum(report["links"].values()) == graph.m
    assert report["negatives"]["test"] == 2 * report["links"]["test"]
    assert report["negatives_in_valid_and_test"] == 0


def test_ranked_negatives_are_told_apart_by_shape() -> None:
    pairs = torch.zeros(2, 3, dtype=torch.int64)
    assert Ranked(pairs, pairs, shared=True).negatives.dim() == 2
