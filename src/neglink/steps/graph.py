"""Raw files to a graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neglink.datasets import build_graph, fetch_files
from neglink.errors import DataError, ParamsError
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
    with _naming(settings):
        graph, report = build_graph(settings["source"], raw, mirror)
    save_graph(output, graph)
    write_made_from(side, made_from, settings, report=report)


@contextmanager
def _naming(settings: Json) -> Iterator[None]:
    """Name the data set in an error of your own files, which do not know what they are called."""
    try:
        yield
    except (DataError, ParamsError) as error:
        if settings["source"].get("kind") != "custom" or "name" not in settings:
            raise
        raise type(error)(f"data set {settings['name']}: {error}") from None
