"""Comparison: every cell as a dot with its interval, one panel a dataset."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import removed
from neglink.reporting.figures.style import (
    GREY,
    INK,
    legend_below,
    looks,
    new,
    panel_title,
    title_of,
)
from neglink.reporting.inputs import NONE, Inputs
from neglink.reporting.sheets import metric_title
from neglink.reporting.statistics import LEVEL, Cell, Results

Row = tuple[str, str]
"""(predictor, sampler): what stands at one height."""

COLUMNS = 3


def comparison(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """The primary metric of every cell, with the best heuristic and the ceiling as lines."""
    metric = inputs.suite.primary
    # swept runs have their own figure and table
    shown = [cell for cell in results.unswept if results.by_seed(cell, metric)]
    if "easy_negatives" in inputs.suite.figures:  # those runs have that figure to themselves
        shown = [cell for cell in shown if not removed(cell[3])]
    if not shown:
        raise ReportError(f"Figure comparison needs runs with {metric}; none has it.")
    datasets = [name for name in results.datasets() if any(cell[0] == name for cell in shown)]
    rows = list(dict.fromkeys((cell[1], cell[2]) for cell in shown))
    rows.sort(key=lambda row: row[1] == NONE)
    styles = looks(sorted({cell[3] for cell in shown if cell[3] != NONE}, key=_plain_first))
    across = min(COLUMNS, len(datasets))
    height = max(0.3, 0.1 * len(styles))
    down = math.ceil(len(datasets) / across)
    figure = new(
        2.2 + 2.9 * across,
        1.6 + down * (0.7 + height * len(rows)),
        f"{metric_title(metric)} by dataset: mean over {results.seeds(shown)} with its "
        f"{100 * LEVEL:g} % interval, cut at 0 and 1. Dashed: the best heuristic. Dotted: the "
        "ceiling, where the truth is known.",
    )
    panels = figure.subplots(down, across, sharey=True, squeeze=False).flatten().tolist()
    for panel, dataset in zip(panels, datasets, strict=False):
        _panel(panel, results, [cell for cell in shown if cell[0] == dataset], rows, styles, metric)
    for panel in panels[len(datasets) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(datasets) - across) : len(datasets)]:
        panel.set_xlabel(f"{metric_title(metric)} (fraction)")
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.suptitle(f"{metric_title(metric)} on the test links", x=0.01, ha="left", weight="bold")
    legend_below(figure, _legend(styles, shown, results, metric))
    return {"comparison": figure}


def _plain_first(method: str) -> tuple[bool, str]:
    return method != "plain", method


def _panel(
    axes: Axes,
    results: Results,
    cells: list[Cell],
    rows: list[Row],
    styles: dict[str, tuple[str, str]],
    metric: str,
) -> None:
    """One dataset: dots with intervals, methods of one row a little apart."""
    for cell in cells:
        values = results.summary(cell, metric)
        if values.mean is None:
            continue
        colour, marker = styles.get(cell[3], (INK, "|"))
        height = rows.index((cell[1], cell[2])) + _offset(cell[3], list(styles))
        if values.low is not None and values.high is not None:
            ends = [max(values.low, 0.0), min(values.high, 1.0)]
            axes.plot(ends, [height] * 2, color=colour, lw=1.4, alpha=0.7)
        axes.plot(values.mean, height, marker, color=colour, ms=5 if marker != "|" else 9, mew=1.2)
    _lines(axes, results, cells, metric)
    axes.set_yticks(range(len(rows)), [_row_title(row) for row in rows])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)
    for height in range(1, len(rows)):
        axes.axhline(height - 0.5, color="#EEEEEE", lw=0.6, zorder=0)
    panel_title(axes, title_of(cells[0][0]))


def _offset(method: str, methods: list[str]) -> float:
    """Where a method stands within its row: methods side by side, within 0.7 of it in all."""
    if method not in methods:
        return 0.0
    step = min(0.22, 0.7 / len(methods))
    return (methods.index(method) - (len(methods) - 1) / 2) * step


def _row_title(row: Row) -> str:
    return title_of(*(name for name in row if name != NONE))


def _lines(axes: Axes, results: Results, cells: list[Cell], metric: str) -> None:
    """The best heuristic and the ceiling of one dataset as upright lines."""
    heuristics = [results.summary(cell, metric).mean for cell in cells if cell[3] == NONE]
    best = max((mean for mean in heuristics if mean is not None), default=None)
    if best is not None:
        axes.axvline(best, color=GREY, lw=1, ls="--", zorder=1)
    ceiling = results.ceiling(cells[0][0], metric)
    if ceiling is not None:
        axes.axvline(ceiling, color=INK, lw=1.2, ls=":", zorder=1)


def _legend(
    styles: dict[str, tuple[str, str]], cells: list[Cell], results: Results, metric: str
) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker=marker, lw=1.4, ms=5, label=title_of(method))
        for method, (colour, marker) in styles.items()
    ]
    if any(cell[3] == NONE for cell in cells):
        handles.append(Line2D([], [], color=INK, marker="|", lw=0, ms=9, label="heuristic"))
        handles.append(Line2D([], [], color=GREY, ls="--", lw=1, label="best heuristic"))
    if any(results.ceiling(cell[0], metric) is not None for cell in cells):
        handles.append(Line2D([], [], color=INK, ls=":", lw=1.2, label="ceiling"))
    return handles
