"""The contract of a reader, and the array and text parsing that several formats share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from neglink.errors import DataError
from neglink.graph import Cleaning, Graph, clean_links
from neglink.graph.io import feature_matrix

Files = Mapping[str, Path]
"""Role of each raw file → where it is."""


@dataclass(frozen=True)
class RawGraph:
    """What raw files say, before cleaning."""

    n: int
    pairs: NDArray[Any]
    """Rows of the edge list, shape [2, rows], integers in [0, n); any direction, any repetition."""
    features: Any = None
    """numpy array or scipy sparse matrix [n, f], or None."""
    labels: NDArray[Any] | None = None
    """Class of each node, shape [n]; -1 where unknown."""
    official: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Splits that come with the data, as published: links [2, k] of each side; pairs [2, q] of its
    negatives, or [2, k, c] where each link has its own."""
    names: NDArray[np.str_] | None = None
    """Name of each node, shape [n]."""

    def graph(self) -> tuple[Graph, Cleaning]:
        """The clean graph, and what cleaning dropped.

        Raises:
            ValueError: a node id lies outside [0, n).
        """
        links, cleaning = clean_links(self.pairs, self.n)
        labels = None if self.labels is None else torch.from_numpy(self.labels.astype(np.int64))
        graph = Graph(
            n=self.n,
            links=torch.from_numpy(links),
            features=feature_matrix(self.features),
            labels=labels,
            official=self.official,
            names=self.names,
        )
        return graph, cleaning


def open_arrays(path: Path, needed: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Some arrays of an npz file. Object arrays would have to be unpickled and are left alone.

    Raises:
        DataError: not an npz file, or a needed array is missing or of objects.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            missing = sorted(set(needed) - set(file.files))
            if missing:
                raise DataError(f"{path}: no array called {missing[0]!r}; it has {file.files}")
            return {name: file[name] for name in needed}
    except (ValueError, OSError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path}: not an npz file of plain arrays ({error})") from None


def csr_from(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Any:
    """The scipy CSR matrix stored as data, indices, indptr and shape.

    Raises:
        ValueError: the four do not fit together.
    """
    parts = tuple(arrays[f"{prefix}{name}"] for name in ("data", "indices", "indptr"))
    matrix = scipy.sparse.csr_array(parts, shape=tuple(map(int, arrays[f"{prefix}shape"])))
    matrix.check_format(full_check=True)
    return matrix


CSR_PARTS = ("data", "indices", "indptr", "shape")


def binary_rows(columns: Sequence[Sequence[int]], f: int | None = None) -> Any:
    """0/1 CSR matrix with ones at the given columns of each row; f = largest column + 1 if None.

    >>> binary_rows([[2, 0], [], [1, 1]]).todense()
    array([[1., 0., 1.],
           [0., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    lengths = [len(row) for row in columns]
    indices = np.fromiter((c for row in columns for c in row), dtype=np.int64, count=sum(lengths))
    width = f if f is not None else int(indices.max(initial=-1)) + 1
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    matrix = scipy.sparse.csr_array(
        (np.ones(indices.size, dtype=np.float32), indices, indptr), shape=(len(columns), width)
    )
    matrix.check_format(full_check=True)
    return binarised(matrix)


def binarised(matrix: Any) -> Any:
    """1 where an entry is positive, else 0; repeated entries are added first."""
    matrix = scipy.sparse.csr_array(matrix)
    matrix.sum_duplicates()
    matrix.data = (matrix.data > 0).astype(np.float32)
    matrix.eliminate_zeros()
    return matrix


def adjacency_rows(neighbours: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Rows (node, neighbour), shape [2, rows], of one neighbour list per node."""
    lengths = [len(row) for row in neighbours]
    tails = np.fromiter((v for row in neighbours for v in row), dtype=np.int64, count=sum(lengths))
    return np.stack([np.repeat(np.arange(len(neighbours)), lengths), tails])


def by_node(nodes: NDArray[Any], values: Any) -> Any:
    """`values` (array or sparse matrix, one row per line of a file) in the order of node ids.

    Raises:
        ValueError: `nodes` are not 0 … n − 1, each once.
    """
    order = np.argsort(nodes, kind="stable")
    if not np.array_equal(np.asarray(nodes)[order], np.arange(len(nodes))):
        raise ValueError(f"node ids are not 0 … {len(nodes) - 1}, each once")
    return values[order]


def classes(names: Sequence[str]) -> NDArray[np.int64]:
    """Class numbers of class names, in alphabetical order of the names."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
