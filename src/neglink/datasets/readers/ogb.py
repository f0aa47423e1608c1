"""OGB: gzipped csv tables without a header, and the official link split as torch files."""

import _codecs
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from neglink.datasets.readers.base import Files, RawGraph
from neglink.errors import DataError
from neglink.graph.keys import keys_of, once


def read_ddi(files: Files) -> RawGraph:
    """The links of all three official sides, with the sides and their negatives in `official`.

    Raises:
        DataError: the graph of the archive is not the training side.
    """
    official = official_split(files)
    n = int(_table(files["nodes"], np.int64)[0, 0])
    train = _table(files["edges"], np.int64).T
    if not np.array_equal(once(keys_of(train, n)), once(keys_of(official["train"], n))):
        raise DataError(f"{files['edges']}: its links are not those of {files['train'].name}")
    sides = [official[side] for side in ("train", "valid", "test")]
    return RawGraph(n, np.concatenate(sides, axis=1), official=official)


def official_split(files: Files) -> dict[str, NDArray[np.int64]]:
    """Official links and negatives, shape [2, k] each, in the order and direction of the files.

    Keys: train, valid, test, valid_neg, test_neg; training negatives are left to the sampler.
    """
    split = {}
    for side in ("train", "valid", "test"):
        arrays = _torch_arrays(files[side])
        split[side] = np.ascontiguousarray(arrays["edge"].T)
        if "edge_neg" in arrays:
            split[f"{side}_neg"] = np.ascontiguousarray(arrays["edge_neg"].T)
    return split


def _torch_arrays(path: Path) -> dict[str, NDArray[np.int64]]:
    """The numpy arrays in a torch file; any other kind of object in it is refused."""
    allowed: list[Any] = [
        (_reconstruct, "numpy.core.multiarray._reconstruct"),
        (_reconstruct, "numpy._core.multiarray._reconstruct"),
        (_codecs.encode, "_codecs.encode"),
        np.ndarray,
        np.dtype,
        np.dtypes.Int64DType,
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            loaded = torch.load(path, weights_only=True, map_location="cpu")
        return {name: np.asarray(value, dtype=np.int64) for name, value in loaded.items()}
    except Exception as error:  # a damaged file can raise nearly anything
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a torch file of arrays ({reason})") from None


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes) -> NDArray[Any]:
    """The array that torch's unpickler then fills. `kind` is ndarray, the only class allowed."""
    return np.ndarray.__new__(np.ndarray, shape, code.decode() if isinstance(code, bytes) else code)


def _table(path: Path, dtype: Any) -> NDArray[Any]:
    return pd.read_csv(path, header=None, dtype=dtype).to_numpy()


def read_arxiv(files: Files) -> RawGraph:
    """Directed citations, dense features, classes."""
    features = _table(files["features"], np.float32)
    labels = _table(files["labels"], np.int64)[:, 0]
    return RawGraph(features.shape[0], _table(files["edges"], np.int64).T, features, labels)
