"""Sensitivity: the primary metric against one setting of a method (MeBNS, Figures 5 to 7)."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import BASE
from neglink.reporting.figures.style import (
    INK,
    legend_below,
    looks,
    new,
    panel_title,
    slug,
    title_of,
)
from neglink.reporting.inputs import Inputs
from neglink.reporting.sheets import metric_title
from neglink.reporting.statistics import LEVEL, Results, Summary
from neglink.reporting.sweeps import Swept, is_number, sweeps, value_text

COLUMNS = 3
MANY = 50.0
"""Values that span more than this factor stand on a logarithmic axis."""

NAMES = {
    "student_epochs": "epochs of the student",
    "student_learning_rate": "learning rate of the student",
    "teacher_epochs": "epochs of the teacher, T (as MeBNS, Figure 5)",
    "beta": "ratio of hard samples, beta (as MeBNS, Figure 6)",
    "delta": "probability of graph-based negatives, delta (as MeBNS, Figure 7)",
    "tau": "threshold of the variance, tau",
}
"""Settings that the paper varies, in words."""


def sensitivity(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """One figure a swept setting, one panel a data set, one line a predictor and sampler."""
    groups: dict[tuple[str, str], list[Swept]] = {}
    metric = inputs.suite.primary
    for swept in sweeps(results):
        if any(results.by_seed(point.cell, metric) for point in swept.points):
            groups.setdefault((swept.method, swept.setting), []).append(swept)
    if not groups:
        raise ReportError(f"Figure sensitivity needs runs of a sweep with {metric}; none has it.")
    return {
        slug("sensitivity", method, setting): _figure(group, results, metric)
        for (method, setting), group in groups.items()
    }


def _figure(group: list[Swept], results: Results, metric: str) -> Figure:
    method, setting = group[0].method, group[0].setting
    datasets = list(dict.fromkeys(swept.where[0] for swept in group))
    across = min(COLUMNS, len(datasets))
    down = math.ceil(len(datasets) / across)
    name = NAMES.get(setting, setting)
    title = f"{metric_title(metric)} of {title_of(method)} by {name}"
    figure = new(
        1.2 + 3.2 * max(across, 1.6),
        1.3 + 2.5 * down,
        f"{title}: mean on the test links over {_seeds(group)} with its {100 * LEVEL:g} % "
        "interval, cut at 0 and 1; the other settings stay as they are. Ring: the method's own "
        f"value. Dashed, with a band: {BASE} training over the same seeds. Choices are made on "
        "validation links, which the table of swept settings shows.",
    )
    grid = figure.subplots(down, across, squeeze=False)
    styles = looks(["", *(_line_name(swept) for swept in group)])  # grey is left to others
    panels = grid.flatten().tolist()
    for axes, dataset in zip(panels, datasets, strict=False):
        lines = [swept for swept in group if swept.where[0] == dataset]
        _panel(axes, lines, results, metric, styles)
        panel_title(axes, f"{title_of(dataset)} ({_seeds(lines)})")
        axes.set_xlabel(setting)
    for axes in panels[len(datasets) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(f"test {metric_title(metric)} (fraction)")
    names = list(dict.fromkeys(map(_line_name, group)))
    handles = [
        Line2D([], [], color=styles[name][0], marker=styles[name][1], ms=4.5, label=name)
        for name in names
    ]
    handles.append(
        Line2D([], [], marker="o", mfc="none", mec=INK, lw=0, ms=9, label=f"{method}'s own value")
    )
    handles.append(Line2D([], [], color=INK, ls="--", lw=1, label=BASE))
    legend_below(figure, handles)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return figure


def _line_name(swept: Swept) -> str:
    return title_of(*swept.where[1:])


def _seeds(group: list[Swept]) -> str:
    counts = {len(swept.seeds) for swept in group}
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} seed{'s' * (high != 1)}"


def _panel(
    axes: Axes,
    lines: list[Swept],
    results: Results,
    metric: str,
    styles: dict[str, tuple[str, str]],
) -> None:
    """The lines of one data set; values that are not numbers stand side by side."""
    values: list[Any] = []
    for swept in lines:
        values += [point.value for point in swept.points if point.value not in values]
    is_numeric = all(map(is_number, values))
    is_log = is_numeric and min(values) > 0 and max(values) / min(values) > MANY
    places = {_key(value): float(value) if is_numeric else i for i, value in enumerate(values)}
    reach = max(places.values()) - min(places.values())
    for at, swept in enumerate(lines):
        aside = 0.02 * (at - (len(lines) - 1) / 2)  # so that intervals of several lines are seen
        colour, marker = styles[_line_name(swept)]
        _plain(axes, swept, results, metric, colour)
        found = [
            (
                _moved(places[_key(point.value)], aside, reach, is_log),
                swept.summary(results, point.cell, metric),
                point.is_base,
            )
            for point in swept.points
        ]
        known = [(x, s, base) for x, s, base in found if s.mean is not None]
        means = [s.mean for _, s, _ in known if s.mean is not None]
        axes.plot([x for x, _, _ in known], means, color=colour, marker=marker, ms=4.5, lw=1.3)
        for (x, s, base), value in zip(known, means, strict=True):
            _bar(axes, x, s, colour)
            if base:
                axes.plot(x, value, "o", mfc="none", mec=colour, ms=10, mew=1.2)
    if not is_numeric:
        axes.set_xticks(list(places.values()), [value_text(value) for value in values])
        axes.margins(x=0.15)
    elif is_log:
        axes.set_xscale("log")
        axes.set_xticks(list(places.values()), list(map(value_text, values)))  # no powers of 10
        axes.minorticks_off()


def _moved(x: float, aside: float, reach: float, is_log: bool) -> float:
    """A place moved by a share of the axis."""
    return float(x * MANY**aside) if is_log else x + aside * reach


def _key(value: Any) -> str:
    return value_text(float(value) if is_number(value) else value)


def _bar(axes: Axes, x: float, values: Summary, colour: str) -> None:
    if values.low is not None and values.high is not None:
        ends = [max(values.low, 0.0), min(values.high, 1.0)]
        axes.plot([x, x], ends, color=colour, lw=1, alpha=0.7)


def _plain(axes: Axes, swept: Swept, results: Results, metric: str, colour: str) -> None:
    """Plain training as a line across, with its interval as a band."""
    values = swept.summary(results, (*swept.where, BASE), metric)
    if values.mean is not None:
        axes.axhline(values.mean, color=colour, lw=1, ls="--", alpha=0.8)
    if values.low is not None and values.high is not None:
        ends = max(values.low, 0.0), min(values.high, 1.0)
        axes.axhspan(*ends, color=colour, alpha=0.1, lw=0)
