"""Cost: how many times as much as plain training MeBNS takes (MeBNS, section 3.4.2)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.naming import BASE, SYSTEM
from neglink.reporting.cost import (
    PUBLISHED_ON,
    QUANTITIES,
    TITLES,
    Ratios,
    ratios,
)
from neglink.reporting.figures.style import (
    GREY,
    INK,
    legend_below,
    looks,
    new,
    panel_title,
    title_of,
)
from neglink.reporting.inputs import Inputs
from neglink.reporting.published import KAPPA, KAPPA_BOUND
from neglink.reporting.statistics import Results

Row = tuple[str, str]
"""(dataset, predictor): what stands at one height."""


def cost(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """κ of MeBNS by data set and predictor: time in all, time per epoch, memory."""
    found = [ratio for ratio in ratios(results) if ratio.cell[3] == SYSTEM]
    if not found:
        raise ReportError(f"Figure cost needs runs of {SYSTEM} and {BASE} with their cost.")
    rows = list(dict.fromkeys((ratio.cell[0], ratio.cell[1]) for ratio in found))
    samplers = list(dict.fromkeys(ratio.cell[2] for ratio in found))
    styles = looks(["", *samplers])  # grey is left to the paper's bound
    title = f"Cost of {SYSTEM} as a multiple of {BASE} training"
    figure = new(
        10.5,
        max(2.8, 1.5 + len(rows) * max(0.32, 0.1 * len(samplers))),
        f"{title}, by data set and predictor: mean over seeds, with the lowest and the highest. "
        f"Solid: as much as {BASE}. Dashed: the constant that MeBNS states for time, of at most "
        "or about 4. Stars: what it reports for PubMed, which may be the ratio or what is added.",
    )
    panels = figure.subplots(1, len(QUANTITIES), sharey=True)
    for axes, quantity in zip(panels, QUANTITIES, strict=True):
        _panel(axes, [ratio for ratio in found if ratio.quantity == quantity], rows, styles)
        panel_title(axes, f"{TITLES[quantity]}")
        axes.set_xlabel(f"{SYSTEM} / {BASE}")
        if quantity != "peak_memory_mb":
            axes.axvline(KAPPA_BOUND, color=GREY, lw=1, ls="--", zorder=1)
        if quantity == "seconds_per_epoch":
            _published(axes, rows)
    panels[0].set_yticks(range(len(rows)), [title_of(*row) for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=styles[name][0], marker=styles[name][1], ms=5, label=title_of(name))
        for name in samplers
    ]
    handles.append(Line2D([], [], color=GREY, ls="--", lw=1, label="MeBNS: ≤ or ≈ 4"))
    if any(row[0] == PUBLISHED_ON and row[1] in KAPPA for row in rows):
        handles.append(Line2D([], [], color=INK, marker="*", lw=0, ms=8, label="MeBNS on PubMed"))
    legend_below(figure, handles)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return {"cost": figure}


def _panel(
    axes: Axes, found: list[Ratios], rows: list[Row], styles: dict[str, tuple[str, str]]
) -> None:
    """Dots with the range over seeds; samplers of one row a little apart."""
    samplers = [name for name in styles if name]
    step = 0.7 / len(samplers)
    for ratio in found:
        colour, marker = styles[ratio.cell[2]]
        place = samplers.index(ratio.cell[2]) - (len(samplers) - 1) / 2
        height = rows.index((ratio.cell[0], ratio.cell[1])) + place * step
        ends = [min(ratio.values), max(ratio.values)]
        axes.plot(ends, [height] * 2, color=colour, lw=1.4, alpha=0.7)
        axes.plot(ratio.mean, height, marker, color=colour, ms=4.5)
    axes.axvline(1.0, color=INK, lw=0.9, zorder=1)
    bound = KAPPA_BOUND if found and found[0].quantity != "peak_memory_mb" else 1.0
    axes.set_xlim(0, 1.08 * max([bound, *(value for ratio in found for value in ratio.values)]))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    for height in range(1, len(rows)):
        axes.axhline(height - 0.5, color="#EEEEEE", lw=0.6, zorder=0)


def _published(axes: Axes, rows: list[Row]) -> None:
    for height, (dataset, predictor) in enumerate(rows):
        if dataset == PUBLISHED_ON and predictor in KAPPA:
            axes.plot(KAPPA[predictor], height, "*", color=INK, ms=8, zorder=3)
            axes.annotate(
                f"{KAPPA[predictor]:g}",
                (KAPPA[predictor], height),
                xytext=(5, 4),
                textcoords="offset points",
                fontsize=7.5,
            )
