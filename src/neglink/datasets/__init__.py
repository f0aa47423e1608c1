"""Data sets: the catalog with its verified raw files, the planted graph, your own edge list.

A source of kind `share` is a share of the links of another one: its settings are those of
`share.Share`, and the other source stands under `source`.

The functions here import what they need when called, so that listing names does not load torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neglink.datasets.catalog import DIVIDED, UNLABELLED, entry, names
from neglink.datasets.entry import Counts, Entry, KnownHash, RawFile
from neglink.datasets.fetch import mirror_folder, obtain
from neglink.errors import DataError, ParamsError

if TYPE_CHECKING:
    from neglink.datasets.share import Share
    from neglink.graph import Graph

__all__ = [
    "DIVIDED",
    "UNLABELLED",
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

    if source.get("kind") == "share":
        return _build_share(source, raw, mirror)
    return build.build_graph(source, raw, mirror)


def fetch_files(source: Mapping[str, Any], raw: Path, mirror: Path | None = None) -> dict[str, Any]:
    """A source's files at hand and verified, with their hashes; see `build.fetch_files`."""
    from neglink.datasets import build

    if source.get("kind") == "share":
        return fetch_files(source["source"], raw, mirror)
    return build.fetch_files(source, raw, mirror)


def identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON value that identifies a source's raw content; see `build.identity`."""
    from neglink.datasets import build

    if source.get("kind") == "share":
        from neglink.registry import settings_of

        settings = {k: v for k, v in settings_of(_share(source)).items() if k != "of"}
        return {"kind": "share", "settings": settings, "of": identity(source["source"])}
    return build.identity(source)


def _share(source: Mapping[str, Any]) -> "Share":
    """The settings of a source of kind `share`.

    Raises:
        ParamsError: a setting is wrong.
    """
    from pydantic import ValidationError

    from neglink.datasets.share import Share
    from neglink.registry import adapter, explain

    settings = {key: value for key, value in source.items() if key not in {"kind", "source"}}
    try:
        return adapter(Share).validate_python(settings)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise ParamsError(explain(error, "data.shares")) from None


def _build_share(
    source: Mapping[str, Any], raw: Path, mirror: Path | None
) -> tuple["Graph", dict[str, Any]]:
    share = _share(source)
    whole, report = build_graph(source["source"], raw, mirror)
    try:
        graph = share.apply(whole)
    except ValueError as error:
        raise DataError(f"a share of {share.of}: {error}") from None
    counts = {"nodes": graph.n, "links": graph.m, "features": graph.f}
    counts["isolated"] = int((graph.degree == 0).sum())
    notes = [*report["notes"], *share.notes(whole, graph)]
    return graph, {**report, "kind": "share", "counts": counts, "notes": notes}


def load(
    name: str, raw: Path, mirror: Path | None = None, hashes: Mapping[str, str] | None = None
) -> tuple["Graph", dict[str, Any]]:
    """The catalog's graph `name` and a report; see `build.load`."""
    from neglink.datasets import build

    return build.load(name, raw, mirror, hashes)


def official_split(name: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """The split that comes with a data set: train, valid, test, valid_neg, test_neg, [2, k] each.

    Args:
        name: one of `DIVIDED`.
        files: its verified raw files, as `obtain` returns them.

    Raises:
        DataError: the data set has no official split.
    """
    from neglink.datasets.readers import ogb

    if name not in DIVIDED:
        raise DataError(f"{name}: has no official split; only {', '.join(DIVIDED)} has one")
    return ogb.official_split(files)


def describe(name: str) -> dict[str, Any]:
    """All that the catalog states about a data set, as a JSON value.

    Raises:
        DataError: no such data set.
    """
    from dataclasses import asdict

    return asdict(entry(name))
