"""Sub-linear positivity of generated negatives (DMNS, section 4.3), by level.

Each training measured, for some queries, the slope λ of the log density of a level's negatives
against that of the positives; the bound is 0 < λ < 1.
"""

from collections import Counter

import pandas as pd

from neglink.reporting.inputs import Inputs, Level, Metrics
from neglink.reporting.sheets import (
    RUN,
    SUMMARY,
    Item,
    Sheet,
    Table,
    numbers,
    run_items,
    summary_item,
    tidy,
)
from neglink.reporting.statistics import LEVEL, Cell, Results, Summary, summary

HOLDS, VIOLATED, UNSETTLED, UNTESTED = "holds", "violated", "not settled", "not tested"
QUANTITIES = {
    "share": "queries inside",
    "violations": "queries outside",
    "median": "median λ",
    "local_share": "embeddings inside",
}
"""What is summed up of a level, by name in the CSV."""
COLUMNS = [*RUN, "t", "quantity", *SUMMARY, "verdict"]


def verdict(median: Summary) -> str:
    """Whether the median query keeps to 0 < λ < 1, by the interval over seeds.

    >>> verdict(Summary(5, 0.6, 0.1, 0.5, 0.7)), verdict(Summary(5, 1.2, 0.1, 1.1, 1.3))
    ('holds', 'violated')
    >>> verdict(Summary(5, 0.9, 0.1, 0.8, 1.1)), verdict(Summary(1, 0.5, None, None, None))
    ('not settled', 'not tested')
    """
    if median.low is None or median.high is None:
        return UNTESTED
    if median.low > 0 and median.high < 1:
        return HOLDS
    return VIOLATED if median.high <= 0 or median.low >= 1 else UNSETTLED


def levels_of(group: list[Metrics]) -> dict[int, dict[str, Summary]]:
    """What the seeds of a cell found at each level, by its t; nothing where none was checked."""
    checks = [r.history.positivity for r in group if r.history.positivity is not None]
    found: dict[int, list[Level]] = {}
    for check in checks:
        for level in check.levels:
            found.setdefault(level.t, []).append(level)
    return {
        t: {
            "share": summary(level.share for level in levels),
            "violations": summary(1 - level.share for level in levels),
            "median": summary(level.median for level in levels),
            "local_share": summary(level.local_share for level in levels),
        }
        for t, levels in sorted(found.items())
    }


def by_cell(results: Results) -> dict[Cell, dict[int, dict[str, Summary]]]:
    """Cells with a check, each by level."""
    found = {cell: levels_of(group) for cell, group in results.cells.items()}
    return {cell: levels for cell, levels in found.items() if levels}


def positivity_table(inputs: Inputs, results: Results) -> Table | None:
    """Shares inside and outside the bound, slopes and verdicts; None where nothing was checked."""
    found = by_cell(results)
    if not found:
        return None
    rows = [
        {
            **dict(zip(RUN, cell, strict=True)),
            "t": t,
            "quantity": name,
            **numbers(values),
            "verdict": verdict(of["median"]),
        }
        for cell, levels in found.items()
        for t, of in levels.items()
        for name, values in of.items()
    ]
    frame = tidy(rows, columns=COLUMNS)
    heads = [*RUN, "t", "seeds", *QUANTITIES.values(), "0 < λ < 1"]
    lines = [
        _line(cell, t, of, len(results.cells[cell]))
        for cell, levels in found.items()
        for t, of in levels.items()
    ]
    return Table(
        "positivity",
        "Sub-linear positivity of generated negatives",
        frame,
        [Sheet("Sub-linear positivity", heads, lines, frozenset(range(4, len(heads) - 1)))],
        [
            "λ: slope of log f_n against log f_p over the embeddings generated at the level t for "
            "one query, by least squares; f_p and f_n are Gaussians fitted to the embeddings of "
            "t = 0 and of t. The lower t, the nearer to positives.",
            "Queries inside: share with 0 < λ < 1; outside: the others. Embeddings inside: the "
            "same share over single embeddings, with λ along the gradient of log f_p.",
            f"Holds: the {100 * LEVEL:g} % interval over seeds of the median λ lies in (0, 1); "
            "violated: all of it lies outside; not tested: fewer than 2 seeds. The median query "
            "may keep to the bound while others do not: see the shares.",
            *(f"{_checked(group)}." for group in _first(results, found)),
            "DMNS prints .80 to .84, a share of samples under a condition of its own: not the same "
            "figure.",
            *positivity_lines(frame),
        ],
    )


def positivity_lines(frame: pd.DataFrame) -> list[str]:
    """For each method one sentence: at how many levels it holds, and where. `frame`: the table."""
    medians = frame[frame["quantity"] == "median"]
    lines = []
    for method, of in medians.groupby("method", sort=False):
        counts = Counter(of["verdict"])
        parts = [
            f"{word} at {counts[word]}"
            for word in (HOLDS, VIOLATED, UNSETTLED, UNTESTED)
            if counts[word]
        ]
        levels = f"level{'s' * (len(of) != 1)}"
        lines.append(
            f"Sub-linear positivity of {method}, 0 < λ < 1 for the median query: "
            f"{', '.join(parts)} of {len(of)} {levels} on {', '.join(of['dataset'].unique())}."
        )
    return lines


def _first(results: Results, found: dict[Cell, dict[int, dict[str, Summary]]]) -> list[Metrics]:
    """One run that was checked, which tells how."""
    cells = (results.cells[cell] for cell in found)
    return next([r] for group in cells for r in group if r.history.positivity is not None)


def _checked(result: Metrics) -> str:
    check = result.history.positivity
    assert check is not None
    return (
        f"Checked in each training: {check.queries or 'some'} queries, {check.samples or 'some'} "
        f"embeddings each at a level, {check.covariance or 'unknown'} covariance"
    )


def _line(cell: Cell, t: int, of: dict[str, Summary], seeds: int) -> list[Item]:
    word = verdict(of["median"])
    return [
        *run_items(cell),
        Item(str(t), order=t),
        Item(str(of["share"].n), order=of["share"].n),
        *(summary_item(of[name], seeds) for name in QUANTITIES),
        Item(word, best=word == HOLDS),
    ]
