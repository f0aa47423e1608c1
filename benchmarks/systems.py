"""DMNS, PULL and NML-GCL beside plain training of the same predictor, as a graph grows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import torch

from benchmarks.data import settings
from benchmarks.growth import slope
from benchmarks.turns import Child, Work, duel, forget_peak, ratio_cells
from neglink.graph import Graph, clean_links
from neglink.graph.io import feature_matrix
from neglink.memory import keep_freed_memory
from neglink.methods.base import Run
from neglink.methods.dmns.training import DMNSUpdate
from neglink.methods.nml.pretrain import PretrainUpdate
from neglink.methods.plain import Plain
from neglink.methods.pull.iterations import PullUpdate
from neglink.samplers import SAMPLERS

DEGREE = 10.0
"""Mean degree of the graphs that grow in nodes and links together."""
FIXED_NODES = 4_000
"""Nodes of the graphs that grow in links alone."""
DEGREES = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Mean degrees of the latter."""
FEATURES, WORDS = 500, 20
"""Features of a node, and how many of them it has."""
TURNS, QUICK_TURNS = 5, 2


@dataclass(frozen=True)
class System:
    """What is timed, with the predictor that plain training is timed with too."""

    predictor: str
    """Under `predictors` of params.yaml."""
    work: Callable[[Run], Work]
    """One epoch, or one part of an iteration, of a run."""
    nodes: tuple[int, ...]
    """Sizes of the graphs that grow in nodes and links together."""


def run_of(graph: Graph, predictor: str) -> Run:
    """A run with the uniform sampler that looks at no validation link."""
    none = torch.zeros((2, 0), dtype=torch.int64)
    made = settings().predictor(predictor, "planted")
    return Run(graph, none, none, made, SAMPLERS.make("uniform"), 0)


def recipe(name: str, predictor: str) -> Any:
    """A method of params.yaml."""
    return settings().method(name, "planted", predictor)


def dmns_epoch(run: Run) -> Work:
    """The diffusion's steps in blocks of nodes, negatives for all links, the predictor's step."""
    return DMNSUpdate(recipe("dmns", "dmns-gcn"), run, run.model().train())


def pull_update(run: Run) -> PullUpdate:
    """PULL in its second iteration, whose graph has added pairs."""
    method = recipe("pull-all", "gcn-16")
    update = PullUpdate(method, replace(run, sampler=method.training_sampler(run.sampler)))
    update.expect(added_pairs(run))
    update.model.train()
    return update


def added_pairs(run: Run) -> int:
    """Pairs that the second iteration adds."""
    growth: float = recipe("pull-all", "gcn-16").growth
    return round(growth * run.graph.m)


def pull_choice(run: Run) -> Work:
    """The likeliest pairs of all candidates, and the expected graph with them."""
    update = pull_update(run)
    return lambda _: int(update.expect(added_pairs(run)).shape[1])


def nml_epoch(run: Run) -> Work:
    """Two views, the steps on the metric network, the encoder's step."""
    return PretrainUpdate(recipe("nml", "gcn-rrelu"), run, run.model().train())


def plain_epoch(run: Run) -> Work:
    """Plain training: all links in one batch, as many uniform negatives."""
    return Plain().updates(run, run.model().train())


SYSTEMS = {
    "dmns epoch": System("dmns-gcn", dmns_epoch, (1_000, 4_000, 16_000, 64_000)),
    "pull epoch": System("gcn-16", pull_update, (4_000, 16_000, 64_000, 256_000)),
    "pull choice": System("gcn-16", pull_choice, (4_000, 16_000, 64_000, 256_000)),
    "nml epoch": System("gcn-rrelu", nml_epoch, (1_000, 2_000, 4_000, 8_000)),
}


def programs(system: str, which: str, nodes: str, degree: str) -> dict[str, Work]:
    """What a child serves: the system on one graph, or plain training with its predictor."""
    keep_freed_memory()
    found = SYSTEMS[system]
    run = run_of(graph_of(int(nodes), float(degree)), found.predictor)
    forget_peak()
    return {
        "epoch": found.work(run) if which == "system" else plain_epoch(run),
        "links": lambda _: run.graph.m,
    }


def graph_of(nodes: int, degree: float) -> Graph:
    """A graph of uniform pairs and words; the counts alone matter, and it is made in no time."""
    rng = np.random.default_rng(0)
    links, _ = clean_links(rng.integers(nodes, size=(2, round(nodes * degree / 2))), nodes)
    row = np.arange(nodes).repeat(WORDS)
    words = rng.integers(FEATURES, size=row.size)
    ones = np.ones(row.size, np.float32)
    features = scipy.sparse.csr_array((ones, (row, words)), (nodes, FEATURES))
    return Graph(nodes, torch.from_numpy(links), feature_matrix(features))


def measure(quick: bool, names: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each graph."""
    results: dict[str, Any] = {"systems": {}, "left_out": {}}
    for name in names or SYSTEMS:
        series: dict[str, list[dict[str, Any]]] = {"nodes": [], "links": []}
        results["systems"][name] = series
        for kind, nodes, degree in graphs(name, quick):
            series[kind].append(point(name, nodes, degree, QUICK_TURNS if quick else TURNS))
            yield results


def graphs(name: str, quick: bool) -> list[tuple[str, int, float]]:
    """(series, nodes, mean degree) of each graph; the smallest alone for a trial."""
    made = [("nodes", nodes, DEGREE) for nodes in SYSTEMS[name].nodes]
    if quick:
        return made[:1]
    return [*made, *(("links", FIXED_NODES, degree) for degree in DEGREES)]


def point(name: str, nodes: int, degree: float, turns: int) -> dict[str, Any]:
    """The system and plain training in turns on one graph."""
    where = (str(nodes), str(degree))
    with (
        Child("systems", name, "system", *where) as ours,
        Child("systems", name, "plain", *where) as plain,
    ):
        row = duel(ours, plain, "epoch", turns, warm=1)
        links = int(ours.run("links")[1])
        return {
            "nodes": nodes,
            "links": links,
            "seconds": row["first_ms"] / 1000,
            **row,
            "first_added_mb": ours.peak - ours.base,
            "second_added_mb": plain.peak - plain.base,
        }


HEAD = f"""## Systems

Uniform random graphs with {WORDS} of {FEATURES} words a node; settings of params.yaml; uniform
negatives; all links in one batch. Each system takes turns with an epoch of plain training of the
same predictor on the same graph, each in its own process, after one turn to warm up; the ratio is
the median over turns.

- dmns epoch: 100 steps of the diffusion, each on a block of 256 nodes, a chain of its reverse
  process for every link, one step of `dmns-gcn`.
- pull epoch: an inner epoch of the second iteration of `gcn-16`, both losses. pull choice: the
  likeliest pairs and the expected graph. An outer iteration is one choice and 200 epochs.
- nml epoch: an epoch of the contrastive training of `gcn-rrelu`, over all pairs of nodes.

"Added" is the peak of memory once the graph is made, less what the process had before: the graph is
in it, its making is not. Graphs grow in nodes and links together (mean degree
{DEGREE:g}), or in links alone ({FIXED_NODES:,} nodes).

| system | nodes | links | ms | plain, ms | ratio | range | added, MB | plain, MB |
| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, series in results["systems"].items():
        for row in (*series["nodes"], *series["links"]):
            text += (
                f"| {name} | {row['nodes']:,} | {row['links']:,} | {row['first_ms']:,.1f} "
                f"| {row['second_ms']:,.1f} | {ratio_cells(row)} "
                f"| {row['first_added_mb']:,.0f} | {row['second_added_mb']:,.0f} |\n"
            )
    rows = list(slopes(results))
    if rows:
        text += "\nExponents of the links in straight lines on doubly logarithmic axes:\n\n"
        text += "| system | growing | of time | of plain's time | of added memory |\n"
        text += "| --- | --- | ---: | ---: | ---: |\n"
        text += "".join(rows)
    return text + "".join(outer(results))


def slopes(results: dict[str, Any]) -> Iterator[str]:
    """A line for each series of at least two graphs."""
    words = {"nodes": "nodes and links", "links": "links alone"}
    for name, series in results["systems"].items():
        for kind, points in series.items():
            if len(points) > 1:
                found = [slope(points, key) for key in ("first_ms", "second_ms", "first_added_mb")]
                text = " | ".join(f"{value:.2f}" for value in found)
                yield f"| {name} | {words[kind]} | {text} |\n"


def outer(results: dict[str, Any]) -> Iterator[str]:
    """What an outer iteration of PULL takes, put together from its two parts."""
    parts = [results["systems"].get(name, {}).get("nodes", []) for name in PULL_PARTS]
    for epoch, choice in zip(*parts, strict=False):
        count = recipe("pull-all", "gcn-16").inner_epochs
        seconds = (count * epoch["first_ms"] + choice["first_ms"]) / 1000
        ratio = count * epoch["ratio"] + choice["ratio"]
        share = choice["first_ms"] / 1000 / seconds
        yield (
            f"\nAn outer iteration of PULL on {epoch['nodes']:,} nodes: {seconds:.3g} s, "
            f"{ratio:.0f} plain epochs; the choice of pairs takes {100 * share:.1f} % of it.\n"
        )


PULL_PARTS = ("pull epoch", "pull choice")
