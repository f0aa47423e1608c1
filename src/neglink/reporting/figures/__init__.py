"""The figures of a suite, each as SVG and PNG, with the same bytes whenever the data are equal."""

from collections.abc import Callable

from matplotlib.figure import Figure

from neglink.errors import ReportError
from neglink.reporting.figures.ablation import ablation
from neglink.reporting.figures.comparison import comparison
from neglink.reporting.figures.cost import cost
from neglink.reporting.figures.curves import learning_curves
from neglink.reporting.figures.easy_negatives import easy_negatives
from neglink.reporting.figures.false_negatives import false_negatives
from neglink.reporting.figures.iterations import iterations
from neglink.reporting.figures.meta_weights import meta_weights
from neglink.reporting.figures.migration import migration
from neglink.reporting.figures.ranking import ranking
from neglink.reporting.figures.scaling import scaling
from neglink.reporting.figures.sensitivity import sensitivity
from neglink.reporting.figures.style import Drawing, rendered, styled
from neglink.reporting.grid import why_no_value
from neglink.reporting.inputs import Inputs
from neglink.reporting.statistics import Results

FIGURES: dict[str, Callable[[Inputs, Results], dict[str, Figure]]] = {
    "comparison": comparison,
    "ablation": ablation,
    "sensitivity": sensitivity,
    "cost": cost,
    "scaling": scaling,
    "iterations": iterations,
    "learning_curves": learning_curves,
    "migration": migration,
    "meta_weights": meta_weights,
    "easy_negatives": easy_negatives,
    "ranking": ranking,
    "false_negatives": false_negatives,
}
"""By name, what draws one kind of figure: figures by file name without suffix."""


def make_figures(inputs: Inputs, results: Results) -> tuple[list[Drawing], list[str]]:
    """Draw the figures that the suite asks for, and leave out those that lack their data.

    Returns:
        The figures; and of each that is left out, a sentence that says what it needs.

    Raises:
        ReportError: a figure does not exist.
    """
    for name in inputs.suite.figures:
        if name not in FIGURES:
            raise ReportError(f"figures: {name!r} is not one of {', '.join(FIGURES)}.")
    drawings, left_out = [], []
    with styled():
        for name in dict.fromkeys(inputs.suite.figures):
            try:
                figures = FIGURES[name](inputs, results)
            except ReportError as error:  # the rest of the report needs none of its data
                lack, primary = str(error), inputs.suite.primary
                why = why_no_value(results, primary) if primary in lack else ""
                left_out.append(f"{lack} {why}".strip())
                continue
            drawings += [rendered(name, stem, figure) for stem, figure in figures.items()]
    return drawings, left_out


__all__ = ["FIGURES", "Drawing", "make_figures"]
