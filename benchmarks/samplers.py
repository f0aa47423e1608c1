"""Negatives per second of every registered sampler."""

import random
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch_geometric.utils import negative_sampling

from benchmarks.data import by_graph, settings, train_graph
from benchmarks.turns import Child, Ratio, Work, ratio_cells
from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.memory import keep_freed_memory
from neglink.methods.loop import training_links
from neglink.registry import settings_of
from neglink.samplers import SAMPLERS
from neglink.samplers.base import Context, Sampler

GRAPHS = {"cora": 15, "pubmed": 9, "photo": 7, "ogbl-ddi": 3}
"""Data set → number of counted turns."""
WIDTH = 64
PYTHON_LINKS = 20_000
"""Links that the reference in plain Python draws for, at most."""


def programs(whose: str, name: str) -> dict[str, Work]:
    """What a child serves: every sampler, or the peers."""
    graph = train_graph(name)
    if whose == "peers":
        return {"pyg": pyg_draw(graph), "python": python_draw(graph)}
    keep_freed_memory()  # as neglink's own commands do; a peer's users do not
    return {
        sampler: sampler_draw(graph, settings().sampler(sampler, name))
        for sampler in SAMPLERS.names()
    }


def sampler_draw(graph: Graph, sampler: Sampler) -> Work:
    """One draw for all training links; its value is the number of negatives.

    The graph is a copy whose arcs and link table exist, so that the first draw builds what this
    sampler alone needs.
    """
    own = replace(graph)
    generator = torch.Generator().manual_seed(0)
    positives, _ = training_links(own, generator)
    own.has_links(positives)
    z = torch.randn(own.n, WIDTH, generator=generator)
    context = Context(own, lambda pairs: pair_dot(z, pairs), z)

    def draw(_: int) -> int:
        return int(sampler.sample(context, positives, generator).shape[1])

    return draw


def pyg_draw(graph: Graph) -> Work:
    """As many negatives by PyTorch Geometric: uniform over all unlinked pairs."""
    arcs, n, count = graph.arcs, graph.n, graph.m

    def draw(_: int) -> int:
        negatives = negative_sampling(arcs, num_nodes=n, num_neg_samples=count, method="sparse")
        return int(negatives.shape[1])

    return draw


def python_draw(graph: Graph) -> Work:
    """Uniform tails in plain Python, drawn again until the pair is not in the set of links."""
    known = set(map(tuple, graph.arcs.t().tolist()))
    chosen = torch.randperm(graph.m, generator=torch.Generator().manual_seed(0))[:PYTHON_LINKS]
    heads = graph.links[0, chosen].tolist()
    draws, n = random.Random(0), graph.n

    def draw(_: int) -> int:
        negatives = []
        for u in heads:
            v = draws.randrange(n)
            while v == u or (u, v) in known:
                v = draws.randrange(n)
            negatives.append((u, v))
        return len(negatives)

    return draw


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        with Child("samplers", "ours", name) as ours, Child("samplers", "peers", name) as peers:
            rows = _in_turns(ours, peers, 2 if quick else GRAPHS.get(name, 5))
        for sampler in SAMPLERS.names():
            rows[sampler]["settings"] = settings_of(settings().sampler(sampler, name))
        return {"nodes": graph.n, "training_links": graph.m, "samplers": rows}

    return by_graph(graphs or GRAPHS, one_graph)


def _in_turns(ours: Child, peers: Child, turns: int) -> dict[str, dict[str, Any]]:
    """One draw of each program a turn; the draw before the first turn builds the tables."""
    owner = dict.fromkeys(SAMPLERS.names(), ours) | {"pyg": peers, "python": peers}
    first = {name: child.run(name)[0] for name, child in owner.items()}
    rates: dict[str, list[float]] = {name: [] for name in owner}
    seconds: dict[str, list[float]] = {name: [] for name in owner}
    for turn in range(turns):
        for name, child in owner.items():
            took, count = child.run(name, turn)
            seconds[name].append(took)
            rates[name].append(count / took)
    return {
        name: {
            "negatives_per_second": median(rates[name]),
            "draw_ms": 1000 * median(seconds[name]),
            "tables_ms": 1000 * max(0.0, first[name] - median(seconds[name])),
            "over_pyg": vars(Ratio.of(rates[name], rates["pyg"])),
            "over_python": vars(Ratio.of(rates[name], rates["python"])),
            "turns": turns,
        }
        for name in owner
    }


HEAD = f"""## Samplers

One negative for each training link in one draw; settings of params.yaml, embeddings of width
{WIDTH}; scored by their dot product. The Python program has one thread.

- `pyg`: `torch_geometric.utils.negative_sampling(method='sparse')`, as many pairs, uniform over all
  unlinked ones. (It keeps no end of the links; what it draws is nearest to `uniform`.)
- `python`: uniform tails in a loop over {PYTHON_LINKS:,} links at most, checked against a set.

neglink's samplers share one process, the peers another; all programs take turns. Ratios are those
of the rates within a turn, median and range. "First" is what the first draw took beyond a later
one: tables that are built once for a graph (k-hop sets, a depth-first order) and, for `mcns`, the
search for nearest nodes, which comes again every `refresh` epochs.

| data set | sampler | negatives / s | draw, ms | first, ms | / pyg | range | / python | range |
| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for graph, figures in results["graphs"].items():
        for name, row in figures["samplers"].items():
            text += (
                f"| {graph} | {name} | {row['negatives_per_second']:,.0f} | {row['draw_ms']:,.1f} "
                f"| {row['tables_ms']:,.1f} | {ratio_cells(row['over_pyg'])} "
                f"| {ratio_cells(row['over_python'])} |\n"
            )
    return text
