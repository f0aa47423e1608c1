"""Coordinate lists in Matrix Market's manner, as Network Repository writes them.

Ids start at 1, a third column (weights) is ignored. The size line may hide in a comment, which
scipy.io.mmread does not accept.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neglink.datasets.readers.base import Files, RawGraph
from neglink.errors import DataError


def read(files: Files) -> RawGraph:
    """Links alone."""
    return read_coordinates(files["edges"])


def read_coordinates(path: Path) -> RawGraph:
    """The pattern of a square matrix.

    Raises:
        DataError: no coordinate list of a square matrix, an id out of range, or another number of
            rows than the size line says.
    """
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    comments = [line for line in lines if line.startswith("%")]
    rows = [line for line in lines if line and not line.startswith("%")]
    if comments and re.match(r"%%?MatrixMarket\s+matrix\s+array", comments[0], re.IGNORECASE):
        raise DataError(f"{path}: a full matrix; links are read from the coordinate format")
    hidden = [line for line in comments if re.fullmatch(r"%+\s*\d+\s+\d+\s+\d+", line)]
    size, rows = (hidden[0].lstrip("% "), rows) if hidden else ("".join(rows[:1]), rows[1:])
    if not re.fullmatch(r"\d+\s+\d+\s+\d+", size):
        raise DataError(f"{path}: no size line (rows, columns, entries) before the entries")
    height, width, entries = map(int, size.split())
    if height != width or entries != len(rows):
        raise DataError(
            f"{path}: the size line says {height} x {width} with {entries} entries; expected a "
            f"square matrix with as many entries as there are lines after it ({len(rows)})"
        )
    return RawGraph(height, _ids(path, rows, height))


def _ids(path: Path, rows: list[str], n: int) -> NDArray[np.int64]:
    """Ids from 0, shape [2, rows]."""
    try:
        first_two = [row.split()[:2] for row in rows]
        ids = np.array(first_two, dtype=np.int64).reshape(-1, 2).T - 1
    except ValueError:
        raise DataError(f"{path}: an entry does not begin with two integers") from None
    if ids.size and (ids.min() < 0 or ids.max() >= n):
        raise DataError(f"{path}: ids lie in [{ids.min() + 1}, {ids.max() + 1}], expected [1, {n}]")
    return ids
