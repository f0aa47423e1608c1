"""Metrics to tables, figures and page, with the marker that says from which digest."""

import logging
from pathlib import Path

from neglink.marker import seal
from neglink.reporting.report import make_report

log = logging.getLogger("neglink")


def run_report(suite_file: Path, tables: Path, figures: Path, page: Path, marker: Path) -> None:
    """Make the suite's report.

    The marker goes first and comes last: while it is there, the tables beside it are whole and of
    its digest. Figures that are left out for lack of data are logged.
    """
    tables.mkdir(parents=True, exist_ok=True)
    for old in tables.glob("made-from-*"):
        old.unlink(missing_ok=True)  # another report may be at it
    for reason in make_report(suite_file, tables, figures, page):
        log.warning("left out: %s", reason)
    seal(marker, f"Tables, figures and page of {suite_file.stem}.")
