"""Data sets: the catalog with its verified raw files, the planted graph, your own edge list.

The functions here import what they need when called, so that listing names does not load torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neglink.datasets.catalog import entry, names
from neglink.datasets.entry import Counts, Entry, KnownHash, RawFile
from neglink.datasets.fetch import mirror_folder, obtain

if TYPE_CHECKING:
    from neglink.graph import Graph

__all__ = [
    "Counts",
    "Entry",
    "KnownHash",
    "RawFile",
    "build_graph",
    "describe",
    "entry",
    "fetch_files",
    "identity",
    "load",
    "mirror_folder",
    "names",
    "obtain",
    "official_split",
]


def build_graph(
    source: Mapping[str, Any], raw: Path, mirror: Path | None = None
) -> tuple["Graph", dict[str, Any]]:
    """The graph of a source and a report; see `build.build_graph`."""
    from neglink.datasets import build

    return build.build_graph(source, raw, mirror)


def fetch_files(source: Mapping[str, Any], raw: Path, mirror: Path | None = None) -> dict[str, Any]:
    """A source's files at hand and verified, with their hashes; see `build.fetch_files`."""
    from neglink.datasets import build

    return build.fetch_files(source, raw, mirror)


def identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON value that identifies a source's raw content; see `build.identity`."""
    from neglink.datasets import build

    return build.identity(source)


def load(
    name: str, raw: Path, mirror: Path | None = None, hashes: Mapping[str, str] | None = None
) -> tuple["Graph", dict[str, Any]]:
    """The catalog's graph `name` and a report; see `build.load`."""
    from neglink.datasets import build

    return build.load(name, raw, mirror, hashes)


def official_split(name: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """The split that comes with a data set: train, valid, test, valid_neg, test_neg, [2, k] each.

    Args:
        name: only ogbl-ddi has one.
        files: its verified raw files, as `obtain` returns them.

    Raises:
        DataError: the data set has no official split.
    """
    from neglink.datasets.readers import ogb
    from neglink.errors import DataError

    if name != "ogbl-ddi":
        raise DataError(f"{name}: has no official split; only ogbl-ddi has one")
    return ogb.official_split(files)


def describe(name: str) -> dict[str, Any]:
    """All that the catalog states about a data set, as a JSON value.

    Raises:
        DataError: no such data set.
    """
    from dataclasses import asdict

    return asdict(entry(name))
