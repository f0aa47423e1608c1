"""Common neighbours of many pairs, as `ncn` sums them, beside products of scipy's sparse rows."""

from collections.abc import Iterator
from typing import Any

import scipy.sparse
from torch import Tensor

from benchmarks.data import by_graph, half_links, train_graph
from benchmarks.turns import Child, Work, duel
from neglink.graph import Graph, neighbours
from neglink.memory import keep_freed_memory
from neglink.predictors.ncn import common_neighbours

GRAPHS = {"cora": 40, "pubmed": 30, "photo": 8, "ogbl-ddi": 6}
"""Data set → number of counted turns."""
PAIRS = 16384
PEERS = ("scipy", "look-ups")


def programs(program: str, name: str) -> dict[str, Work]:
    """What a child serves; each handles the same `PAIRS` pairs."""
    graph = train_graph(name)
    pairs = half_links(graph, PAIRS)
    if program == "scipy":
        return {"pairs": peer(graph, pairs)}
    keep_freed_memory()
    if program == "look-ups":
        neighbours.LOOKUP_NODES = 0  # rows of bits never pay
    return {"pairs": at_once(graph, pairs)}


def at_once(graph: Graph, pairs: Tensor) -> Work:
    """The 0/1 matrix of common neighbours and its transpose; the value is their number."""

    def find(_: int) -> int:
        return int(common_neighbours(graph, pairs).csr.values().numel())

    return find


def peer(graph: Graph, pairs: Tensor) -> Work:
    """The same by the elementwise product of rows of A."""
    left, right = pairs.numpy()

    def find(_: int) -> int:
        shared = scipy.sparse.csr_array(graph.scipy[left].multiply(graph.scipy[right]))
        return int(shared.T.tocsr().nnz)

    return find


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        beside, turns = {}, 2 if quick else GRAPHS.get(name, 5)
        with Child("neighbours", "ours", name) as ours:
            for program in PEERS:
                with Child("neighbours", program, name) as other:
                    beside[program] = duel(other, ours, "pairs", turns)
                    found = {child.run("pairs")[1] for child in (other, ours)}
                if len(found) != 1:
                    raise RuntimeError(f"{name}: {program} found {found}; they must agree")
        return {
            "beside": beside, "nodes": graph.n, "training_links": graph.m,
            "pairs": PAIRS, "shared_a_pair": found.pop() / PAIRS,
        }  # fmt: skip

    return by_graph(graphs or GRAPHS, one_graph)


HEAD = f"""## Common neighbours

{PAIRS:,} pairs of the train graph, half of them links, half random pairs: the 0/1 matrix of their
common neighbours and its transpose, as a step of `ncn` needs them. `scipy`: rows of the sparse
adjacency, multiplied elementwise. `look-ups`: the neighbours of the end with fewer links, each
looked up among the other's. `neglink`: `common_neighbours`, which compares rows of bits where that
is less work. All find the same number. Separate processes, in turns.

| data set | shared a pair | peer | peer, ms | neglink, ms | ratio | range | peak, MB |
| --- | ---: | --- | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, found in results["graphs"].items():
        for program, row in found["beside"].items():
            text += (
                f"| {name} | {found['shared_a_pair']:,.1f} | {program} | {row['first_ms']:,.1f} "
                f"| {row['second_ms']:,.1f} | **{row['ratio']:.2f}** "
                f"| {row['least']:.2f}–{row['greatest']:.2f} "
                f"| {row['first_peak_mb']:.0f} / {row['second_peak_mb']:.0f} |\n"
            )
    return text
