"""Tasks of nodes: what a linear probe and clusters make of the embeddings, and what M weighs.

A run's value of a metric is its mean over the repeats of the tasks; intervals and tests are over
seeds, as for links.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from neglink.reporting.against import NOT_COMPARABLE, NOT_RUN, REACHED, VERDICTS, Verdict, verdict
from neglink.reporting.grid import asked_for, duration, missing_note, missing_row, why_not_run
from neglink.reporting.inputs import NONE, UNKNOWN, Inputs
from neglink.reporting.paired import Pair, paired_frame, paired_sheet
from neglink.reporting.published import SOURCES, cells
from neglink.reporting.sheets import (
    RUN,
    SUMMARY,
    Item,
    Sheet,
    Table,
    decimals,
    metric_title,
    number,
    numbers,
    records,
    run_items,
    span,
    summary_item,
    summary_of,
    tidy,
)
from neglink.reporting.statistics import (
    LEVEL,
    Cell,
    Results,
    Side,
    best_mean,
)
from neglink.reporting.sweeps import sweeps, value_items, value_rows

PAPER = "NML-GCL"
PRIMARY = "accuracy"
SHOWN = ("accuracy", "nmi", "ari", "fmi", "ratio")
"""Metrics of a cell: of the probe, of the clusters, and the ratio of M's weights."""
PAIRED = ("accuracy", "nmi", "ari")
"""Metrics by which methods are compared: those of which more is better."""

COLUMNS = [
    *("kind", *RUN, "against", "setting", "value", "is_base", "is_best", "side", "metric"),
    *(*SUMMARY, "published", "difference", "difference_low", "difference_high"),
    *("p", "p_permutation", "p_holm", "verdict", "why", "source"),
]

Row = dict[str, Any]


def node_results(inputs: Inputs) -> Results:
    """The tasks of nodes as results by cell: accuracy, nmi, ari, fmi and ratio of the test side.

    The validation side has the accuracy on the nodes that the probe's penalty was chosen on.
    """
    return Results([judged.as_metrics() for judged in inputs.nodes])


def ranks_links(inputs: Inputs) -> bool:
    """Whether the suite shows how links are ranked; one of node tasks alone holds out too few."""
    shown = {*inputs.suite.tables} - {"nodes", "cost"}
    return bool(shown) or not inputs.nodes


def nodes_table(inputs: Inputs, results: Results) -> Table | None:
    """Every cell's tasks, published figures, methods in pairs and swept settings; None without."""
    if not inputs.nodes:
        return None
    found = node_results(inputs)
    asked = {cell: n for cell, n in asked_for(inputs.suite).items() if cell[3] != NONE}
    missing = [cell for cell in asked if cell not in found.cells]
    tasks = [row for cell in (*found.unswept, *missing) for row in _task_rows(found, cell)]
    published = list(_published_rows(inputs, found, missing))
    apart = _paired_frame(found)
    pairs = _paired_rows(apart)
    swept = list(_swept_rows(found))
    sheets = [
        _task_sheet(found, missing),
        _published_sheet(published),
        paired_sheet("Method against method", apart),
    ]
    sheets += [_swept_sheet(swept)]
    rows = [dict.fromkeys(COLUMNS) | row for row in (*tasks, *published, *pairs, *swept)]
    return Table(
        "nodes",
        "Tasks of nodes",
        tidy(rows, columns=COLUMNS),
        [sheet for sheet in sheets if sheet.rows],
        [*_notes(inputs, published, pairs, swept), *filter(None, [missing_note(asked, found)])],
    )


def _notes(
    inputs: Inputs, published: list[Row], pairs: list[Row], swept: list[Row]
) -> Iterator[str]:
    yield (
        "Accuracy: of a logistic regression on frozen embeddings, on the test nodes, its penalty "
        "chosen on validation nodes; of single-label classes, so that micro-averaged F1 is the "
        "same. NMI, ARI, FMI: agreement of KMeans clusters with the classes, of all nodes of known "
        "class. Higher is better."
    )
    yield (
        "Weight ratio: mean weight of pairs of one class over that of pairs of two. Below 1 the "
        "metric tells false negatives apart; 1 is the even weight of InfoNCE. A dash: the training "
        "has no such weights."
    )
    yield (
        "A seed's value is its mean over the repeats of the task. Mean ± sample standard deviation "
        f"over the seeds; in brackets the {100 * LEVEL:g} % interval of the mean. Seeds are of "
        "weights and views; a public division of the nodes is the same in each, so that the "
        "interval holds nothing of the choice of test nodes. Bold: the highest mean of its "
        "dataset; others may not differ from it."
    )
    for text, names in node_protocols(inputs).items():
        yield f"{names}: {text}."
    if published:
        yield (
            f"{PAPER}: {SOURCES[PAPER]}. No standard deviation is known, nor which division of the "
            "nodes its figures are of, Planetoid's public one or random ones: the verdict is on "
            "that of our runs. Reached: our mean is at or above the published figure. Below: our "
            "whole interval is below it. Not settled: our mean is below it, our interval holds it."
        )
    if pairs:
        yield (
            "Difference: mean over shared seeds of method minus against, with its interval. Holm "
            "p: of the paired t-test, adjusted over all comparisons of this table on the same "
            f"metric; better or worse where it is below {1 - LEVEL:.2g}."
        )
    if swept:
        yield (
            "Swept settings: each is varied alone. Bold and best: the value with the highest "
            "accuracy on validation nodes, on which a choice has to be made. Minus base: of that "
            "accuracy; Holm p over the values of a setting."
        )
    seconds = sum(judged.cost.get("seconds") or 0.0 for judged in inputs.nodes)
    yield f"{len(inputs.nodes):,} runs were judged, in {duration(seconds)} in all."


def node_protocols(inputs: Inputs) -> dict[str, str]:
    """How embeddings were judged, each way with its datasets."""
    found: dict[str, list[str]] = {}
    for judged in inputs.nodes:
        names = found.setdefault(judged.protocol, [])
        if judged.run.dataset not in names:
            names.append(judged.run.dataset)
    return {text: ", ".join(names) for text, names in found.items()}


# --- cells ------------------------------------------------------------------------------------


def _task_rows(found: Results, cell: Cell) -> Iterator[Row]:
    run = dict(zip(RUN, cell, strict=True))
    for metric in SHOWN:
        row = {"kind": "task", **run, "side": "test", "metric": metric}
        yield row | numbers(found.summary(cell, metric))


def _task_sheet(found: Results, missing: list[Cell]) -> Sheet:
    heads = [*RUN, "seeds", *map(metric_title, SHOWN)]
    best = {
        (name, metric): best_mean(found, found.unswept, name, metric)
        for name in found.datasets()
        for metric in SHOWN[:-1]
    }
    rows = []
    for cell in found.unswept:
        seeds = len(found.cells[cell])
        items = [*run_items(cell), Item(str(seeds), order=seeds)]
        for metric in SHOWN:
            values = found.summary(cell, metric)
            is_best = values.mean is not None and values.mean == best.get((cell[0], metric))
            items.append(summary_item(values, seeds, best=is_best))
        rows.append(items)
    rows += [missing_row(cell, found, len(heads)) for cell in missing]
    return Sheet("Classes and clusters", heads, rows, frozenset(range(4, len(heads))))


# --- published --------------------------------------------------------------------------------


def _published_rows(inputs: Inputs, found: Results, missing: list[Cell]) -> Iterator[Row]:
    """Published accuracies of cells run or asked for; a paper without a sampler has any."""
    divisions = {judged.run.cell: judged.division for judged in inputs.nodes}
    figures = cells(PAPER)
    for figure in records(figures[figures["metric"] == PRIMARY]):
        for cell in (*found.unswept, *missing):
            if (cell[0], cell[1], cell[3]) != tuple(
                figure[name] for name in ("dataset", "predictor", "method")
            ):
                continue
            ours = found.summary(cell, PRIMARY)
            if cell not in found.cells:
                judged = Verdict(NOT_RUN, why_not_run(cell, found))
            elif (division := divisions[cell]) == UNKNOWN:
                judged = Verdict(NOT_COMPARABLE, "our division of the nodes is not on record")
            else:
                against = verdict(figure["value"], ours)
                judged = Verdict(against.word, f"{against.why}; our division is {division}")
            apart = None if ours.mean is None else ours.mean - figure["value"]
            yield {
                "kind": "published",
                **dict(zip(RUN, cell, strict=True)),
                "side": "test",
                "metric": PRIMARY,
                **numbers(ours),
                "published": figure["value"],
                "difference": apart,
                "verdict": judged.word,
                "why": judged.why,
                "source": f"{PAPER}, {figure['table']}",
            }


def _published_sheet(rows: list[Row]) -> Sheet:
    heads = [*RUN, "metric", "published", "ours", "seeds", "ours − published", "verdict", "why"]
    return Sheet(
        "Published figures beside ours",
        [*heads, "from"],
        [
            [
                *(Item(row[name]) for name in RUN),
                Item(metric_title(row["metric"])),
                Item(decimals(row["published"]), order=row["published"]),
                summary_item(summary_of(row), row["n"]),
                Item(str(row["n"]), order=row["n"]),
                Item(decimals(row["difference"], sign=True), order=row["difference"]),
                Item(row["verdict"], best=row["verdict"] == REACHED),
                Item(row["why"]),
                Item(row["source"]),
            ]
            for row in rows
        ],
        frozenset(range(5, 9)),
    )


# --- methods in pairs -------------------------------------------------------------------------


def _paired_frame(found: Results) -> pd.DataFrame:
    """Every two methods of a dataset, predictor and sampler, on every compared metric.

    All pairs have one name, so that they are adjusted together.
    """
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in found.unswept:
        groups.setdefault(cell[:3], []).append(cell)
    compared = [
        Pair(ours, other, "method against method", other[3])
        for group in groups.values()
        for ours, other in combinations(group, 2)
    ]
    return paired_frame(found, compared, list(PAIRED))


def _paired_rows(frame: pd.DataFrame) -> list[Row]:
    """The same as rows of the table, whose columns it shares with other kinds of rows."""
    renamed = frame.rename(columns={"low": "difference_low", "high": "difference_high"})
    kept = renamed.drop(columns="comparison")
    return [{"kind": "paired", "side": "test", **row} for row in records(kept)]


# --- swept settings ---------------------------------------------------------------------------


def _swept_rows(found: Results) -> Iterator[Row]:
    for swept in sweeps(found):
        shown: dict[Side, list[str]] = {"valid": [PRIMARY], "test": [*SHOWN]}
        for row in value_rows(swept, found, PRIMARY, shown):
            yield {"kind": "swept", **row}


def _swept_sheet(rows: list[Row]) -> Sheet:
    heads = [
        *(*RUN, "setting", "value", "seeds", f"validation {metric_title(PRIMARY)}"),
        *("minus base", "Holm p", *(f"test {metric_title(metric)}" for metric in SHOWN)),
    ]
    return Sheet("Swept settings", heads, value_items(rows), frozenset(range(5, len(heads))))


# --- what they found --------------------------------------------------------------------------


def node_findings(inputs: Inputs, table: Table) -> Iterator[str]:
    """The best probe of each dataset, published figures, comparisons and weights, a line each."""
    found, rows = node_results(inputs), records(table.frame)
    for dataset in found.datasets():
        here = [cell for cell in found.unswept if cell[0] == dataset]
        best = max(here, key=lambda cell: found.summary(cell, PRIMARY).mean or 0.0, default=None)
        if best is not None:
            values = found.summary(best, PRIMARY)
            names = " · ".join(name for name in best[1:] if name != NONE)
            yield (
                f"{dataset}: the best accuracy of a linear probe is {decimals(values.mean)} "
                f"{span(values.low, values.high)} by {names} ({values.n} "
                f"seed{'s' * (values.n != 1)})."
            ).replace("  ", " ")
    words = Counter(row["verdict"] for row in rows if row["kind"] == "published")
    if words:
        parts = [f"{words[word]} {word}" for word in VERDICTS if words[word]]
        yield f"Of {words.total()} published accuracies of {PAPER}: {', '.join(parts)}."
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        if row["kind"] == "paired" and row["metric"] == PRIMARY:
            pairs.setdefault((row["method"], row["against"]), Counter())[row["verdict"]] += 1
    for (ours, other), counts in pairs.items():
        parts = [f"{word} in {count}" for word, count in counts.items()]
        yield (
            f"{ours} against {other} on the accuracy of the probe: {', '.join(parts)} of "
            f"{counts.total()} comparison{'s' * (counts.total() != 1)} by seed (Holm-adjusted)."
        )
    ratios = [
        f"{row['method']} on {row['dataset']} {decimals(mean, 3)}"
        for row in rows
        if row["kind"] == "task" and row["metric"] == "ratio"
        if (mean := number(row["mean"])) is not None
    ]
    if ratios:
        yield f"Weight of pairs of one class over that of pairs of two: {', '.join(ratios)}."
