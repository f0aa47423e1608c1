"""Migration: scores of fixed test negatives at two epochs (MeBNS, Figures 1c, 1d, 4c and 8)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from neglink.reporting.figures.style import (
    GREEN,
    INK,
    RED,
    YELLOW,
    first_seeds,
    legend_below,
    looks,
    needed,
    new,
    panel_title,
    slug,
    title_of,
)
from neglink.reporting.inputs import Analysis, Inputs, Step
from neglink.reporting.statistics import LEVEL, Results, Summary, summary

Shares = dict[str, dict[str, Summary]]
"""Share of migrants (in percent) by (dataset · predictor · sampler · epochs), then by method."""


def migration(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """Scatter plots for each (dataset, predictor, sampler), and the share of migrants as bars."""
    analyses = [analysis for analysis in inputs.analyses if analysis.migration]
    needed(analyses, "migration", "analyses of runs (scores, migration)")
    drawn = {
        slug("migration", *where): _scatters(where, methods)
        for where, methods in first_seeds(analyses).items()
    }
    return {**drawn, "migration-shares": _bars(migrant_shares(analyses))}


# --- scatter ----------------------------------------------------------------------------------


def _scatters(where: tuple[str, str, str], methods: dict[str, Analysis]) -> Figure:
    """A row of panels a method, a column a pair of epochs."""
    across = max(len(analysis.migration) for analysis in methods.values())
    title = f"Scores of test negatives at two epochs: {title_of(*where)}"
    figure = new(
        0.3 + 3.75 * across,
        0.35 + 3.15 * len(methods),
        f"{title}. Each mark is one test negative. Stable: its score hardly moved. Migrant: easy "
        "at one epoch, hard at the other. Mover: its score moved as far without that. Dotted: the "
        "ROC-optimal thresholds, above which a negative is hard.",
    )
    grid = figure.subplots(len(methods), across, squeeze=False)
    for row, (method, analysis) in zip(grid, methods.items(), strict=True):
        for axes in row[len(analysis.migration) :]:
            axes.set_visible(False)
        for axes, step in zip(row, analysis.migration, strict=False):
            _scatter(axes, analysis, step)
            panel_title(axes, f"{title_of(method)} (seed {analysis.run.seed})")
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return figure


def _scatter(axes: Axes, analysis: Analysis, step: Step) -> None:
    places = [analysis.epochs.index(epoch) for epoch in (step.start, step.end)]
    before, after = (np.asarray(analysis.scores[place]) for place in places)
    migrant = np.asarray(step.migrant, dtype=bool)
    mover = np.asarray(step.mover, dtype=bool) & ~migrant
    axes.plot([0, 1], [0, 1], color="#BBBBBB", lw=0.8, zorder=1)
    axes.axvline(analysis.thresholds[places[0]], color=INK, lw=0.8, ls=":")
    axes.axhline(analysis.thresholds[places[1]], color=INK, lw=0.8, ls=":")
    _marks(axes, before, after, ~mover & ~migrant, "stable", GREEN, "o", 5)
    _marks(axes, before, after, mover, "mover", YELLOW, "^", 13)
    _marks(axes, before, after, migrant, "migrant", RED, "^", 22)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel(f"score at epoch {step.start} (probability)")
    axes.set_ylabel(f"score at epoch {step.end} (probability)")
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.1, borderpad=0, markerscale=1.5
    )


def _marks(
    axes: Axes,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    name: str,
    colour: str,
    marker: str,
    size: float,
) -> None:
    count = int(chosen.sum())
    axes.scatter(
        before[chosen],
        after[chosen],
        s=size,
        c=colour,
        marker=marker,
        linewidths=0 if marker == "o" else 0.3,
        edgecolors="none" if marker == "o" else "white",
        rasterized=True,
        label=f"{name}\n{count:,}",
        zorder=2,
    )


# --- shares -----------------------------------------------------------------------------------


def migrant_shares(analyses: list[Analysis]) -> Shares:
    """Percent of the fixed negatives that migrate, over all analysed seeds."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for analysis in analyses:
        *where, method = analysis.run.cell
        for step in analysis.migration:
            place = f"{title_of(*where)}\nepoch {step.start} → {step.end}"
            share = 100 * sum(step.migrant) / max(len(step.migrant), 1)
            found.setdefault(place, {}).setdefault(method, []).append(share)
    return {
        place: {method: summary(shares) for method, shares in sorted(methods.items())}
        for place, methods in found.items()
    }


def _bars(shares: Shares) -> Figure:
    methods = sorted(
        {m for found in shares.values() for m in found}, key=lambda m: (m != "plain", m)
    )
    styles, width = looks(methods), 0.8 / len(methods)
    figure = new(
        max(4.5, 1.6 + 1.0 * len(shares) * max(1.0, 0.4 * len(methods))),
        3.6,
        f"Share of the fixed test negatives that migrate between easy and hard, by method: mean "
        f"over the analysed seeds with its {100 * LEVEL:g} % interval. Lower is steadier.",
    )
    axes = figure.subplots()
    for place, method in enumerate(methods):
        shift = (place - (len(methods) - 1) / 2) * width
        for at, found in enumerate(shares.values()):
            if method in found:
                _bar(axes, at + shift, found[method], width, styles[method][0])
    axes.set_xticks(range(len(shares)), list(shares), fontsize=8)
    axes.set_xlim(-0.6, len(shares) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("migrants (% of test negatives)")
    names = [Patch(color=styles[method][0], label=title_of(method)) for method in methods]
    legend_below(figure, names)
    figure.suptitle("Migrants between easy and hard", x=0.01, ha="left", weight="bold")
    return figure


def _bar(axes: Axes, at: float, values: Summary, width: float, colour: str) -> None:
    mean = values.mean or 0.0
    axes.bar(at, mean, width=0.92 * width, color=colour)
    top = mean
    if values.low is not None and values.high is not None:
        axes.plot([at, at], [max(values.low, 0), values.high], color=INK, lw=1.1)
        top = values.high
    axes.annotate(
        f"{mean:.1f}",
        (at, top),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
