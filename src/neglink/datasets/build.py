"""From a source (a catalog name, a planted model, your own files) to a clean, checked graph."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from neglink.datasets.catalog import entry
from neglink.datasets.custom import KEY as CUSTOM
from neglink.datasets.custom import Custom
from neglink.datasets.entry import Entry
from neglink.datasets.fetch import accepted, obtain, own_hashes, verify
from neglink.datasets.planted import Planted
from neglink.datasets.readers.base import Files, RawGraph
from neglink.errors import DataError, ParamsError
from neglink.files import sha256
from neglink.graph import Cleaning, Graph
from neglink.registry import adapter, explain, settings_of, suggest

T = TypeVar("T")

KINDS = ("catalog", "planted", "custom")

READ_ERRORS = (ValueError, KeyError, IndexError, TypeError, OverflowError, OSError)
"""What a reader may raise on a file that is not of its format."""


def build_graph(
    source: Mapping[str, Any], raw: Path, mirror: Path | None = None
) -> tuple[Graph, dict[str, Any]]:
    """The graph of a source, and a report on how it came about.

    Args:
        source: {"kind": "catalog", "name": …, "hashes": {path: SHA-256}},
            {"kind": "planted", "seed": …, **settings of Planted} or
            {"kind": "custom", **settings of Custom}.
        raw: data/raw; only the catalog uses it.
        mirror: see `fetch.mirror_folder`.

    Returns:
        The graph and a JSON value: kind, counts, cleaning, notes (sentences for the user), and
        what the kind adds (files with their hashes, settings, seed).

    Raises:
        DataError: a file is missing, damaged or not of the counts that the catalog states.
        ParamsError: a setting is wrong.
    """
    kind, settings = _split(source)
    if kind == "catalog":
        _only(settings, {"name", "hashes"})
        return load(_name(settings), raw, mirror, settings.get("hashes"))
    if kind == "planted":
        return _build_planted(settings)
    return _build_custom(settings)


def identity(source: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON value that is equal for equal raw content: what a step's digest is made of.

    For the catalog these are the hashes that its files may have, so nothing is read; for your own
    files their SHA-256; for a planted graph its settings and seed.

    Raises:
        DataError: no such data set, or your own file is missing.
        ParamsError: a setting is wrong.
    """
    kind, settings = _split(source)
    if kind == "planted":
        model, seed = _planted(settings)
        return {"kind": kind, "seed": seed, "settings": settings_of(model)}
    if kind == "custom":
        return {"kind": kind, **_make(Custom, settings, CUSTOM).identity()}
    _only(settings, {"name", "hashes"})
    found = entry(_name(settings))
    stated = own_hashes(found, settings.get("hashes"))
    files = {f.path: [known.value for known in accepted(f, stated)] for f in found.files}
    return {"kind": kind, "name": found.name, "files": files}


def fetch_files(source: Mapping[str, Any], raw: Path, mirror: Path | None = None) -> dict[str, Any]:
    """Bring a source's files to hand, verified, and say what they are; path → facts (JSON).

    A planted graph has none. Your own files stay where they are; only their SHA-256 is taken.

    Raises:
        DataError, ParamsError: as `build_graph`.
    """
    kind, settings = _split(source)
    if kind == "planted":
        return {}
    if kind == "custom":
        hashes: dict[str, str] = _make(Custom, settings, CUSTOM).identity()["files"]
        return {name: {"sha256": value} for name, value in hashes.items()}
    _only(settings, {"name", "hashes"})
    found, hashes = entry(_name(settings)), settings.get("hashes") or {}
    files = obtain(found, raw, mirror, hashes)
    return _file_report(found, files, own_hashes(found, hashes))


def load(
    name: str,
    raw: Path,
    mirror: Path | None = None,
    hashes: Mapping[str, str] | None = None,
) -> tuple[Graph, dict[str, Any]]:
    """The catalog's graph `name`, its files fetched and verified, its counts checked.

    Raises:
        DataError: as `fetch.obtain` and `read`.
    """
    found = entry(name)
    files = obtain(found, raw, mirror, hashes)
    graph, cleaning = read(found, files)
    report = {
        "name": name,
        "title": found.title,
        "files": _file_report(found, files, own_hashes(found, hashes)),
        **_report("catalog", graph, cleaning),
    }
    report["notes"] += [found.note] if found.note else []
    return graph, report


def read(found: Entry, files: Files) -> tuple[Graph, Cleaning]:
    """Read verified files by the entry's reader and check the counts.

    Raises:
        DataError: the files are not of the reader's format, or a count differs.
    """
    try:
        graph, cleaning = _reader(found)(files, **found.options).graph()
    except READ_ERRORS as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise DataError(f"{found.name}: its files cannot be read ({reason})") from None
    check_counts(found, graph, cleaning)
    return graph, cleaning


def check_counts(found: Entry, graph: Graph, cleaning: Cleaning) -> None:
    """Compare with the catalog.

    Raises:
        DataError: names the first count that differs, what came and what was expected.
    """
    got = {
        "nodes": graph.n,
        "links": graph.m,
        "features": graph.f,
        "rows": cleaning.rows,
        "self_loops": cleaning.self_loops,
    }
    for what, expected in asdict(found.counts).items():
        if expected is not None and got[what] != expected:
            raise DataError(
                f"{found.name}: {got[what]:,} {what.replace('_', '-')}, expected {expected:,}. The "
                "files are not those that the catalog means"
            )


def describe_cleaning(cleaning: Cleaning) -> list[str]:
    """What cleaning dropped, a sentence each; nothing where the input was clean.

    >>> describe_cleaning(Cleaning(rows=5, self_loops=1, duplicates=2, reversed=2, links=2))
    ['1 of 5 rows link a node to itself: dropped', 'all 2 links are listed in both directions: \
each is kept once']
    """
    notes = []
    if cleaning.self_loops:
        notes.append(
            f"{cleaning.self_loops} of {cleaning.rows} rows link a node to itself: dropped"
        )
    if cleaning.reversed and cleaning.reversed == cleaning.links:
        notes.append(f"all {cleaning.links} links are listed in both directions: each is kept once")
    elif cleaning.reversed:
        notes.append(
            f"{cleaning.reversed} of {cleaning.links} links are listed in both directions, the "
            "others in one (a directed list?): directions are dropped"
        )
    repeated = cleaning.duplicates - cleaning.reversed
    if repeated:
        notes.append(f"{repeated} rows repeat an earlier row: dropped")
    return notes


def _report(kind: str, graph: Graph, cleaning: Cleaning | None) -> dict[str, Any]:
    counts = {"nodes": graph.n, "links": graph.m, "features": graph.f}
    counts["isolated"] = int((graph.degree == 0).sum())
    if graph.labels is not None:
        counts["classes"] = len(set(graph.labels.tolist()) - {-1})
    counts |= {side: int(pairs[0].size) for side, pairs in graph.official.items()}
    return {
        "kind": kind,
        "counts": counts,
        "cleaning": asdict(cleaning) if cleaning else None,
        "notes": describe_cleaning(cleaning) if cleaning else [],
    }


def _file_report(found: Entry, files: Files, stated: Mapping[str, str]) -> dict[str, Any]:
    return {
        file.path: {
            "sha256": sha256(files[file.role]),
            "bytes": files[file.role].stat().st_size,
            "which": verify(found, file, files[file.role], stated).note,
        }
        for file in found.files
    }


def _reader(found: Entry) -> Callable[..., RawGraph]:
    module, _, function = found.reader.partition(":")
    home = importlib.import_module(f"neglink.datasets.readers.{module}")
    return getattr(home, function)  # type: ignore[no-any-return]


def _build_planted(settings: dict[str, Any]) -> tuple[Graph, dict[str, Any]]:
    model, seed = _planted(settings)
    graph = model.build(seed)
    made = {"seed": seed, "settings": settings_of(model)}
    return graph, {**made, **_report("planted", graph, None)}


def _build_custom(settings: dict[str, Any]) -> tuple[Graph, dict[str, Any]]:
    model = _make(Custom, settings, CUSTOM)
    graph, cleaning = model.build()
    report = {**model.identity(), **_report("custom", graph, cleaning)}
    if report["counts"]["isolated"]:
        report["notes"].append(f"{report['counts']['isolated']} of {graph.n} nodes have no link")
    return graph, report


def _planted(settings: dict[str, Any]) -> tuple[Planted, int]:
    seed = settings.pop("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ParamsError(f"data.planted.seed = {seed!r}: a whole number of at least 0 is needed")
    return _make(Planted, settings, "data.planted"), seed


def _make(kind: type[T], settings: Mapping[str, Any], where: str) -> T:
    try:
        return adapter(kind).validate_python(dict(settings))  # type: ignore[no-any-return]
    except pydantic.ValidationError as error:
        raise ParamsError(explain(error, where)) from None


def _split(source: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    settings = dict(source)
    kind = settings.pop("kind", None)
    if kind not in KINDS:
        raise ParamsError(f"data.kind = {kind!r}: no such kind{suggest(str(kind), KINDS)}")
    return kind, settings


def _only(settings: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(settings) - allowed)
    if unknown:
        raise ParamsError(f"data.{unknown[0]}: unknown key{suggest(unknown[0], allowed)}")


def _name(settings: Mapping[str, Any]) -> str:
    if not isinstance(settings.get("name"), str):
        raise ParamsError("data.name: missing; it is the data set's name in the catalog")
    return str(settings["name"])
