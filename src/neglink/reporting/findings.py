"""Findings: the sentences at the head of the page, each counted from the tables."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from neglink.reporting.against import VERDICTS
from neglink.reporting.inputs import NONE, Inputs
from neglink.reporting.sheets import Table, decimals, metric_title, span
from neglink.reporting.statistics import Cell, Results, summary


def findings(inputs: Inputs, results: Results, tables: list[Table]) -> list[str]:
    """What the suite found, one sentence each."""
    frames = {table.name: table.frame for table in tables}
    found = [*best_runs(results, inputs.suite.primary)]
    if "paired" in frames:
        found += paired_counts(frames["paired"], inputs.suite.primary)
    if "published" in frames:
        found += published_counts(frames["published"])
    return [*found, *migrant_counts(inputs)]


def best_runs(results: Results, metric: str) -> Iterator[str]:
    """The best cell of each dataset, and the best heuristic beside it."""
    for dataset in results.datasets():
        cells = [c for c in results.cells if c[0] == dataset and results.by_seed(c, metric)]
        if not cells:
            continue
        best = max(cells, key=lambda cell: results.summary(cell, metric).mean or 0.0)
        text = f"{dataset}: the best {metric_title(metric)} is {_value(results, best, metric)}"
        untrained = [cell for cell in cells if cell[3] == NONE and cell != best]
        if untrained and best[3] != NONE:
            other = max(untrained, key=lambda cell: results.summary(cell, metric).mean or 0.0)
            text += f"; the best heuristic is {_value(results, other, metric)}"
        ceiling = results.ceiling(dataset, metric)
        if ceiling is not None:
            text += f"; the ceiling is {decimals(ceiling)}"
        yield f"{text}."


def _value(results: Results, cell: Cell, metric: str) -> str:
    values = results.summary(cell, metric)
    names = " · ".join(name for name in cell[1:] if name != NONE)
    seeds = f"{values.n} seed{'s' * (values.n != 1)}"
    interval = span(values.low, values.high)
    return f"{decimals(values.mean)} {interval} by {names} ({seeds})".replace("  ", " ")


def paired_counts(frame: pd.DataFrame, metric: str) -> Iterator[str]:
    """How often each method was better or worse than another, on the primary metric."""
    shown = frame[frame["metric"] == metric]
    for (ours, other), group in shown.groupby(["method", "against"], sort=False):
        counts = Counter(group["verdict"])
        parts = [f"{word} in {counts[word]}" for word in ("better", "worse", "no difference shown")]
        if counts["not tested"]:
            parts.append(f"not tested in {counts['not tested']}")
        yield (
            f"{ours} against {other} on {metric_title(metric)}: {', '.join(parts)} "
            f"of {len(group)} comparison{'s' * (len(group) != 1)} by seed (Holm-adjusted)."
        )


def published_counts(frame: pd.DataFrame) -> Iterator[str]:
    """How many published figures and gains were reached."""
    for quantity, name in (("value", "published figures"), ("gain", "published gains")):
        counts = Counter(frame.loc[frame["quantity"] == quantity, "verdict"])
        if counts:
            parts = [f"{counts[word]} {word}" for word in VERDICTS if counts[word]]
            yield f"Of {counts.total()} {name}: {', '.join(parts)}."


def migrant_counts(inputs: Inputs) -> Iterator[str]:
    """The mean share of migrants by method, over everything that was analysed."""
    shares: dict[str, list[float | None]] = {}
    for analysis in inputs.analyses:
        for step in analysis.migration:
            share = sum(step.migrant) / max(len(step.migrant), 1)
            shares.setdefault(analysis.run.cell[3], []).append(share)
    if shares:
        parts = [
            f"{method} {100 * (summary(values).mean or 0.0):.1f} %"
            for method, values in shares.items()
        ]
        yield f"Test negatives that migrate between easy and hard: {', '.join(parts)}."
