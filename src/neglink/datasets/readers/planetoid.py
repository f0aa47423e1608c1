"""Planetoid: Cora, CiteSeer, PubMed as pickled numpy and scipy objects of 2016.

The pickles are of the hash that their publisher's repository gives. Even so they are read by an
unpickler that knows six names and calls nothing else.
"""

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from neglink.datasets.readers.base import Files, RawGraph
from neglink.errors import DataError


def _dtype(code: str, align: int = 0, copy: int = 1) -> np.dtype[Any]:
    """numpy.dtype; the integers that old pickles give for its flags are deprecated."""
    return np.dtype(code, align=bool(align), copy=bool(copy))


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> NDArray[Any]:
    """The array that an unpickler then fills. `kind` is ndarray, the only class known here."""
    return np.ndarray.__new__(np.ndarray, shape, code.decode() if isinstance(code, bytes) else code)


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("scipy.sparse.csr", "csr_matrix"): scipy.sparse.csr_matrix,
}
"""Every name that occurs in the published files."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The class of a name on the list; nothing is imported."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in it")
        return ALLOWED[module, name]


def unpickle(path: Path) -> Any:
    """The object in a Planetoid pickle.

    Raises:
        DataError: not a pickle, or one that names anything but arrays, matrices and dicts.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(f"{path}: not a Planetoid pickle ({error})") from None


def read(files: Files) -> RawGraph:
    """Features as published (not normalised), classes, and the rows of the neighbour lists.

    Nodes below len(allx) come from `allx`, those from there on from `tx`, which lists them in the
    order of `test.index`. CiteSeer's index has gaps: 15 nodes without features and of class -1.
    """
    allx, tx = (scipy.sparse.csr_matrix(unpickle(files[part])) for part in ("allx", "tx"))
    ally, ty = (np.asarray(unpickle(files[part])) for part in ("ally", "ty"))
    test = np.loadtxt(files["test.index"], dtype=np.int64, ndmin=1)
    n = int(test.max()) + 1
    if test.size != tx.shape[0] or test.min() < allx.shape[0]:
        raise DataError(f"{files['test.index']}: does not fit {files['tx'].name}")
    place = np.concatenate([np.arange(allx.shape[0]), test])  # node of each feature row
    features = scipy.sparse.csr_array(scipy.sparse.vstack([allx, tx])).tocoo()
    labels = np.full(n, -1, dtype=np.int64)
    labels[place] = np.concatenate([ally, ty]).argmax(axis=1)
    spread = scipy.sparse.csr_array(
        (features.data, (place[features.row], features.col)), shape=(n, features.shape[1])
    )
    return RawGraph(n, _rows(unpickle(files["graph"])), spread, labels)


def _rows(neighbours: dict[int, list[int]]) -> NDArray[np.int64]:
    heads = np.repeat(list(neighbours), [len(tails) for tails in neighbours.values()])
    tails = np.concatenate([np.asarray(row, dtype=np.int64) for row in neighbours.values()])
    return np.stack([heads, tails])
