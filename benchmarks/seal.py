"""Enclosing subgraphs with DRNL labels, beside the loop over pairs of PyG's SEAL example."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmarks import peers
from benchmarks.data import by_graph, half_links, train_graph
from benchmarks.turns import Child, Work, agreed, duel, peak_cell, ratio_cells
from neglink.graph import Graph
from neglink.graph.subgraphs import double_radius_labels, enclosing_subgraphs
from neglink.memory import keep_freed_memory

GRAPHS = {"cora": 8, "pubmed": 6}
"""Data set → number of counted turns."""
PAIRS = 256
HOPS = 2


def programs(program: str, name: str) -> dict[str, Work]:
    """What a child serves; a turn handles the same `PAIRS` pairs in both programs."""
    graph = train_graph(name)
    pairs = half_links(graph, PAIRS)
    if program == "pyg":
        return {"pairs": peer_loop(graph, pairs)}
    keep_freed_memory()
    return {"pairs": at_once(graph, pairs)}


def at_once(graph: Graph, pairs: Tensor) -> Work:
    """Subgraphs and labels of all pairs; the value is the number of nodes."""

    def extract(_: int) -> int:
        subgraphs = enclosing_subgraphs(graph, pairs, HOPS)
        return int(double_radius_labels(subgraphs).numel())

    return extract


def peer_loop(graph: Graph, pairs: Tensor) -> Work:
    """The same, one pair after the other."""
    arcs, n, listed = graph.arcs, graph.n, pairs.t().tolist()

    def extract(_: int) -> int:
        found = [peers.enclosing_subgraph(arcs, n, u, v, HOPS) for u, v in listed]
        return sum(labels.numel() for _, _, labels in found)

    return extract


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        with Child("seal", "pyg", name) as pyg, Child("seal", "ours", name) as ours:
            row = duel(pyg, ours, "pairs", 2 if quick else GRAPHS.get(name, 5), warm=1)
            nodes = agreed(pyg, ours, "pairs")
        return {
            **row, "nodes": graph.n, "training_links": graph.m,
            "pairs": PAIRS, "nodes_a_pair": nodes / PAIRS,
        }  # fmt: skip

    return by_graph(graphs or GRAPHS, one_graph)


HEAD = f"""## Enclosing subgraphs

{PAIRS} pairs of the train graph, half of them links, half random pairs: the subgraph within {HOPS}
hops of either end, without the link between the ends, and its DRNL labels. `pyg`: a loop over pairs
with `torch_geometric.utils.k_hop_subgraph` and `scipy.sparse.csgraph.shortest_path`, as in PyG's
SEAL example (benchmarks/peers.py). `neglink`: `enclosing_subgraphs` and `double_radius_labels` on
all pairs at once. Both find the same number of nodes. Separate processes, in turns.

| data set | nodes a pair | pyg, pairs / s | neglink, pairs / s | ratio | range | peak, MB |
| --- | ---: | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, row in results["graphs"].items():
        pyg, ours = (1000 * row["pairs"] / row[key] for key in ("first_ms", "second_ms"))
        text += (
            f"| {name} | {row['nodes_a_pair']:,.0f} | {pyg:,.0f} | {ours:,.0f} "
            f"| {ratio_cells(row, 1)} | {peak_cell(row)} |\n"
        )
    return text
