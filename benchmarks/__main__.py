"""`make benchmark`: every comparison, one after the other, written to results.json and RESULTS.md.

Each program runs in a process of its own, as its users run it, with two threads; the processes of
a comparison take turns (A B A B …), so that a machine whose speed drifts slows both, and the
figure is the median of the ratios. Memory is the peak of that process. Data come from data/raw,
NEGLINK_MIRROR or the network; a graph that cannot be had is named and left out.
"""

import argparse
import resource
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
from neglink.memory import keep_freed_memory
from neglink.splits import SPLITS
from neglink.splits.base import stream
from neglink.steps.provenance import provenance

HERE = Path(__file__).parent
GRAPHS = {"cora": 60, "pubmed": 20, "photo": 20, "ogbl-ddi": 5}
"""Data set → number of counted turns."""
THREADS = 2

Epoch = Callable[[int], float]

PROGRAMS: dict[str, Callable[[Graph], Epoch]] = {
    "pyg": peers.pyg_epoch,
    "plain": ours.plain_epoch,
    "student": ours.student_epoch,
    "student/2": ours.lazy_student_epoch,
}
COMPARISONS = [("pyg", "plain", 1), ("student", "plain", 1), ("student/2", "plain", 2)]
"""First program, second program, epochs a turn."""


def train_graph(name: str) -> Graph:
    """The training side of the data set's default split, seed 0."""
    graph, _ = build_graph({"kind": "catalog", "name": name}, Path("data/raw"), mirror_folder())
    kind = "official" if name == "ogbl-ddi" else "random"
    sides = SPLITS.make(kind).divide(graph, stream(0, "links"))
    return graph.with_links(sides.train)


def serve(program: str, name: str) -> None:
    """The child: for each line "FIRST COUNT" run so many epochs and print the seconds they took."""
    torch.set_num_threads(THREADS)
    if program != "pyg":
        keep_freed_memory()  # as neglink's own commands do; a peer's users do not
    epoch = PROGRAMS[program](train_graph(name))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        first, count = map(int, line.split())
        start = perf_counter()
        for number in range(first, first + count):
            epoch(number)
        seconds = perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(f"{seconds} {peak}\n")
        sys.stdout.flush()


class Child:
    """A program in its own process."""

    def __init__(self, program: str, name: str) -> None:
        command = [sys.executable, "-m", "benchmarks", "--serve", program, name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.peak = 0.0
        if self._read() != "ready\n":
            raise RuntimeError(f"{' '.join(command)} did not start")

    def run(self, first: int, count: int) -> float:
        """Seconds for `count` epochs."""
        assert self.process.stdin
        self.process.stdin.write(f"{first} {count}\n")
        self.process.stdin.flush()
        seconds, self.peak = map(float, self._read().split())
        return seconds

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


def compare(first: str, second: str, epochs: int, name: str, turns: int) -> dict[str, float]:
    """Median milliseconds an epoch of both, the median and range of the ratio, peak memories."""
    children = Child(first, name), Child(second, name)
    times = []
    for turn in range(-2, turns):  # two turns to warm up
        pair = [child.run(epochs * max(turn, 0), epochs) / epochs for child in children]
        if turn >= 0:
            times.append(pair)
    for child in children:
        child.close()
    ratios = sorted(a / b for a, b in times)
    return {
        "first_ms": 1000 * median(a for a, _ in times),
        "second_ms": 1000 * median(b for _, b in times),
        "ratio": median(ratios),
        "least": ratios[0],
        "greatest": ratios[-1],
        "first_peak_mb": children[0].peak,
        "second_peak_mb": children[1].peak,
        "turns": turns,
    }


def measure(name: str, turns: int) -> dict[str, Any]:
    """All figures of one data set."""
    graph = train_graph(name)
    rows = {
        f"{first} / {second}": compare(first, second, epochs, name, turns)
        for first, second, epochs in COMPARISONS
    }
    return {"nodes": graph.n, "training_links": graph.m, "features": graph.f, "epochs": rows}


HEAD = """# Speed and memory

Written by `make benchmark`. {machine}, {threads} threads; neglink {version}, Python {python},
{packages}.

- `pyg`: PyTorch Geometric's link prediction example as its users write it: two GCNConv layers
  (128, 64) on dense features, `negative_sampling(method='sparse')`, a gathered dot product,
  BCEWithLogitsLoss, Adam; `nn.Embedding` where there are no features (benchmarks/peers.py).
- `plain`, `student`: an epoch of neglink's plain training and of the MeBNS student, GCN and uniform
  negatives, on the same training links (benchmarks/ours.py).
- `student/2`: the student whose meta learner is updated every second epoch (`meta_every: 2`).

Each program has its own process; the two of a row take turns. The ratio is the median over turns.

| data set | training links | comparison | first, ms | second, ms | ratio | range | peak, MB |
| --- | ---: | --- | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """The results as a page."""
    made = results["made_with"]
    packages = ", ".join(
        f"{name} {made['packages'][name]}" for name in ("torch", "torch-geometric")
    )
    text = HEAD.format(**{**made, "packages": packages}, threads=THREADS)
    for name, figures in results["graphs"].items():
        for what, row in figures["epochs"].items():
            text += (
                f"| {name} | {figures['training_links']:,} | {what} | {row['first_ms']:.1f} "
                f"| {row['second_ms']:.1f} | **{row['ratio']:.2f}** "
                f"| {row['least']:.2f}–{row['greatest']:.2f} "
                f"| {row['first_peak_mb']:.0f} / {row['second_peak_mb']:.0f} |\n"
            )
    for name, why in results["left_out"].items():
        text += f"\nLeft out: {name}: {why}\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("graphs", nargs="*", default=list(GRAPHS), help="data sets to measure on")
    parser.add_argument("--serve", nargs=2, metavar=("PROGRAM", "GRAPH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return
    results: dict[str, Any] = {"graphs": {}, "left_out": {}, "made_with": provenance()}
    for name in arguments.graphs:
        sys.stdout.write(f"{name} ...\n")
        try:
            results["graphs"][name] = measure(name, GRAPHS.get(name, 5))
        except DataError as error:
            results["left_out"][name] = str(error)
            sys.stdout.write(f"  left out: {error}\n")
            continue
        for what, row in results["graphs"][name]["epochs"].items():
            sys.stdout.write(f"  {what}: {row['ratio']:.2f}\n")
        write_json(HERE / "results.json", results)  # after each graph: nothing finished is lost
        write_text(HERE / "RESULTS.md", as_markdown(results))


if __name__ == "__main__":
    main()
