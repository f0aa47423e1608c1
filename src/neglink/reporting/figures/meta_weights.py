"""Meta weights: what weight the meta learner gives to a loss (MeBNS, Figure 4b)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neglink.reporting.figures.style import (
    BLUE,
    RED,
    first_seeds,
    needed,
    new,
    panel_title,
    slug,
    title_of,
)
from neglink.reporting.inputs import Analysis, Inputs, Meta
from neglink.reporting.statistics import Results


def meta_weights(inputs: Inputs, results: Results) -> dict[str, Figure]:
    """One figure for each (dataset, predictor, sampler) with meta weights, of its lowest seed."""
    analyses = [analysis for analysis in inputs.analyses if analysis.meta and analysis.meta.loss]
    needed(analyses, "meta_weights", "analyses of runs with a meta learner (meta)")
    return {
        slug("meta_weights", *where): _figure(where, methods)
        for where, methods in first_seeds(analyses).items()
    }


def _figure(where: tuple[str, str, str], methods: dict[str, Analysis]) -> Figure:
    title = f"Loss and meta weight: {title_of(*where)}"
    figure = new(
        1.0 + 3.4 * max(len(methods), 1.4),
        3.7,
        f"{title}. Each mark is one training pair of the student: its loss, and the weight that "
        "the meta learner gives it.",
    )
    row = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, (method, analysis) in zip(row, methods.items(), strict=True):
        if analysis.meta is not None:
            _scatter(axes, analysis.meta)
            panel_title(
                axes,
                f"{title_of(method)} (seed {analysis.run.seed}), {_correlation(analysis.meta)}",
            )
        axes.set_xlabel("loss of the pair (nats)")
    row[0].set_ylabel("meta weight")
    figure.legend(
        *row[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, markerscale=2
    )
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return figure


def _scatter(axes: Axes, meta: Meta) -> None:
    loss, weight, label = (np.asarray(row) for row in (meta.loss, meta.weight, meta.label))
    kinds = ((0, "negative", BLUE, "o"), (1, "link", RED, "^"))
    for value, name, colour, marker in kinds:
        chosen = label == value
        axes.scatter(
            loss[chosen],
            weight[chosen],
            s=7,
            c=colour,
            marker=marker,
            linewidths=0,
            alpha=0.55,
            rasterized=True,
            label=f"{name} ({int(chosen.sum()):,})",
        )


def _correlation(meta: Meta) -> str:
    value = spearman(np.asarray(meta.loss), np.asarray(meta.weight))
    return "all weights equal" if value is None else f"Spearman {value:.2f}"


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Rank correlation with mean ranks for ties; None where one side does not vary.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([9.0, 9.5, 20.0]))
    1.0
    """
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    ranks = [_ranks(values) for values in (x, y)]
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    middle: NDArray[np.float64] = (last - (counts - 1) / 2).astype(np.float64)[inverse]
    return middle
