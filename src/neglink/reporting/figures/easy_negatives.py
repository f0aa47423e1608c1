"""Easy negatives: what removing the r % easiest negatives from training does (MeBNS, Figure 1b)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import removed
from neglink.reporting.figures.style import legend_below, looks, new, panel_title, title_of
from neglink.reporting.inputs import Inputs
from neglink.reporting.sheets import metric_title
from neglink.reporting.statistics import LEVEL, Cell, Results

Points = dict[float, Cell]
"""Cells by the percentage of negatives that their method removes."""

Groups = dict[str, dict[str, Points]]
"""Points by dataset, then by predictor and sampler."""


def easy_negatives(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """AUC and the primary metric against the percentage removed; `plain` stands at 0."""
    groups: Groups = {}
    for cell in results.cells:
        share = removed(cell[3])
        if share is not None:
            lines = groups.setdefault(cell[0], {})
            lines.setdefault(title_of(*cell[1:3]), {})[share] = cell
    groups = {
        dataset: {name: points for name, points in lines.items() if set(points) - {0.0}}
        for dataset, lines in groups.items()
    }
    groups = {dataset: lines for dataset, lines in groups.items() if lines}
    if not groups:
        raise ReportError(
            "Figure easy_negatives needs runs of methods named plain-drop-<percent>; none was run."
        )
    metrics = list(dict.fromkeys(["auc", inputs.suite.primary]))
    return {"easy_negatives": _figure(groups, metrics, results)}


def _figure(groups: Groups, metrics: list[str], results: Results) -> Figure:
    """A column of panels a dataset, a row a metric, a line a predictor and sampler."""
    figure = new(
        1.0 + 3.0 * max(len(groups), 1.6),
        1.0 + 2.2 * len(metrics),
        "Effect of training without the easiest negatives: mean over seeds with its "
        f"{100 * LEVEL:g} % interval, cut at 0 and 1, against the percentage removed. "
        "Dashed: nothing removed.",
    )
    grid = figure.subplots(len(metrics), len(groups), sharex=True, squeeze=False)
    styles = looks(name for lines in groups.values() for name in lines)
    for row, metric in zip(grid, metrics, strict=True):
        for axes, (dataset, lines) in zip(row, groups.items(), strict=True):
            _panel(axes, lines, metric, results, styles)
            panel_title(axes, f"{title_of(dataset)}, {metric_title(metric)}")
        row[0].set_ylabel(f"{metric_title(metric)} (fraction)")
    for axes in grid[-1]:
        axes.set_xlabel("easiest negatives removed (%)")
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4.5, lw=1.3, label=name)
        for name, (colour, marker) in styles.items()
    ]
    legend_below(figure, handles)
    figure.suptitle("Training without the easiest negatives", x=0.01, ha="left", weight="bold")
    return figure


def _panel(
    axes: Axes,
    lines: dict[str, Points],
    metric: str,
    results: Results,
    styles: dict[str, tuple[str, str]],
) -> None:
    """One line a predictor and sampler, a little apart so that their intervals can be seen."""
    for place, (name, points) in enumerate(lines.items()):
        colour, marker = styles[name]
        found = {share: results.summary(cell, metric) for share, cell in sorted(points.items())}
        known = {share: values for share, values in found.items() if values.mean is not None}
        at = [share + 1.2 * (place - (len(lines) - 1) / 2) for share in known]
        means = [values.mean for values in known.values() if values.mean is not None]
        axes.plot(at, means, marker=marker, ms=4.5, color=colour, lw=1.3)
        for x, values in zip(at, known.values(), strict=True):
            if values.low is not None and values.high is not None:
                ends = [max(values.low, 0.0), min(values.high, 1.0)]
                axes.plot([x, x], ends, color=colour, lw=1, alpha=0.7)
        if known and min(known) == 0.0:
            axes.axhline(means[0], color=colour, lw=0.8, ls="--", alpha=0.6)
