"""Is anything on two sides? The check that every split passes before it is written."""

from typing import Any

import numpy as np
from torch import Tensor

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.graph.keys import Keys, keys_of, once
from neglink.splits.base import RANKED_SIDES, Side
from neglink.splits.split import LinkSplit


def check(split: LinkSplit, graph: Graph) -> dict[str, Any]:
    """Compare the sides of a split with each other and with the whole graph.

    A pair counts in either direction. Shared negatives of validation and test must differ;
    negatives per link may recur, since the hardest candidates of a node are the same on both
    sides: their number is reported.

    Returns:
        What was compared: numbers of links, negatives and recurring negatives, as JSON values.

    Raises:
        SplitError: with how many and one example, where an id is out of range, a pair is a node
            with itself, links are out of order, twice on a side or on two, the sides are not the
            links of the graph, the train graph holds a held-out link, a ranked positive is not a
            link of its side, a negative is a link of the graph, or a shared negative recurs.
    """
    _check_ids(split, graph)
    sides = {name: keys_of(getattr(split, name), split.n) for name in ("train", "valid", "test")}
    _check_sides(sides, split, graph)
    negatives: dict[str, Keys] = {}
    for side in RANKED_SIDES:
        positives = keys_of(split.ranked[side].positives, split.n)
        _refuse(
            positives[~np.isin(positives, sides[side])], f"ranked {side} links not on it", split
        )
        negatives[side] = _distinct_negatives(side, split)
        linked = np.intersect1d(negatives[side], keys_of(graph.links, graph.n), assume_unique=True)
        _refuse(linked, f"{side} negatives that are links of the graph", split)
    both = np.intersect1d(negatives["valid"], negatives["test"], assume_unique=True)
    if any(ranked.shared for ranked in split.ranked.values()):
        _refuse(both, "negatives both in validation and in test", split)
    return {
        "links": {name: int(keys.size) for name, keys in sides.items()},
        "positives": {s: int(split.ranked[s].positives.shape[1]) for s in RANKED_SIDES},
        "negatives": {s: split.ranked[s].negatives[0].numel() for s in RANKED_SIDES},
        "distinct_negatives": {s: int(negatives[s].size) for s in RANKED_SIDES},
        "negatives_in_valid_and_test": int(both.size),
    }


def _check_ids(split: LinkSplit, graph: Graph) -> None:
    """Ids in range, and no node paired with itself."""
    if split.n != graph.n:
        raise SplitError(f"the split is of {split.n} nodes, the graph has {graph.n}")
    parts = {"train links": split.train, "valid links": split.valid, "test links": split.test}
    for side in RANKED_SIDES:
        parts[f"ranked {side} links"] = split.ranked[side].positives
        parts[f"{side} negatives"] = split.ranked[side].negatives
    for name, pairs in parts.items():
        u, v = pairs.numpy().reshape(2, -1)
        for bad, what in (
            ((u < 0) | (u >= graph.n) | (v < 0) | (v >= graph.n), f"ids outside [0, {graph.n})"),
            (u == v, "a node with itself"),
        ):
            if bad.any():
                _fail(int(bad.sum()), f"{name} with {what}", (int(u[bad][0]), int(v[bad][0])))


def _check_sides(sides: dict[str, Keys], split: LinkSplit, graph: Graph) -> None:
    """Every link of the graph on exactly one side, and none but training links to train on."""
    for name, keys in sides.items():
        _refuse(_repeated(keys), f"links twice in {name}", split)
        directed = _directed(getattr(split, name), split.n)
        _refuse(keys[directed != np.sort(keys)], f"{name} links out of order", split)
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        both = np.intersect1d(sides[one], sides[other], assume_unique=True)
        _refuse(both, f"links both in {one} and in {other}", split)
    whole, covered = keys_of(graph.links, graph.n), np.concatenate(list(sides.values()))
    unknown = np.setdiff1d(covered, whole, assume_unique=True)
    _refuse(unknown, "links of the split that the graph does not have", split)
    missing = np.setdiff1d(whole, covered, assume_unique=True)
    _refuse(missing, "links of the graph that are on no side", split)
    train_graph = split.train_graph(graph)
    for name in RANKED_SIDES:
        seen = train_graph.has_links(getattr(split, name).to(graph.device)).cpu().numpy()
        _refuse(sides[name][seen], f"{name} links in the train graph", split)


def _distinct_negatives(side: Side, split: LinkSplit) -> Keys:
    """Keys of the negatives of a side, each once; shared ones must not recur."""
    keys = keys_of(split.ranked[side].negatives, split.n).ravel()
    if split.ranked[side].shared:
        _refuse(_repeated(keys), f"negatives twice in {side}", split)
    return once(keys)


def _directed(links: Tensor, n: int) -> Keys:
    """Keys as the links are written; ascending where links are written as they should be."""
    keys: Keys = (links[0] * n + links[1]).numpy()
    return keys


def _repeated(keys: Keys) -> Keys:
    ordered = np.sort(keys)
    repeated: Keys = ordered[1:][ordered[1:] == ordered[:-1]]
    return repeated


def _refuse(found: Keys, what: str, split: LinkSplit) -> None:
    """Fail where `found` holds any key."""
    if found.size:
        _fail(found.size, what, (int(found[0]) // split.n, int(found[0]) % split.n))


def _fail(count: int, what: str, example: tuple[int, int]) -> None:
    raise SplitError(
        f"{count} {what}, for example {example}. The split leaks or does not fit the graph: "
        "make it again from this graph."
    )
