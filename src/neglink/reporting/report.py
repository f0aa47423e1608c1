"""The report step: one suite file in; tables, figures and the page out."""

import re
from pathlib import Path

from neglink.files import atomic, write_json, write_text
from neglink.reporting.figures import FIGURES, Drawing, make_figures
from neglink.reporting.grid import effort_text
from neglink.reporting.inputs import Inputs, read_suite
from neglink.reporting.nodes import PRIMARY, SHOWN, node_results, ranks_links
from neglink.reporting.page import make_page
from neglink.reporting.sheets import RUN, Table, markdown
from neglink.reporting.statistics import Results
from neglink.reporting.tables import TABLES, make_tables, results_frame

Nested = dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]]
"""Means by dataset, predictor, sampler, method and metric."""


def make_report(suite_file: Path, tables: Path, figures: Path, page: Path) -> list[str]:
    """Write the tables and figures of a suite into two folders, and its page.

    Everything is made before the first file is written, so an error leaves an earlier report as it
    was. Files of earlier reports that this one does not make are then removed; files named
    `made-from-*` stay.

    Args:
        suite_file: the suite as JSON; the files that it lists are relative to the working folder.
        tables: folder for `<table>.csv`, `<table>.md`, `metrics.json` and `plots.csv`.
        figures: folder for `<figure>.svg` and `<figure>.png`; made, even for no figure.
        page: the HTML file.

    Returns:
        Of each figure that is left out for lack of data, a sentence that says what it needs; the
        page has it too.

    Raises:
        ReportError: a file is missing or malformed, or a table or figure does not exist.
    """
    inputs = read_suite(suite_file)
    results = Results(inputs.metrics)
    made = make_tables(inputs, results)
    drawings, left_out = make_figures(inputs, results)
    html = make_page(inputs, results, made, drawings, left_out)
    written = {
        *write_tables(tables, made, inputs, results),
        *write_summary(tables, inputs, results),
    }
    written |= write_figures(figures, drawings)
    write_text(page, html)
    remove_stale(tables, figures, written)
    return left_out


def write_tables(folder: Path, tables: list[Table], inputs: Inputs, results: Results) -> set[Path]:
    """Write each table as CSV in full precision and as Markdown; the paths written."""
    suite, written = inputs.suite, set()
    origin = f"Suite {suite.suite}, digest {suite.digest}, made by neglink "
    origin += f"{suite.provenance.get('version', 'of unknown version')}."
    origin += f" {effort_text(inputs, results)}"
    for table in tables:
        csv, text = folder / f"{table.name}.csv", folder / f"{table.name}.md"
        write_text(csv, table.frame.to_csv(index=False, lineterminator="\n"))
        write_text(text, markdown(table, origin))
        written |= {csv, text}
    return written


def write_summary(folder: Path, inputs: Inputs, results: Results) -> set[Path]:
    """Write the means of the shown metrics, as `dvc metrics` and `dvc plots` read them.

    In a suite of node tasks alone these are the metrics of nodes; in others they come beside.
    """
    suite, nodes, links = inputs.suite, node_results(inputs), ranks_links(inputs)
    shown = suite.metrics_shown if links else []
    nested: Nested = {}
    for cell in results.cells:
        dataset, predictor, sampler, method = cell
        means = {name: results.summary(cell, name).mean for name in shown}
        means |= {name: nodes.summary(cell, name).mean for name in SHOWN}
        place = nested.setdefault(dataset, {}).setdefault(predictor, {}).setdefault(sampler, {})
        place[method] = {name: mean for name, mean in means.items() if mean is not None}
    write_json(folder / "metrics.json", nested, sealed=False)  # read by others
    plotted = results_frame(results, [suite.primary]) if links else results_frame(nodes, [PRIMARY])
    frame = plotted.query("unit == 'fraction'")
    frame.insert(0, "run", frame[RUN].agg("/".join, axis=1))
    write_text(folder / "plots.csv", frame.to_csv(index=False, lineterminator="\n"))
    return {folder / "metrics.json", folder / "plots.csv"}


def write_figures(folder: Path, drawings: list[Drawing]) -> set[Path]:
    """Write each figure as SVG and PNG; the paths written."""
    written = set()
    folder.mkdir(parents=True, exist_ok=True)  # DVC asks for it
    for drawing in drawings:
        for suffix, content in ((".svg", drawing.svg), (".png", drawing.png)):
            path = folder / f"{drawing.stem}{suffix}"
            with atomic(path) as temporary:
                temporary.write_bytes(content)
            written.add(path)
    return written


def remove_stale(tables: Path, figures: Path, written: set[Path]) -> None:
    """Remove files that an earlier report can have left and this one did not write."""
    names = {f"{table}{suffix}" for table in TABLES for suffix in (".csv", ".md")}
    for path in sorted(tables.iterdir()) if tables.is_dir() else []:
        if path.name in names and path not in written:
            path.unlink(missing_ok=True)  # another report may be at it
    ours = re.compile(rf"({'|'.join(map(re.escape, FIGURES))})(-.*)?\.(svg|png)")
    for path in sorted(figures.iterdir()) if figures.is_dir() else []:
        if ours.fullmatch(path.name) and path not in written:
            path.unlink(missing_ok=True)  # another report may be at it
