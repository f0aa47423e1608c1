"""Seconds against links, with the slope of each method (PULL, Figure 4)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.figure_needs import FEWEST
from neglink.reporting.figures.style import (
    legend_below,
    log_axes,
    looks,
    new,
    panel_title,
    title_of,
)
from neglink.reporting.inputs import Inputs
from neglink.reporting.scaling import QUANTITIES, Growth, growths
from neglink.reporting.statistics import LEVEL, Results


def scaling(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """Time of training and of an epoch by number of links, on doubly logarithmic axes."""
    found = {name: growths(inputs, results, name) for name in QUANTITIES}
    if not found["train_seconds"]:
        raise ReportError(
            f"Figure scaling needs runs with their cost on {FEWEST} sizes of a data set: list "
            "shares of it (data.shares) in the suite."
        )
    slopes = {name: "; ".join(growth.text for growth in of) for name, of in found.items()}
    said = [f"Of {words}: {slopes[name]}" for name, words in QUANTITIES.items() if slopes[name]]
    title = "Time by number of links"
    figure = new(
        9.5,
        4.4,
        f"{title}, one mark a run, on doubly logarithmic axes, with the least-squares line of each "
        f"method. A slope of 1 is linear. Slopes with their {100 * LEVEL:g} % intervals. "
        f"{'. '.join(said)}. "
        "Runs of one share differ in their seed; what a run costs whatever its links pulls a slope "
        "below 1, and an early end moves the time of a training, not that of an epoch.",
    )
    names = [_name(growth) for of in found.values() for growth in of]
    styles = looks(names)
    panels = figure.subplots(1, len(QUANTITIES))
    for axes, (quantity, words) in zip(panels, QUANTITIES.items(), strict=True):
        _panel(axes, found[quantity], styles)
        panel_title(axes, f"seconds of {words}")
        axes.set_xlabel("links of the graph")
        axes.set_ylabel("seconds")
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4.5, label=name)
        for name, (colour, marker) in styles.items()
    ]
    legend_below(figure, handles)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return {"scaling": figure}


def _name(growth: Growth) -> str:
    return title_of(growth.where[0], growth.where[1], growth.where[3])


def _panel(axes: Axes, found: list[Growth], styles: dict[str, tuple[str, str]]) -> None:
    log_axes(axes, subs=(1, 2, 5))
    for growth in found:
        colour, marker = styles[_name(growth)]
        axes.plot(growth.links, growth.seconds, marker, color=colour, ms=4.5, alpha=0.8)
        ends = [min(growth.links), max(growth.links)]
        axes.plot(ends, [growth.at(x) for x in ends], color=colour, lw=1.3)
