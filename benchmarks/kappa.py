"""What a student epoch costs in plain epochs, by predictor."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor

from benchmarks import ours
from benchmarks.data import settings, train_graph
from benchmarks.turns import Child, Work, duel, peak_cell, ratio_cells
from neglink.errors import DataError
from neglink.graph import Graph
from neglink.memory import keep_freed_memory
from neglink.methods import loop
from neglink.methods.base import Run
from neglink.methods.loop import Training
from neglink.predictors import PREDICTORS, Predictor
from neglink.predictors.base import EdgeCentricModel
from neglink.reporting.published import KAPPA, KAPPA_BOUND
from neglink.samplers import SAMPLERS

GRAPH = "cora"
TURNS, EDGE_TURNS = 25, 3
EDGE_LINKS = 256
"""Links of an edge-centric predictor's epoch."""
EDGE_BATCH = 32
"""Its links a batch where params.yaml names none."""


def programs(method: str, predictor: str) -> dict[str, Work]:
    """What a child serves: an epoch of `plain` or of the student of `mebns`."""
    keep_freed_memory()
    return {"epoch": epoch_of(train_graph(GRAPH), method, predictor)[0]}


def epoch_of(graph: Graph, method: str, predictor: str) -> tuple[Work, dict[str, Any]]:
    """An epoch under the settings of params.yaml, and what is worth stating about it.

    The epochs of an edge-centric predictor have `EDGE_LINKS` links, its meta data stays whole.
    """
    none = torch.zeros((2, 0), dtype=torch.int64)
    part = settings().predictor(predictor, GRAPH)
    run = Run(graph, none, none, part, SAMPLERS.make("uniform"), 0)
    training = settings().method(method, GRAPH, predictor)
    few = isinstance(run.model(), EdgeCentricModel)
    if few and training.batch_links is None:
        training = replace(training, batch_links=EDGE_BATCH)
    if method == "plain":
        model = run.model().train()
        epoch = training.updates(run, model)
    else:
        epoch = ours.student_update(training, run)
    if few:
        loop.training_links = _some_links  # in this process; after the meta data are drawn
    return epoch, _facts(training, min(graph.m, EDGE_LINKS) if few else graph.m)


def _facts(training: Training, links: int) -> dict[str, Any]:
    return {
        "links": links,
        "batch_links": training.batch_links,
        "mask_links": training.mask_links,
        "negatives_per_link": training.negatives_per_link,
    }


_all_links = loop.training_links


def _some_links(graph: Graph, generator: Generator) -> tuple[Tensor, Tensor]:
    """`EDGE_LINKS` of the training links, centres ascending.

    They are the same in every epoch, as all links are in a whole one: subgraphs of links are kept.
    """
    links, index = _all_links(graph, generator)
    chosen = torch.zeros(graph.m, dtype=torch.bool)
    chosen[torch.linspace(0, graph.m - 1, min(graph.m, EDGE_LINKS)).long()] = True
    return links[:, chosen[index]], index[chosen[index]]


def trainable() -> list[str]:
    """The registered predictors that have something to train."""
    return [name for name in PREDICTORS.names() if issubclass(PREDICTORS.get(name), Predictor)]


def measure(quick: bool, predictors: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each predictor."""
    results: dict[str, Any] = {"graph": GRAPH, "predictors": {}, "left_out": {}}
    try:
        graph = train_graph(GRAPH)
    except DataError as error:
        results["left_out"][GRAPH] = str(error)
        yield results
        return
    for name in predictors or trainable():
        edge = isinstance(_model(graph, name), EdgeCentricModel)
        with Child("kappa", "mebns", name) as student, Child("kappa", "plain", name) as plain:
            turns = 2 if quick else EDGE_TURNS if edge else TURNS
            row = duel(student, plain, "epoch", turns, warm=1 if edge else 2)
        training = settings().method("mebns", GRAPH, name)
        if edge and training.batch_links is None:
            training = replace(training, batch_links=EDGE_BATCH)
        facts = _facts(training, min(graph.m, EDGE_LINKS) if edge else graph.m)
        results["predictors"][name] = {**row, **facts}
        yield results


def _model(graph: Graph, predictor: str) -> Any:
    return settings().predictor(predictor, GRAPH).build(graph, torch.Generator())


HEAD = f"""## κ: a student epoch in plain epochs

MeBNS (section 3.4.2) states κ, its training time over that of the baseline, as a constant of at
most or about {KAPPA_BOUND:g}, and reports for PubMed {{published}}; values below 1 may be what
is added rather than the ratio. Here: seconds of a student epoch over seconds of a plain epoch on
{{graph}}, uniform negatives, the settings of params.yaml for each predictor; the meta data are as
many pairs as the settings ask for, at random. Edge-centric predictors train on
{EDGE_LINKS} of the links, the same in every epoch. An epoch of the teacher costs a plain one, so
that κ of a whole training lies below this: with as many teacher as student epochs at (1 + κ) / 2.

| predictor | links | batch | student, ms | plain, ms | κ | range | peak, MB |
| --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    published = ", ".join(f"{value:g} ({name.upper()})" for name, value in KAPPA.items())
    text = HEAD.format(published=published, graph=results["graph"])
    for name, row in results["predictors"].items():
        batch = "all" if row["batch_links"] is None else f"{row['batch_links']:,}"
        text += (
            f"| {name} | {row['links']:,} | {batch}{', masked' if row['mask_links'] else ''} "
            f"| {row['first_ms']:,.1f} | {row['second_ms']:,.1f} "
            f"| {ratio_cells(row)} | {peak_cell(row)} |\n"
        )
    return text
