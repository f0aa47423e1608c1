"""Ablation: a method beside its variants, by data set and sampler (MeBNS, Figure 3)."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import removed
from neglink.reporting.figures.style import legend_below, looks, new, panel_title, title_of
from neglink.reporting.inputs import NONE, Inputs
from neglink.reporting.sheets import metric_title
from neglink.reporting.statistics import LEVEL, Cell, Results

COLUMNS = 3
MEANINGS = {
    "mebns-m": "without the meta learner",
    "mebns-o": "without the teacher's filter",
    "mebns-random": "random meta data",
}
"""What the variants of MeBNS leave out."""


def ablation(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """The primary metric of every method, one panel a data set and predictor."""
    metric = inputs.suite.primary
    cells = [cell for cell in results.unswept if cell[3] != NONE and not removed(cell[3])]
    cells = [cell for cell in cells if results.by_seed(cell, metric)]
    methods = sorted({cell[3] for cell in cells}, key=_order)
    if len(methods) < 2:
        raise ReportError(f"Figure ablation needs runs of two methods with {metric}.")
    panels = list(dict.fromkeys((cell[0], cell[1]) for cell in cells))
    samplers = list(dict.fromkeys(cell[2] for cell in cells))
    across = min(COLUMNS, len(panels))
    down = math.ceil(len(panels) / across)
    width = max(2.9, 0.6 + len(samplers) * (0.3 + 0.14 * len(methods)))
    title = f"{metric_title(metric)} of the methods by sampler, {results.seeds(cells)}"
    figure = new(
        1.0 + width * max(across, 1.6),
        1.2 + 2.4 * down,
        f"{title}: mean on the test links with its {100 * LEVEL:g} % interval, cut at 0 and 1. "
        "The axes do not begin at 0.",
    )
    grid = figure.subplots(down, across, squeeze=False)
    flat = grid.flatten().tolist()
    styles = looks(methods)
    for axes, (dataset, predictor) in zip(flat, panels, strict=False):
        here = [cell for cell in cells if cell[:2] == (dataset, predictor)]
        _panel(axes, here, results, metric, styles)
        panel_title(axes, f"{title_of(dataset, predictor)} ({results.seeds(here)})")
    for axes in flat[len(panels) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(f"test {metric_title(metric)} (fraction)")
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=5, lw=1.2, label=_legend(method))
        for method, (colour, marker) in styles.items()
    ]
    legend_below(figure, handles)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return {"ablation": figure}


def _order(method: str) -> tuple[int, str]:
    """Plain, then MeBNS and its variants in the paper's order, then others."""
    known = ["plain", "mebns", *MEANINGS]
    return (known.index(method) if method in known else len(known), method)


def _legend(method: str) -> str:
    meaning = MEANINGS.get(method)
    return title_of(method) + (f" ({meaning})" if meaning else "")


def _panel(
    axes: Axes,
    cells: list[Cell],
    results: Results,
    metric: str,
    styles: dict[str, tuple[str, str]],
) -> None:
    """A group a sampler; methods of one group stand side by side."""
    samplers, methods = list(dict.fromkeys(cell[2] for cell in cells)), list(styles)
    step = 0.7 / len(methods)
    for cell in cells:
        values = results.summary(cell, metric)
        if values.mean is None:
            continue
        colour, marker = styles[cell[3]]
        x = samplers.index(cell[2]) + (methods.index(cell[3]) - (len(methods) - 1) / 2) * step
        if values.low is not None and values.high is not None:
            ends = [max(values.low, 0.0), min(values.high, 1.0)]
            axes.plot([x, x], ends, color=colour, lw=1.4, alpha=0.7)
        axes.plot(x, values.mean, marker, color=colour, ms=5)
    axes.set_xticks(range(len(samplers)), [title_of(name) for name in samplers])
    axes.set_xlim(-0.55, len(samplers) - 0.45)
    axes.grid(visible=False, axis="x")
    for place in range(1, len(samplers)):
        axes.axvline(place - 0.5, color="#EEEEEE", lw=0.6, zorder=0)
