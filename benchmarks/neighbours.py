"""Common neighbours of many pairs, as `ncn` sums them, beside look-ups of neighbours."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmarks.data import by_graph, half_links, train_graph
from benchmarks.turns import Child, Work, duel
from neglink.graph import Graph
from neglink.graph.neighbours import shared_neighbours
from neglink.memory import keep_freed_memory
from neglink.predictors.ncn import common_neighbours

GRAPHS = {"cora": 40, "pubmed": 30, "photo": 8, "ogbl-ddi": 6}
"""Data set → number of counted turns."""
PAIRS = 16384


def programs(program: str, name: str) -> dict[str, Work]:
    """What a child serves; each handles the same `PAIRS` pairs."""
    graph = train_graph(name)
    pairs = half_links(graph, PAIRS)
    keep_freed_memory()
    return {"pairs": look_ups(graph, pairs) if program == "look-ups" else at_once(graph, pairs)}


def at_once(graph: Graph, pairs: Tensor) -> Work:
    """The 0/1 matrix of common neighbours and its transpose; the value is their number."""

    def find(_: int) -> int:
        return int(common_neighbours(graph, pairs).csr.values().numel())

    return find


def look_ups(graph: Graph, pairs: Tensor) -> Work:
    """Them alone, without the matrices, by `shared_neighbours`."""

    def find(_: int) -> int:
        return sum(nodes.numel() for _, nodes in shared_neighbours(graph, pairs))

    return find


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        with (
            Child("neighbours", "look-ups", name) as other,
            Child("neighbours", "ours", name) as ours,
        ):
            row = duel(other, ours, "pairs", 2 if quick else GRAPHS.get(name, 5))
            found = {child.run("pairs")[1] for child in (other, ours)}
        if len(found) != 1:
            raise RuntimeError(f"{name}: the programs found {found}; they must agree")
        return {
            **row, "nodes": graph.n, "training_links": graph.m,
            "pairs": PAIRS, "shared_a_pair": found.pop() / PAIRS,
        }  # fmt: skip

    return by_graph(graphs or GRAPHS, one_graph)


HEAD = f"""## Common neighbours

{PAIRS:,} pairs of the train graph, half of them links, half random pairs. `look-ups`: the
neighbours of the end with fewer links, each looked up among the other's (`shared_neighbours`), no
more than that. `neglink`: what a step of `ncn` needs, the 0/1 matrix of the common neighbours, as
scipy's product of rows of the adjacency, and its transpose. Separate processes, in turns.

| data set | shared a pair | look-ups, ms | neglink, ms | ratio | range | peak, MB |
| --- | ---: | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, row in results["graphs"].items():
        text += (
            f"| {name} | {row['shared_a_pair']:,.1f} | {row['first_ms']:,.1f} "
            f"| {row['second_ms']:,.1f} | **{row['ratio']:.2f}** "
            f"| {row['least']:.2f}–{row['greatest']:.2f} "
            f"| {row['first_peak_mb']:.0f} / {row['second_peak_mb']:.0f} |\n"
        )
    return text
