"""The page of a suite: one HTML file that holds everything it shows and loads nothing."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from neglink.reporting.figures import Drawing
from neglink.reporting.findings import findings
from neglink.reporting.inputs import Inputs, Metrics
from neglink.reporting.sheets import Table, amount, decimals, metric_title
from neglink.reporting.statistics import LEVEL, Results


def make_page(
    inputs: Inputs, results: Results, tables: list[Table], drawings: list[Drawing]
) -> str:
    """The page as HTML text. Every text of the data is escaped."""
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
        figures=[(drawing, data_url(drawing.svg)) for drawing in drawings],
        protocols=protocols(results),
        notes=list(tie_notes(inputs)),
        compared=compared(results),
        settings=json.dumps(suite.settings, indent=2, ensure_ascii=False),
        provenance=provenance(inputs),
    )


def data_url(svg: bytes) -> str:
    """An SVG file as an address that holds the file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def compared(results: Results) -> dict[str, str]:
    """What the suite varies: each kind of name with the names that occur."""
    kinds = ("datasets", "predictors", "samplers", "methods")
    found = {
        kind: list(dict.fromkeys(cell[place] for cell in results.cells))
        for place, kind in enumerate(kinds)
    }
    names = {kind: ", ".join(name for name in found[kind] if name != "–") for kind in kinds}
    seeds = sorted({result.run.seed for result in results.metrics})
    return {**names, "seeds": ", ".join(map(str, seeds)), "runs": f"{len(results.metrics):,}"}


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
    for metric, ties in result.ties.items():
        if isinstance(ties, dict):
            ends = [ties.get(name) for name in ("optimistic", "pessimistic")]
            if isinstance(ends[0], int | float) and isinstance(ends[1], int | float):
                yield metric, abs(ends[0] - ends[1])


def provenance(inputs: Inputs) -> dict[str, str]:
    """What made the page, by name."""
    given: dict[str, Any] = inputs.suite.provenance
    costs = [result.cost for result in inputs.metrics]
    seconds = [cost.train_seconds for cost in costs if cost.train_seconds is not None]
    devices = sorted({cost.device for cost in costs if cost.device})
    threads = sorted({cost.threads for cost in costs if cost.threads})
    packages = given.get("packages") or {}
    return {
        "neglink": str(given.get("version", "unknown")),
        "commit": str(given.get("commit") or "unknown"),
        "suite digest": inputs.suite.digest,
        "Python": str(given.get("python", "unknown")),
        "packages": ", ".join(f"{name} {packages[name]}" for name in sorted(packages)) or "unknown",
        "device": ", ".join(devices) or "unknown",
        "threads": ", ".join(map(str, threads)) or "unknown",
        "training time in all": f"{amount(sum(seconds))} s" if seconds else "unknown",
        "intervals": f"{100 * LEVEL:g} %",
    }
