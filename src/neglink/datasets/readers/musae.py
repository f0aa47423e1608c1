"""MUSAE and SNAP: links as csv, features as json (node → columns of its ones), targets as csv."""

import csv
import json
import zipfile
from collections.abc import Iterable

import numpy as np

from neglink.datasets.readers.base import Files, RawGraph, binary_rows, by_node, classes


def read(files: Files, label: str | None = None) -> RawGraph:
    """The graph of three files; `label` is the column of the targets that holds the class."""
    with (
        files["edges"].open(encoding="utf-8", newline="") as edges,
        files["targets"].open(encoding="utf-8", newline="") as targets,
    ):
        return _parse(edges, files["features"].read_bytes(), targets, label)


def read_wikipedia(files: Files, page: str) -> RawGraph:
    """One of the three graphs in SNAP's wikipedia.zip. Its target, the traffic, is no class."""
    with zipfile.ZipFile(files["archive"]) as archive:
        parts = [
            archive.read(f"wikipedia/{page}/musae_{page}_{part}")
            for part in ("edges.csv", "features.json", "target.csv")
        ]
    edges, targets = (parts[i].decode("utf-8").splitlines() for i in (0, 2))
    return _parse(edges, parts[1], targets, label=None)


def _parse(
    edges: Iterable[str], features: bytes, targets: Iterable[str], label: str | None
) -> RawGraph:
    pairs = np.loadtxt(edges, dtype=np.int64, delimiter=",", skiprows=1, ndmin=2)
    rows = list(csv.DictReader(targets))
    nodes = np.array([row["id"] for row in rows], dtype=np.int64)
    columns = json.loads(features)
    matrix = binary_rows([columns.get(str(node), []) for node in range(len(rows))])
    labels = by_node(nodes, classes([row[label] for row in rows])) if label else None
    return RawGraph(len(rows), pairs.T, matrix, labels)
