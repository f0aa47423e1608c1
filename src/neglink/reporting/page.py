"""The page of a suite: one HTML file that holds everything it shows and loads nothing."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from neglink.reporting.figures import Drawing
from neglink.reporting.findings import findings
from neglink.reporting.grid import effort
from neglink.reporting.inputs import Inputs, Metrics
from neglink.reporting.nodes import node_protocols, ranks_links
from neglink.reporting.sheets import Table, decimals, metric_title
from neglink.reporting.statistics import LEVEL, Results
from neglink.reporting.sweeps import value_text


def make_page(
    inputs: Inputs, results: Results, tables: list[Table], drawings: list[Drawing],
    left_out: Sequence[str] = (),
) -> str:  # fmt: skip
    """The page as HTML text; it says which figures are `left_out`. Every text is escaped."""
    environment = Environment(
        loader=PackageLoader("neglink.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    suite = inputs.suite
    return environment.get_template("page.html").render(
        suite=suite,
        title=suite.title or suite.suite,
        findings=findings(inputs, results, tables),
        tables=tables,
        beside=beside(tables, drawings),
        figures=[pictured(d) for d in drawings if table_of(d, tables) is None],
        left_out=left_out,
        protocols={**protocols(results), **node_protocols(inputs)},
        notes=list(tie_notes(inputs)) if ranks_links(inputs) else [NO_LINKS],
        compared=compared(inputs, results),
        settings=json.dumps(suite.settings, indent=2, ensure_ascii=False),
        provenance=provenance(inputs),
    )


BESIDE = {
    "comparison": "results",
    "ablation": "paired",
    "sensitivity": "sweep",
    "cost": "cost",
    "scaling": "cost",
    "iterations": "iterations",
}
"""Kinds of figures that stand below a table, where it is made; the others have a section."""

NO_LINKS = (
    "This suite is of tasks of nodes: metrics of its few held-out links are stored and not shown."
)

Pictured = tuple[Drawing, str]
"""A figure and its address."""


def pictured(drawing: Drawing) -> Pictured:
    """A figure with the address that holds it."""
    return drawing, data_url(drawing.svg)


def table_of(drawing: Drawing, tables: list[Table]) -> str | None:
    """Name of the table below which a figure stands; None for the section of figures."""
    name = BESIDE.get(drawing.kind)
    return name if any(table.name == name for table in tables) else None


def beside(tables: list[Table], drawings: list[Drawing]) -> dict[str, list[Pictured]]:
    """By table, the figures that stand below it."""
    return {
        table.name: [pictured(d) for d in drawings if table_of(d, tables) == table.name]
        for table in tables
    }


def data_url(svg: bytes) -> str:
    """An SVG file as an address that holds the file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def compared(inputs: Inputs, results: Results) -> dict[str, str]:
    """What the suite varies, each kind of name with the names that occur, and what it took."""
    kinds = ("datasets", "predictors", "samplers", "methods")
    found = {
        kind: list(dict.fromkeys(cell[place] for cell in results.unswept))
        for place, kind in enumerate(kinds)
    }
    names = {kind: ", ".join(name for name in found[kind] if name != "–") for kind in kinds}
    varied = [sweep for cell in results.cells if (sweep := results.sweep(cell)) is not None]
    if varied:
        settings = dict.fromkeys(f"{sweep.setting} of {sweep.method}" for sweep in varied)
        values = len({(s.method, s.setting, value_text(s.value)) for s in varied})
        names["varied settings"] = f"{', '.join(settings)} ({values} values)"
    return {**names, **effort(inputs, results)}


def protocols(results: Results) -> dict[str, str]:
    """Each protocol with the datasets that were evaluated under it."""
    found: dict[str, list[str]] = {}
    for cell in results.cells:
        datasets = found.setdefault(results.protocol(cell).text, [])
        if cell[0] not in datasets:
            datasets.append(cell[0])
    return {protocol: ", ".join(datasets) for protocol, datasets in found.items()}


def tie_notes(inputs: Inputs) -> Iterator[str]:
    """How far ties between scores can move a figure."""
    widest = max(
        (
            (apart, metric, result)
            for result in inputs.metrics
            for metric, apart in tie_ranges(result)
        ),
        key=lambda found: found[0],
        default=None,
    )
    if widest is None:
        return
    apart, metric, result = widest
    if apart == 0:
        yield "No figure depends on how tied scores are ordered."
    else:
        yield (
            f"Ties between scores move a figure by at most {decimals(apart)}: "
            f"{metric_title(metric)} of {result.run.title}, between ordering tied links first and "
            "last."
        )


def tie_ranges(result: Metrics) -> Iterator[tuple[str, float]]:
    """For each metric of a run, how far the order of ties can move it."""
    for metric in result.ties:
        if (ends := result.tie_ends(metric)) is not None:
            yield metric, ends[1] - ends[0]


def provenance(inputs: Inputs) -> dict[str, str]:
    """What made the page, by name."""
    given: dict[str, Any] = inputs.suite.provenance
    packages = given.get("packages") or {}
    return {
        "neglink": str(given.get("version", "unknown")),
        "commit": str(given.get("commit") or "unknown"),
        "suite digest": inputs.suite.digest,
        "Python": str(given.get("python", "unknown")),
        "packages": ", ".join(f"{name} {packages[name]}" for name in sorted(packages)) or "unknown",
        "intervals": f"{100 * LEVEL:g} %",
    }
