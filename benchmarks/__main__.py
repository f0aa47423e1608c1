"""`make benchmark`: every comparison, one after the other, written to results.json and RESULTS.md.

Each pair of programs takes turns (A B A B …) on two threads, so that a machine whose speed drifts
slows both; the figure is the median of the ratios. Memory is the peak of a process that does
nothing else. Data come from data/raw, NEGLINK_MIRROR or the network; a graph that cannot be had
is named and left out.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from benchmarks import ours, peers
from neglink.datasets import build_graph, mirror_folder
from neglink.errors import DataError
from neglink.files import write_json, write_text
from neglink.graph import Graph
from neglink.splits import SPLITS
from neglink.splits.base import stream
from neglink.steps.provenance import provenance

HERE = Path(__file__).parent
GRAPHS = {"cora": 40, "pubmed": 15, "photo": 15, "ogbl-ddi": 3}
"""Data set → number of counted turns."""
THREADS = 2

Epoch = Callable[[int], float]


def train_graph(name: str) -> Graph:
    """The training side of the data set's default split, seed 0."""
    graph, _ = build_graph({"kind": "catalog", "name": name}, Path("data/raw"), mirror_folder())
    kind = "official" if name == "ogbl-ddi" else "random"
    sides = SPLITS.make(kind).divide(graph, stream(0, "links"))
    return graph.with_links(sides.train)


def take_turns(first: Epoch, second: Epoch, turns: int) -> dict[str, float]:
    """Median seconds of both, and the median, least and greatest ratio first / second."""
    times: list[tuple[float, float]] = []
    for turn in range(-2, turns):  # two turns to warm up
        pair = []
        for epoch in (first, second):
            start = perf_counter()
            epoch(max(turn, 0))
            pair.append(perf_counter() - start)
        if turn >= 0:
            times.append((pair[0], pair[1]))
    ratios = sorted(a / b for a, b in times)
    return {
        "first_ms": 1000 * median(a for a, _ in times),
        "second_ms": 1000 * median(b for _, b in times),
        "ratio": median(ratios),
        "least": ratios[0],
        "greatest": ratios[-1],
        "turns": turns,
    }


PROGRAMS: dict[str, Callable[[Graph], Epoch]] = {
    "pyg": peers.pyg_epoch,
    "plain": ours.plain_epoch,
    "student": ours.student_epoch,
    "student, meta step every 2nd epoch": ours.lazy_student_epoch,
}


def peak_memory_mb(program: str, name: str) -> float:
    """Peak resident memory of a process that runs three epochs of one program."""
    command = [sys.executable, "-m", "benchmarks", "--memory", program, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_memory(program: str, name: str) -> None:
    """What the child of `peak_memory_mb` does."""
    import resource

    torch.set_num_threads(THREADS)
    epoch = PROGRAMS[program](train_graph(name))
    for number in range(3):
        epoch(number)
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")


def measure(name: str, turns: int) -> dict[str, Any]:
    """All figures of one data set."""
    graph = train_graph(name)
    made = {key: build(graph) for key, build in PROGRAMS.items()}
    lazy = "student, meta step every 2nd epoch"
    return {
        "nodes": graph.n,
        "training_links": graph.m,
        "features": graph.f,
        "epoch: pyg / plain": take_turns(made["pyg"], made["plain"], turns),
        "epoch: student / plain": take_turns(made["student"], made["plain"], turns),
        f"epoch: {lazy} / plain": take_turns(*_pairs(made[lazy], made["plain"]), turns),
        "peak_memory_mb": {key: peak_memory_mb(key, name) for key in ("pyg", "plain", "student")},
    }


def _pairs(first: Epoch, second: Epoch) -> tuple[Epoch, Epoch]:
    """Two epochs a turn, so that work done every second epoch is always in it."""

    def twice(epoch: Epoch) -> Epoch:
        return lambda number: epoch(2 * number) + epoch(2 * number + 1)

    return twice(first), twice(second)


def as_markdown(results: dict[str, Any]) -> str:
    """The results as a page."""
    made = results["made_with"]
    versions = ", ".join(f"{k} {v}" for k, v in made["packages"].items())
    lines = [
        "# Speed and memory",
        "",
        f"Written by `make benchmark`. {made['machine']}, {THREADS} threads; neglink "
        f"{made['version']}, Python {made['python']}, {versions}.",
        "",
        "The peer `pyg` is PyTorch Geometric's link prediction example as its users write it: two",
        "GCNConv layers (128, 64) on dense features, `negative_sampling(method='sparse')`, a",
        "gathered dot product, BCEWithLogitsLoss, Adam; `nn.Embedding` where there are no features",
        "(benchmarks/peers.py). `plain` and `student` are epochs of neglink's methods on the same",
        "training links (benchmarks/ours.py). Ratios are medians over turns, with the range.",
        "",
        "| data set | comparison | first, ms | second, ms | ratio | range | turns |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: |",
    ]
    for name, figures in results["graphs"].items():
        for what, row in figures.items():
            if what.startswith("epoch"):
                lines.append(
                    f"| {name} | {what.removeprefix('epoch: ')} | {row['first_ms']:.1f} "
                    f"| {row['second_ms']:.1f} | {row['ratio']:.2f} "
                    f"| {row['least']:.2f}-{row['greatest']:.2f} | {row['turns']} |"
                )
    lines += ["", "| data set | peak memory, MB: pyg | plain | student |", "| --- | ---: | ---: | ---: |"]
    for name, figures in results["graphs"].items():
        peak = figures["peak_memory_mb"]
        lines.append(
            f"| {name} | {peak['pyg']:.0f} | {peak['plain']:.0f} | {peak['student']:.0f} |"
        )
    left_out = [f"{name}: {why}" for name, why in results["left_out"].items()]
    return "\n".join([*lines, "", *left_out]).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("graphs", nargs="*", default=list(GRAPHS), help="data sets to measure on")
    parser.add_argument("--memory", nargs=2, metavar=("PROGRAM", "GRAPH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print_memory(*arguments.memory)
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    torch.set_num_threads(THREADS)
    results: dict[str, Any] = {"graphs": {}, "left_out": {}, "made_with": provenance()}
    for name in arguments.graphs:
        sys.stdout.write(f"{name} ...\n")
        try:
            results["graphs"][name] = measure(name, GRAPHS.get(name, 5))
        except DataError as error:
            results["left_out"][name] = str(error)
            sys.stdout.write(f"  left out: {error}\n")
            continue
        for what, row in results["graphs"][name].items():
            sys.stdout.write(f"  {what}: {json.dumps(row)}\n")
    write_json(HERE / "results.json", results)
    write_text(HERE / "RESULTS.md", as_markdown(results))


if __name__ == "__main__":
    main()
