"""Raw files to a graph."""

from pathlib import Path
from typing import Any

from neglink.datasets import build_graph, fetch_files
from neglink.files import write_json
from neglink.graph import save_graph
from neglink.steps.common import write_made_from

Json = dict[str, Any]


def run_fetch(
    marker: Path, settings: Json, made_from: Json, raw: Path, mirror: Path | None
) -> None:
    """Bring the raw files of a data set into `raw`, verified, and write down what they are."""
    files = fetch_files(settings["source"], raw, mirror)
    write_json(marker, {**made_from, "files": files})


def run_graph(
    output: Path, side: Path, settings: Json, made_from: Json, raw: Path, mirror: Path | None
) -> None:
    """Read, check and clean a data set, and store it as one npz file."""
    graph, report = build_graph(settings["source"], raw, mirror)
    save_graph(output, graph)
    write_made_from(side, made_from, settings, report=report)
