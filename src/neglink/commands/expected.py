"""What `neglink plan` says of the cost of steps that are still to be made."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from neglink.commands.options import console

if TYPE_CHECKING:
    from neglink.expected import Row

NOTE = (
    "Hours of one core's work (of the device, if it is a GPU), one step after the other; queueing, "
    "the start of a step (some 4 s) and downloads come on top. Measured: in results/runs or "
    "results/metrics there are runs of the same data set, predictor and method, scaled by the "
    "epochs; scaled: another method of that kind; the rest is by a rule in links and epochs "
    "(src/neglink/expected.py). What a finished step was made from is not made again."
)


def show_expected(waiting: "list[Row]", batch_jobs: int) -> None:
    """Print a table of the expected cost, a row for each rule and one for all.

    Args:
        waiting: the cost by rule.
        batch_jobs: how many jobs a scheduler is sent for all of it.
    """
    table = Table("expected", box=None)
    for heading in ("steps", "hours", "measured", "scaled", "by rule", "asks MB", "peaked at MB"):
        table.add_column(heading, justify="right")
    for row in waiting:
        asked = f"{row.asked_mb:,}" if row.asked_mb else "–"
        peak = f"{row.peak_mb:,.0f}" if row.peak_mb is not None else "–"
        counts = (f"{count:,}" for count in (row.measured, row.scaled, row.by_rule))
        table.add_row(row.rule, f"{row.steps:,}", hours(row.seconds), *counts, asked, peak)
    steps, seconds = sum(row.steps for row in waiting), sum(row.seconds for row in waiting)
    known = sum(row.measured_seconds for row in waiting)
    table.add_row("all", f"{steps:,}", hours(seconds))
    console().print(table)
    share = f"{known / seconds:.0%}" if known else "none"
    typer.echo(f"On a cluster this is {batch_jobs:,} batch jobs: short steps share one.")
    typer.echo(f"{share} of these hours rest on measured runs. {NOTE}")


def hours(seconds: float) -> str:
    """Hours to two digits that count.

    >>> hours(7300), hours(400_000), hours(90), hours(1)
    ('2.0', '111', '0.025', '< 0.001')
    """
    amount = seconds / 3600
    if amount < 1e-3:
        return "< 0.001" if seconds else "0"
    if amount >= 10:
        return f"{amount:,.0f}"
    return f"{amount:.1f}" if amount >= 1 else f"{amount:.2g}"
