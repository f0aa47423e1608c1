"""Means, intervals and paired tests of the runs of a suite, as tables and figures need them."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from neglink.evaluation.comparison import holm, paired
from neglink.evaluation.intervals import interval
from neglink.naming import BASE_SAMPLER
from neglink.reporting.inputs import NONE, Metrics, Protocol, Sweep

LEVEL = 0.95
"""Level of every interval; a difference is shown where the adjusted p-value is below 1 - LEVEL."""

Cell = tuple[str, str, str, str]
"""(dataset, predictor, sampler, method): what the seeds of a run share."""

Side = Literal["valid", "test"]
"""Validation links, on which choices are made, or test links."""


@dataclass(frozen=True)
class Summary:
    """Some values of one quantity: how many, their mean, and where the mean may lie."""

    n: int
    mean: float | None
    std: float | None
    low: float | None
    high: float | None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean, std / √n."""
        return None if self.std is None else self.std / math.sqrt(self.n)


@dataclass(frozen=True)
class Difference:
    """One method minus another, over the seeds that both have."""

    n: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    p_permutation: float | None


def summary(values: Iterable[float | None]) -> Summary:
    """Mean, sample standard deviation and interval; None where there are too few values.

    >>> summary([0.5, None]).mean, summary([0.5]).low
    (0.5, None)
    """
    kept = [value for value in values if value is not None]
    if not kept:
        return Summary(0, None, None, None, None)
    mean, found = math.fsum(kept) / len(kept), interval(kept, level=LEVEL)
    if found is None:
        return Summary(len(kept), mean, None, None, None)
    return Summary(len(kept), mean, statistics.stdev(kept), found.low, found.high)


def difference(ours: dict[int, float], other: dict[int, float]) -> Difference:
    """Mean of ours minus other by seed, its interval and p-values; seeds of only one are left out.

    `p` is of the paired t-test; where every difference is the same and not 0, which that test
    cannot judge, it is of the permutation test. Below two shared seeds there is neither interval
    nor p-value.
    """
    if not ours.keys() & other.keys():
        return Difference(0, None, None, None, None, None)
    found = paired(ours, other, level=LEVEL)
    bounds = found["interval"] or {"low": None, "high": None}
    p = found["p_permutation"] if found["p_t"] is None else found["p_t"]
    mean = found["mean_difference"]
    return Difference(found["n"], mean, bounds["low"], bounds["high"], p, found["p_permutation"])


@dataclass(frozen=True)
class Overall:
    """A difference over many pairs of cells at once, and how much of the suite is in it."""

    difference: Difference
    pairs: int
    left_out: int


def overall(results: "Results", pairs: Iterable[tuple[Cell, Cell]], metric: str) -> Overall:
    """Mean difference of the first minus the second cells, with seeds as blocks.

    The differences of one seed share splits and streams of random numbers, so they are averaged
    first; the interval is of the mean over seeds. Only seeds that all pairs have count, and pairs
    with fewer than two are left out.
    """
    found = []
    for ours, other in pairs:
        a, b = results.by_seed(ours, metric), results.by_seed(other, metric)
        found.append({seed: a[seed] - b[seed] for seed in a.keys() & b.keys()})
    kept = [differences for differences in found if len(differences) > 1]
    seeds = sorted(set.intersection(*map(set, kept))) if kept else []
    blocks = {seed: math.fsum(d[seed] for d in kept) / len(kept) for seed in seeds}
    whole = difference(blocks, dict.fromkeys(blocks, 0.0))
    return Overall(whole, len(kept), len(found) - len(kept))


def relative_gain(results: "Results", cell: Cell, metrics: Iterable[str]) -> Summary:
    """By how much a cell is above the best of the others in each metric, a share, by seed.

    The best is the cell of another predictor with uniform negatives on the same data set whose
    mean over all seeds is highest, chosen for each metric on its own; chosen on the test links, as
    papers do, it favours the others. Heuristics are left out: FGAT's paper, which prints such a
    gain, compares with networks, and with none on its own negatives. No value where there is no
    other cell.
    """
    others = [
        one
        for one in results.unswept
        if one[0] == cell[0] and one[1] != cell[1] and one[2] == BASE_SAMPLER and one[3] != NONE
    ]
    shares: dict[int, list[float]] = {}
    for metric in metrics:
        means = {one: results.summary(one, metric).mean for one in others}
        known = {one: mean for one, mean in means.items() if mean}
        if not known:
            return summary([])
        best = max(known, key=lambda one: known[one])
        base = results.by_seed(best, metric)
        for seed, value in results.by_seed(cell, metric).items():
            if seed in base:
                shares.setdefault(seed, []).append((value - base[seed]) / known[best])
    return summary(math.fsum(values) / len(values) for values in shares.values())


def adjusted(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's adjustment over the p-values that are there; the others stay None."""
    there = [index for index, p in enumerate(pvalues) if p is not None]
    result: list[float | None] = [None] * len(pvalues)
    for index, p in zip(there, holm([p for p in pvalues if p is not None]), strict=True):
        result[index] = float(p)
    return result


def paired_verdict(mean: float | None, p: float | None) -> str:
    """What a comparison shows, from the mean difference and the adjusted p-value.

    >>> paired_verdict(0.1, 0.01), paired_verdict(-0.1, 0.01), paired_verdict(0.1, 0.2)
    ('better', 'worse', 'no difference shown')
    """
    if mean is None or p is None:
        return "not tested"
    if p >= 1 - LEVEL or mean == 0:
        return "no difference shown"
    return "better" if mean > 0 else "worse"


class Results:
    """The metrics of a suite by cell, in the order in which the suite lists them."""

    def __init__(self, metrics: list[Metrics]) -> None:
        self.metrics = metrics
        places: list[dict[str, int]] = [{}, {}, {}, {}]
        groups: dict[Cell, list[Metrics]] = {}
        for result in metrics:
            for place, name in zip(places, result.run.cell, strict=True):
                place.setdefault(name, len(place))
            groups.setdefault(result.run.cell, []).append(result)

        def order(cell: Cell) -> list[int]:
            dataset, *rest = (place[name] for place, name in zip(places, cell, strict=True))
            return [dataset, int(cell[2] == NONE), *rest]

        self.cells = {cell: groups[cell] for cell in sorted(groups, key=order)}
        self.unswept = [cell for cell in self.cells if self.sweep(cell) is None]
        self._summaries: dict[tuple[Cell, str], Summary] = {}

    def datasets(self) -> list[str]:
        """Datasets, each once, in order."""
        return list(dict.fromkeys(cell[0] for cell in self.cells))

    def sweep(self, cell: Cell) -> Sweep | None:
        """The changed setting of a cell that belongs to a sweep."""
        return self.cells[cell][0].run.sweep

    def by_seed(self, cell: Cell, metric: str, side: Side = "test") -> dict[int, float]:
        """Values of one metric by seed; seeds without a value are left out."""
        group = self.cells.get(cell, [])
        found = {result.run.seed: getattr(result, side).get(metric) for result in group}
        return {seed: value for seed, value in sorted(found.items()) if value is not None}

    def summary(self, cell: Cell, metric: str) -> Summary:
        """Summary of one test metric over the seeds of a cell."""
        if (cell, metric) not in self._summaries:
            self._summaries[cell, metric] = summary(self.by_seed(cell, metric).values())
        return self._summaries[cell, metric]

    def seeds(self, cells: Iterable[Cell] | None = None) -> str:
        """How many seeds the cells have, in words: "5 seeds", or "3 to 5 seeds"."""
        counts = {len(self.cells[cell]) for cell in (self.cells if cells is None else cells)}
        low, high = min(counts, default=0), max(counts, default=0)
        return f"{low if low == high else f'{low} to {high}'} seed{'s' * (high != 1)}"

    def protocol(self, cell: Cell) -> Protocol:
        """The protocol that all seeds of a cell share."""
        return self.cells[cell][0].protocol

    def ceiling(self, dataset: str, metric: str) -> float | None:
        """Mean over the runs of the best value that a planted graph allows; None elsewhere."""
        ceilings = [
            result.planted.ceiling.get(metric)
            for result in self.metrics
            if result.run.dataset == dataset and result.planted is not None
        ]
        return summary(ceilings).mean


def best_mean(results: Results, cells: list[Cell], dataset: str, metric: str) -> float | None:
    """The highest mean of a metric on a dataset; None where no run has it."""
    means = [results.summary(cell, metric).mean for cell in cells if cell[0] == dataset]
    return max((mean for mean in means if mean is not None), default=None)
