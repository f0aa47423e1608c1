"""Common neighbours of many pairs, as `ncn` sums them, beside look-ups of neighbours."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.data import by_graph, half_links, train_graph
from benchmarks.turns import Child, Work, agreed, duel, peak_cell, ratio_cells
from neglink.graph import Graph
from neglink.memory import keep_freed_memory
from neglink.predictors.ncn import common_neighbours, looked_up

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
    """The same by looking neighbours up, as on a GPU."""

    def find(_: int) -> int:
        return int(looked_up(graph, pairs, torch.float32).csr.values().numel())

    return find


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        with (
            Child("neighbours", "look-ups", name) as other,
            Child("neighbours", "ours", name) as ours,
        ):
            row = duel(other, ours, "pairs", 2 if quick else GRAPHS.get(name, 5))
            shared = agreed(other, ours, "pairs")
        return {
            **row, "nodes": graph.n, "training_links": graph.m,
            "pairs": PAIRS, "shared_a_pair": shared / PAIRS,
        }  # fmt: skip

    return by_graph(graphs or GRAPHS, one_graph)


HEAD = f"""## Common neighbours

{PAIRS:,} pairs of the train graph, half of them links, half random pairs: the 0/1 matrix of their
common neighbours and its transpose, as a step of `ncn` needs them. `look-ups`: the neighbours of
the end with fewer links, each looked up among the other's, as on a GPU. `neglink`: scipy's product
of rows of the adjacency, as on a CPU. Separate processes, in turns.

| data set | shared a pair | look-ups, ms | neglink, ms | ratio | range | peak, MB |
| --- | ---: | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, row in results["graphs"].items():
        text += (
            f"| {name} | {row['shared_a_pair']:,.1f} | {row['first_ms']:,.1f} "
            f"| {row['second_ms']:,.1f} | {ratio_cells(row)} | {peak_cell(row)} |\n"
        )
    return text
