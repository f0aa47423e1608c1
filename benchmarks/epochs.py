"""An epoch of training beside PyTorch Geometric's, and the student beside plain training."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import ours, peers
from benchmarks.data import by_graph, train_graph
from benchmarks.turns import Child, Work, duel, peak_cell, ratio_cells
from neglink.graph import Graph
from neglink.memory import keep_freed_memory

GRAPHS = {"cora": 40, "pubmed": 12, "photo": 12, "ogbl-ddi": 4}
"""Data set → number of counted turns."""
PROGRAMS: dict[str, Callable[[Graph], Work]] = {
    "pyg": peers.pyg_epoch,
    "plain": ours.plain_epoch,
    "student": ours.student_epoch,
    "student/2": ours.lazy_student_epoch,
}
COMPARISONS = [("pyg", "plain", 1), ("student", "plain", 1), ("student/2", "plain", 2)]
"""First program, second program, epochs a turn."""


def programs(program: str, name: str) -> dict[str, Work]:
    """What a child serves."""
    if program != "pyg":
        keep_freed_memory()  # as neglink's own commands do; a peer's users do not
    return {"epoch": PROGRAMS[program](train_graph(name))}


def measure(quick: bool, graphs: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each data set."""

    def one_graph(name: str, graph: Graph) -> dict[str, Any]:
        rows = {}
        for first, second, count in COMPARISONS:
            with Child("epochs", first, name) as one, Child("epochs", second, name) as two:
                turns = 2 if quick else GRAPHS.get(name, 5)
                rows[f"{first} / {second}"] = duel(one, two, "epoch", turns, count=count)
        return {"nodes": graph.n, "training_links": graph.m, "features": graph.f, "epochs": rows}

    return by_graph(graphs or GRAPHS, one_graph)


HEAD = """## Epochs

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
    """This section of the page."""
    text = HEAD
    for name, figures in results["graphs"].items():
        for what, row in figures["epochs"].items():
            text += (
                f"| {name} | {figures['training_links']:,} | {what} | {row['first_ms']:.1f} "
                f"| {row['second_ms']:.1f} | {ratio_cells(row)} | {peak_cell(row)} |\n"
            )
    return text
