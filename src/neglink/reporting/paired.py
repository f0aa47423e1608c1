"""Run against run, paired by seed: methods, or whatever a suite says is to be compared."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pandas as pd

from neglink.naming import BASE, removed
from neglink.reporting.inputs import NONE, Comparison, Inputs
from neglink.reporting.sheets import (
    RUN,
    Item,
    Sheet,
    Table,
    decimals,
    metric_title,
    number,
    p_text,
    records,
    span,
    tidy,
)
from neglink.reporting.statistics import (
    LEVEL,
    Cell,
    Difference,
    Overall,
    Results,
    adjusted,
    difference,
    overall,
    paired_verdict,
)


class Pair(NamedTuple):
    """Two cells to compare by seed, and what the comparison is about."""

    ours: Cell
    other: Cell
    name: str
    """What is compared; pairs of one name are adjusted together."""
    against: str
    """What the other has in place of ours."""


def pairs(results: Results, asked: Iterable[Comparison] = ()) -> list[Pair]:
    """Cells to compare: those that the suite names, or methods where it names none.

    Swept runs are left out: they have their own table.
    """
    asked = list(asked)
    if not asked:
        return [
            Pair(ours, other, f"{ours[3]} against {other[3]}", other[3])
            for ours, other in _methods(results)
        ]
    cells = dict.fromkeys(results.unswept)
    return [
        Pair(cell, other, comparison.title, comparison.other)
        for comparison in asked
        for cell in cells
        if (other := comparison.other_of(cell)) in cells
    ]


def _methods(results: Results) -> Iterator[tuple[Cell, Cell]]:
    """Cells that differ in their method alone.

    Every method is compared with `plain`, or with the `plain` of its own suffix (`mebns-fair` with
    `plain-fair`), and each with its own variants (`mebns` with `mebns-random`). Runs that only
    remove easy negatives are left out where other methods are compared: they belong to a figure of
    their own, and would dilute the adjustment.
    """
    methods = {cell[3] for cell in results.unswept}
    is_main = any(removed(method) is None for method in methods - {NONE})
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in results.unswept:
        groups.setdefault(cell[:3], []).append(cell)
    for cell in results.unswept:
        method = cell[3]
        if method == BASE or (is_main and removed(method)):
            continue
        base = baseline_of(method, [other[3] for other in groups[cell[:3]]])
        for other in groups[cell[:3]]:
            if other[3] == base or other[3].startswith(f"{method}-"):
                yield cell, other


def baseline_of(method: str, methods: list[str]) -> str:
    """The plain training that a method is compared with.

    >>> baseline_of("mebns-fair", ["plain", "plain-fair"]), baseline_of("mebns-m", ["plain"])
    ('plain-fair', 'plain')
    """
    own = BASE + "".join(method.partition("-")[1:])
    return own if own in methods and own != method else BASE


def paired_frame(results: Results, compared: list[Pair], shown: list[str]) -> pd.DataFrame:
    """Every comparison and metric: difference, interval, p-value and Holm's adjusted p-value."""
    rows = []
    for metric in shown:
        found = [
            (
                pair,
                difference(results.by_seed(pair.ours, metric), results.by_seed(pair.other, metric)),
            )
            for pair in compared
        ]
        families: dict[str, list[Difference]] = {}
        for pair, values in found:
            families.setdefault(pair.name, []).append(values)
        holm = {name: iter(adjusted([v.p for v in of])) for name, of in families.items()}
        rows += [_row(pair, metric, values, next(holm[pair.name])) for pair, values in found]
    columns = [*RUN, "against", "metric", "n", "difference", "low", "high", "p", "p_permutation"]
    return tidy(rows, columns=[*columns, "p_holm", "verdict", "comparison"])


def _row(pair: Pair, metric: str, values: Difference, p: float | None) -> dict[str, object]:
    return {
        **dict(zip(RUN, pair.ours, strict=True)),
        "against": pair.against,
        "metric": metric,
        "n": values.n,
        "difference": values.mean,
        "low": values.low,
        "high": values.high,
        "p": values.p,
        "p_permutation": values.p_permutation,
        "p_holm": p,
        "verdict": paired_verdict(values.mean, p),
        "comparison": pair.name,
    }


def paired_table(inputs: Inputs, results: Results) -> Table:
    """Run against run by seed, with p-values adjusted within each comparison and metric."""
    compared = pairs(results, inputs.suite.compare)
    frame = paired_frame(results, compared, inputs.suite.metrics_shown)
    return Table(
        "paired",
        "Run against run, paired by seed",
        frame,
        [paired_sheet("Run against run", frame)],
        [
            f"Difference: mean over shared seeds of the run minus what it is against (the same but "
            f"for what is named), a fraction, with its "
            f"{100 * LEVEL:g} % interval. The interval is of one comparison alone.",
            "p: of the paired t-test. The CSV has the permutation test beside it, which cannot "
            "fall below 0.05 with fewer than 6 seeds.",
            "Holm p: adjusted over all comparisons of the same two on the same metric; "
            f"better or worse where it is below {1 - LEVEL:.2g}. Not tested: fewer than 2 shared "
            "seeds.",
            "Methods plain-drop-<percent> are left out where other methods are compared, and so "
            "are swept settings: they have a figure or a table of their own.",
            *(
                f"Over everything: {line}"
                for line in overall_lines(results, compared, frame, inputs.suite.primary)
                if inputs.suite.compare or f"against {BASE}" in line
            ),
        ],
    )


def paired_sheet(title: str, frame: pd.DataFrame) -> Sheet:
    """A frame of `paired_frame` as people read it."""
    heads = [*RUN, "against", "metric", "seeds", "difference", "p", "Holm p", "verdict"]
    rows = [_items(record) for record in records(frame)]
    return Sheet(title, heads, rows, frozenset(range(6, 10)))


def overall_lines(
    results: Results, compared: list[Pair], frame: pd.DataFrame, metric: str
) -> list[str]:
    """One sentence for each comparison: the difference over everything, and how often it shows.

    `frame` is of `paired_frame`, with the adjusted verdicts.
    """
    groups: dict[str, list[tuple[Cell, Cell]]] = {}
    for pair in compared:
        groups.setdefault(pair.name, []).append((pair.ours, pair.other))
    shown = frame[frame["metric"] == metric]
    return [
        f"{name} on {metric_title(metric)}: {overall_text(overall(results, cells, metric))}; "
        f"{_counts(shown[shown['comparison'] == name])}."
        for name, cells in groups.items()
    ]


def overall_text(found: Overall) -> str:
    """A mean difference over many cells, its interval and what it settles."""
    values = found.difference
    if values.low is None or values.high is None:
        return "fewer than 2 seeds that every comparison has, so no difference over all"
    word = "not settled: the interval holds 0"
    if values.low > 0 or values.high < 0:
        word = "settled: a gain" if values.low > 0 else "settled: a loss"
    text = (
        f"{decimals(values.mean, sign=True)} {span(values.low, values.high, sign=True)} over "
        f"{found.pairs} combination{'s' * (found.pairs != 1)} of dataset, predictor and sampler, "
        f"{values.n} seeds as blocks ({word})"
    )
    return text + (f", {found.left_out} left out with one seed" if found.left_out else "")


def _counts(here: pd.DataFrame) -> str:
    """How often a comparison showed what."""
    counts = Counter(here["verdict"])
    parts = [f"{word} in {counts[word]}" for word in ("better", "worse", "no difference shown")]
    if counts["not tested"]:
        parts.append(f"not tested in {counts['not tested']}")
    plural = "s" * (len(here) != 1)
    return f"{', '.join(parts)} of {len(here)} comparison{plural} by seed (Holm-adjusted)"


def _items(row: dict[str, object]) -> list[Item]:
    mean, low, high = (number(row[name]) for name in ("difference", "low", "high"))
    p, holm = number(row["p"]), number(row["p_holm"])
    verdict = str(row["verdict"])
    return [
        *(Item(str(row[name])) for name in [*RUN, "against"]),
        Item(metric_title(str(row["metric"]))),
        Item(str(row["n"]), order=number(row["n"])),
        Item(decimals(mean, sign=True), span(low, high, sign=True), mean),
        Item(p_text(p), order=p),
        Item(p_text(holm), order=holm),
        Item(verdict, best=verdict == "better"),
    ]
