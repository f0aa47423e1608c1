"""False negatives against gain: do samplers that draw more hidden links train better?"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import BASE_SAMPLER
from neglink.reporting.figures.style import (
    INK,
    legend_below,
    looks,
    new,
    panel_title,
    slug,
    title_of,
)
from neglink.reporting.inputs import NONE, Inputs
from neglink.reporting.sheets import metric_title
from neglink.reporting.statistics import (
    LEVEL,
    Cell,
    Results,
    difference,
    summary,
)


def false_negatives(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """One figure a data set: share of hidden links among the negatives, gain over uniform ones."""
    metric = inputs.suite.primary
    cells = [cell for cell in results.unswept if cell[3] != NONE and _share(results, cell)]
    known = [cell for cell in cells if results.by_seed((*cell[:2], BASE_SAMPLER, cell[3]), metric)]
    if not known:
        raise ReportError(
            f"Figure false_negatives needs runs with the sampler {BASE_SAMPLER} and {metric}."
        )
    return {
        slug("false_negatives", dataset): _figure(
            dataset, [cell for cell in known if cell[0] == dataset], results, metric
        )
        for dataset in dict.fromkeys(cell[0] for cell in known)
    }


def _figure(dataset: str, cells: list[Cell], results: Results, metric: str) -> Figure:
    predictors = list(dict.fromkeys(cell[1] for cell in cells))
    samplers = looks(dict.fromkeys(cell[2] for cell in cells))
    methods = list(dict.fromkeys(cell[3] for cell in cells))
    figure = new(
        1.2 + 3.2 * len(predictors),
        4.2,
        f"{dataset}: share of the drawn negatives that are hidden links, and the gain in "
        f"{metric_title(metric)} over {BASE_SAMPLER} negatives with the same method: mean by seed "
        f"with its {100 * LEVEL:g} % interval. Filled: {methods[0]}"
        + (f"; open: {', '.join(methods[1:])}." if methods[1:] else "."),
    )
    panels = figure.subplots(1, len(predictors), sharey=True, squeeze=False)[0]
    for axes, predictor in zip(panels, predictors, strict=True):
        for cell in cells:
            if cell[1] == predictor:
                _point(axes, results, cell, metric, samplers[cell[2]], cell[3] == methods[0])
        axes.axhline(0, color=INK, lw=0.8)
        axes.set_xlabel("hidden links among negatives (%)")
        panel_title(axes, title_of(predictor))
    panels[0].set_ylabel(f"{metric_title(metric)} minus that of {BASE_SAMPLER}")
    handles = [
        Line2D([], [], color=colour, marker=marker, lw=0, label=title_of(name))
        for name, (colour, marker) in samplers.items()
    ]
    legend_below(figure, handles)
    figure.suptitle(f"False negatives and gain: {dataset}", x=0.01, ha="left", weight="bold")
    return figure


def _point(
    axes: Axes, results: Results, cell: Cell, metric: str, look: tuple[str, str], filled: bool
) -> None:
    base = results.by_seed((*cell[:2], BASE_SAMPLER, cell[3]), metric)
    gain = difference(results.by_seed(cell, metric), base)
    if gain.mean is None:
        return
    colour, marker = look
    x = 100 * (_share(results, cell) or 0.0)
    if gain.low is not None and gain.high is not None and cell[2] != BASE_SAMPLER:
        axes.plot([x, x], [gain.low, gain.high], color=colour, lw=1, alpha=0.6)
    face = colour if filled else "none"
    axes.plot(x, gain.mean, marker, color=colour, mfc=face, ms=6)


def _share(results: Results, cell: Cell) -> float | None:
    """Mean share of hidden links among the negatives drawn for a cell."""
    checks = [result.sampler_check for result in results.cells[cell]]
    return summary(check.share for check in checks if check).mean
