"""How every figure looks, and how it becomes bytes."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from neglink.errors import ReportError
from neglink.files import digest_of
from neglink.reporting.inputs import Analysis

GREEN, YELLOW, RED = "#009E73", "#E69F00", "#D5230F"
BLUE, SKY, PURPLE, GREY, INK = "#0072B2", "#56B4E9", "#AA5C8F", "#7A7A7A", "#222222"
COLOURS = [GREY, BLUE, RED, GREEN, YELLOW, PURPLE, SKY, INK]
"""After Okabe and Ito (2008), told apart with any colour vision; each also has its marker."""
MARKERS = ["o", "D", "s", "^", "v", "P", "X", "*"]
PNG_DPI = 160
RASTER_DPI = 150

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "neglink",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Drawing:
    """A figure as files: its kind, the file name without suffix, what it shows, its bytes."""

    kind: str
    stem: str
    caption: str
    svg: bytes
    png: bytes


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults, then ours, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def rendered(kind: str, stem: str, figure: Figure) -> Drawing:
    """A figure as SVG and PNG without dates or version marks, so equal data give equal bytes."""
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    figure.set_layout_engine("none")  # what was laid out stays where it is: half of the time
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Drawing(kind, stem, str(figure.get_label()), svg.getvalue(), png.getvalue())


def new(width: float, height: float, caption: str) -> Figure:
    """An empty figure in inches; its caption goes with it to the page."""
    figure = Figure(figsize=(width, height))
    figure.set_label(caption)
    return figure


def legend_below(figure: Figure, handles: Sequence[Line2D | Patch]) -> None:
    """A legend under the panels, in as many columns as fit beside each other."""
    widest = max(len(str(handle.get_label())) for handle in handles)
    columns = int(figure.get_size_inches()[0] / (0.07 * widest + 0.5))
    columns = max(1, min(columns, len(handles)))
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def log_axes(axes: Axes, subs: tuple[int, ...] = (1,)) -> None:
    """Doubly logarithmic axes with plain numbers at `subs` of each power: powers are math text."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def slug(*names: str) -> str:
    """Names as part of a file name; names that had to be changed get a digest to stay apart.

    >>> slug("cora", "mebns"), slug("a/b")
    ('cora-mebns', 'a-b-f5effa31')
    """
    plain = "-".join(names)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")
    return safe if safe == plain else f"{safe}-{digest_of(plain, 8)}"


def title_of(*names: str, width: int = 26) -> str:
    """Names in one line; what is too long to be drawn is cut.

    >>> title_of("cora", "gcn"), title_of("abcdefgh", width=5)
    ('cora · gcn', 'abcd…')
    """
    return " · ".join(n if len(n) <= width else f"{n[: width - 1]}…" for n in names)


def looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each name, in order."""
    unique = list(dict.fromkeys(names))
    return {
        # the next round of colours begins one marker later, so that no pair comes twice
        name: (
            COLOURS[place % len(COLOURS)],
            MARKERS[(place + place // len(COLOURS)) % len(MARKERS)],
        )
        for place, name in enumerate(unique)
    }


def needed(analyses: list[Analysis], what: str, where: str) -> list[Analysis]:
    """The analyses, or an error that says what a figure lacks."""
    if not analyses:
        raise ReportError(f"Figure {what} needs {where}; the suite lists none.")
    return analyses


def first_seeds(analyses: list[Analysis]) -> dict[tuple[str, str, str], dict[str, Analysis]]:
    """The analysis of the lowest seed, by (dataset, predictor, sampler) and then by method."""
    found: dict[tuple[str, str, str], dict[str, Analysis]] = {}
    for analysis in sorted(analyses, key=lambda item: item.run.seed):
        *where, method = analysis.run.cell
        found.setdefault((where[0], where[1], where[2]), {}).setdefault(method, analysis)
    return {
        where: dict(sorted(methods.items(), key=lambda item: (item[0] != "plain", item[0])))
        for where, methods in sorted(found.items())
    }


def panel_title(axes: Axes, text: str) -> None:
    """A title at the left edge of a panel."""
    axes.set_title(title_of(text, width=60), loc="left")
