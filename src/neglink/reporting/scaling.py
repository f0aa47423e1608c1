"""How time grows with the links of a graph: a power of them, fitted over shares of a data set."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neglink.figure_needs import FEWEST
from neglink.reporting.cost import has_loops, seconds_of
from neglink.reporting.inputs import Inputs, Suite
from neglink.reporting.statistics import LEVEL, Results

Where = tuple[str, str, str, str]
"""(whole data set, predictor, sampler, method)."""


@dataclass(frozen=True)
class Growth:
    """Seconds of one method by number of links, and the line through them."""

    where: Where
    links: list[float]
    """Of each run."""
    seconds: list[float]
    """Of each run, for one of `QUANTITIES`."""
    slope: float
    """Exponent of the links: 1 is linear."""
    shift: float
    """log seconds at one link."""
    low: float | None
    high: float | None
    """Of the slope's interval; None where the runs leave no degree of freedom."""

    @property
    def text(self) -> str:
        """The method, its slope and the interval, in words."""
        span = "" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{' · '.join(self.where)}: {self.slope:.2f}{span}"

    def at(self, links: float) -> float:
        """Seconds that the line gives."""
        return math.exp(self.shift + self.slope * math.log(links))


QUANTITIES = {"train_seconds": "training", "seconds_per_epoch": "an epoch"}
"""What is timed, in words."""


def growths(inputs: Inputs, results: Results, quantity: str) -> list[Growth]:
    """The lines of all methods that ran on at least `FEWEST` sizes of one data set."""
    whole, loops = wholes(inputs.suite), has_loops(results)
    points: dict[Where, list[tuple[float, float]]] = {}
    for cell in results.unswept:
        for result in results.cells[cell]:
            links = result.counts.get("links")
            seconds = seconds_of(result, quantity, loops)
            if result.run.method is None or not links or not seconds:
                continue
            where = (whole.get(cell[0], cell[0]), *cell[1:])
            points.setdefault(where, []).append((float(links), seconds))
    return [
        fitted(where, found)
        for where, found in points.items()
        if len({links for links, _ in found}) >= FEWEST
    ]


def wholes(suite: Suite) -> dict[str, str]:
    """By name, the data set of which each share is a part."""
    data: Any = suite.settings.get("data")
    shares = data.get("shares") if isinstance(data, dict) else None
    if not isinstance(shares, dict):
        return {}
    return {name: str(of["of"]) for name, of in shares.items() if isinstance(of, dict)}


def fitted(where: Where, points: list[tuple[float, float]]) -> Growth:
    """The least-squares line of log seconds on log links, with Student's interval of its slope.

    Each run is a point; runs are taken as independent, although seeds share the machine's mood.
    """
    links, seconds = [x for x, _ in points], [y for _, y in points]
    x, y = np.log(links), np.log(seconds)
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    shift = float(y.mean() - slope * x.mean())
    low = high = None
    if len(points) > 2:
        from scipy.stats import t  # slow to import, and only needed here

        rest = y - shift - slope * x
        error = math.sqrt(float(rest @ rest) / (len(points) - 2) / spread)
        reach = float(t.ppf((1 + LEVEL) / 2, len(points) - 2)) * error
        low, high = slope - reach, slope + reach
    return Growth(where, links, seconds, slope, shift, low, high)
