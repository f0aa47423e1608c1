"""The tables of a suite: results, and what a planted graph tells.

The table beside published figures is in `against.py`, run against run in `paired.py`, node tasks in
`nodes.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pandas as pd

from neglink.errors import ReportError
from neglink.reporting.against import not_run, published_table
from neglink.reporting.cost import cost_table
from neglink.reporting.grid import asked_for, missing_note, missing_row, why_no_value
from neglink.reporting.inputs import Inputs, Metrics
from neglink.reporting.iterations import iterations_table
from neglink.reporting.nodes import nodes_table, ranks_links
from neglink.reporting.paired import paired_table
from neglink.reporting.positivity import positivity_table
from neglink.reporting.ranking import ranking_table
from neglink.reporting.sheets import (
    RUN,
    SUMMARY,
    Item,
    Sheet,
    Table,
    amount,
    decimals,
    metric_title,
    numbers,
    records,
    run_items,
    summary_item,
    summary_of,
    tidy,
)
from neglink.reporting.statistics import (
    LEVEL,
    Cell,
    Results,
    Summary,
    best_mean,
    summary,
)
from neglink.reporting.sweeps import sweep_table

INTERVALS = (
    f"Mean ± sample standard deviation over the seeds; in brackets the {100 * LEVEL:g} % interval "
    "of the mean. One seed has neither. The CSV has the standard error of the mean too."
)
FRACTIONS = "Metrics are fractions in [0, 1]; higher is better."


def make_tables(inputs: Inputs, results: Results) -> list[Table]:
    """The tables that the suite asks for; `planted` only where a planted graph was run.

    Where runs have no value of a shown metric, the tables of metrics say why.

    Raises:
        ReportError: the suite asks for a table that does not exist.
    """
    for name in inputs.suite.tables:
        if name not in TABLES:
            raise ReportError(f"tables: {name!r} is not one of {', '.join(TABLES)}.")
    made = [TABLES[name](inputs, results) for name in dict.fromkeys(inputs.suite.tables)]
    shown = inputs.suite.metrics_shown if ranks_links(inputs) else []
    why = [reason for metric in shown if (reason := why_no_value(results, metric))]
    return [
        replace(table, notes=[*table.notes, *why]) if table.name in OF_METRICS else table
        for table in made
        if table is not None
    ]


# --- results ----------------------------------------------------------------------------------


def results_table(inputs: Inputs, results: Results) -> Table:
    """Mean, spread and interval of each shown metric for every cell, and what the cell cost."""
    shown = inputs.suite.metrics_shown
    heads = [*RUN, "seeds", *map(metric_title, shown), "training (s)", "peak memory (MB)"]
    listed = listed_cells(inputs, results)
    best = {
        (name, m): best_mean(results, listed, name, m) for name in results.datasets() for m in shown
    }
    missing = [cell for cell in asked_for(inputs.suite) if cell not in results.cells]
    rows = [_results_row(results, cell, shown, best) for cell in listed]
    rows += [missing_row(cell, results, len(heads)) for cell in missing]
    return Table(
        "results",
        "Results on the test links",
        results_frame(results, shown, [*listed, *missing]),
        [Sheet("Results", heads, rows, frozenset(range(4, len(heads))))],
        [
            FRACTIONS,
            INTERVALS,
            "Bold: the highest mean of its dataset; others may not differ from it.",
            "A heuristic is not trained: it has no sampler, no method and no cost.",
            "Cost is the mean over the seeds of one training and of its peak memory.",
            *_missing_notes(inputs, results, len(results.cells) - len(listed)),
        ],
    )


def listed_cells(inputs: Inputs, results: Results) -> list[Cell]:
    """Cells of the results table: swept ones only where no table is their own."""
    return results.unswept if "sweep" in inputs.suite.tables else list(results.cells)


def _missing_notes(inputs: Inputs, results: Results, swept: int) -> Iterator[str]:
    """What the table does not hold, counted."""
    if swept:
        yield f"The {swept:,} swept variants are in the table of settings varied one at a time."
    asked = asked_for(inputs.suite)
    if asked:
        yield missing_note(asked, results)
    published, absent = not_run(results, asked)
    told = "published" in inputs.suite.tables
    if published:
        yield (
            f"Of the {published:,} published figures for these datasets, predictors and samplers, "
            f"{absent:,} belong to cells without a run"
            + ("; the table of published figures says why." if absent and told else ".")
        )


def results_frame(
    results: Results, shown: list[str], cells: list[Cell] | None = None
) -> pd.DataFrame:
    """The results in tidy form: one row for each cell and metric or cost, with its unit."""
    rows: list[dict[str, object]] = []
    for cell in results.cells if cells is None else cells:
        run = dict(zip(RUN, cell, strict=True))
        for metric in shown:
            values = numbers(results.summary(cell, metric))
            rows.append({**run, "metric": metric, "unit": "fraction", **values})
        for quantity, unit in COSTS.items():
            cost = numbers(_cost(results.cells.get(cell, []), quantity))
            rows.append({**run, "metric": quantity, "unit": unit, **cost})
    return tidy(rows, columns=[*RUN, "metric", "unit", *SUMMARY])


COSTS = {"train_seconds": "s", "peak_memory_mb": "MB"}


def _cost(group: list[Metrics], quantity: str) -> Summary:
    """What the trainings of a cell took; nothing for a heuristic."""
    return summary(
        getattr(result.cost, quantity) for result in group if result.run.method is not None
    )


def _results_row(
    results: Results, cell: Cell, shown: list[str], best: dict[tuple[str, str], float | None]
) -> list[Item]:
    group = results.cells[cell]
    scores = []
    for metric in shown:
        values = results.summary(cell, metric)
        is_best = values.mean is not None and values.mean == best[cell[0], metric]
        scores.append(summary_item(values, len(group), best=is_best))
    costs = [_cost(group, quantity).mean for quantity in COSTS]
    items = [Item(amount(cost), order=cost) for cost in costs]
    return [*run_items(cell), Item(str(len(group)), order=len(group)), *scores, *items]


# --- planted ----------------------------------------------------------------------------------


def planted_table(inputs: Inputs, results: Results) -> Table | None:
    """Distance to the ceiling, false negatives drawn and calibration; None without such a run."""
    cells = {cell: group for cell, group in results.cells.items() if any(r.planted for r in group)}
    if not cells:
        return None
    frame = planted_frame(results, cells, inputs.suite.metrics_shown)
    return Table(
        "planted",
        "On planted graphs, where the truth is known",
        frame,
        [_planted_sheet(frame, cells, inputs.suite.metrics_shown)],
        [
            "Ceiling: what ranking by the true link probability gives on the same test links. "
            "Distance: ceiling minus mean, a fraction; 0 is the best that can be reached.",
            "False negatives: share of the negatives drawn in training that are hidden links.",
            "ECE and Brier: error of the predicted probabilities, lower is better. Spearman: rank "
            "correlation of scores with the true link probability.",
        ],
    )


def planted_frame(
    results: Results, cells: dict[Cell, list[Metrics]], shown: list[str]
) -> pd.DataFrame:
    """The planted table in tidy form: one row for each cell and quantity."""
    rows: list[dict[str, object]] = []
    for cell, group in cells.items():
        run = dict(zip(RUN, cell, strict=True))
        for quantity, values in planted_values(results, cell, group, shown).items():
            rows.append({**run, "quantity": quantity, **numbers(values)})
    return tidy(rows, columns=[*RUN, "quantity", *SUMMARY])


def planted_values(
    results: Results, cell: Cell, group: list[Metrics], shown: list[str]
) -> dict[str, Summary]:
    """Summaries of everything that a planted graph tells about one cell."""
    values = {}
    for metric in shown:
        ceilings = [r.planted.ceiling.get(metric) if r.planted else None for r in group]
        gaps = [
            ceiling - value
            for ceiling, result in zip(ceilings, group, strict=True)
            if ceiling is not None and (value := result.test.get(metric)) is not None
        ]
        values[f"ceiling {metric}"] = summary(ceilings)
        values[f"distance {metric}"] = summary(gaps)
    checks, marks = [r.sampler_check for r in group], [r.calibration for r in group]
    values["false negatives"] = summary(check.share for check in checks if check)
    values["ece"] = summary(mark.ece for mark in marks if mark)
    values["brier"] = summary(mark.brier for mark in marks if mark)
    values["spearman"] = summary(r.planted.spearman for r in group if r.planted)
    return values


def _planted_sheet(
    frame: pd.DataFrame, cells: dict[Cell, list[Metrics]], shown: list[str]
) -> Sheet:
    quantities = [
        *(f"{kind} {metric}" for metric in shown for kind in ("ceiling", "distance")),
        *("false negatives", "ece", "brier", "spearman"),
    ]
    used = [name for name in quantities if frame.loc[frame["quantity"] == name, "n"].sum() > 0]
    places = {(*(row[name] for name in RUN), row["quantity"]): row for row in records(frame)}
    rows = []
    for cell, group in cells.items():
        items = [_planted_item(places[*cell, name], len(group)) for name in used]
        rows.append([*run_items(cell), Item(str(len(group)), order=len(group)), *items])
    heads = [*RUN, "seeds", *map(_planted_head, used)]
    return Sheet("Planted", heads, rows, frozenset(range(4, len(heads))))


def _planted_item(row: dict[str, object], seeds: int) -> Item:
    found = summary_of(row)
    if str(row["quantity"]).startswith("ceiling"):
        return Item(decimals(found.mean), order=found.mean)
    item = summary_item(found, seeds)
    is_distance = str(row["quantity"]).startswith("distance")
    return item if is_distance else Item(item.text, order=item.order)


def _planted_head(quantity: str) -> str:
    kind, _, metric = quantity.partition(" ")
    if kind in ("ceiling", "distance"):
        return f"{metric_title(metric)} {kind}"
    return {"ece": "ECE", "brier": "Brier", "spearman": "Spearman"}.get(quantity, quantity)


OF_METRICS = {"results", "paired", "sweep", "planted", "ranking"}
"""Tables that show metrics of the suite's own runs."""

TABLES: dict[str, Callable[[Inputs, Results], Table | None]] = {
    "results": results_table,
    "published": published_table,
    "paired": paired_table,
    "sweep": sweep_table,
    "nodes": nodes_table,
    "cost": cost_table,
    "planted": planted_table,
    "iterations": iterations_table,
    "positivity": positivity_table,
    "ranking": ranking_table,
}
