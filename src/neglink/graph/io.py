"""A graph as one npz file: open, safe, nothing pickled."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch

from neglink.errors import DataError
from neglink.files import read_arrays, write_arrays
from neglink.graph.graph import Graph
from neglink.graph.sparse import SparseMatrix

SPARSE_BELOW = 0.08
"""Features with a smaller share of nonzeros are kept sparse. Measured on 2 cores: a sparse entry
costs 7 (forward) to 18 (backward) times a dense one, and Â X of dense features is computed once."""


def save_graph(path: Path, graph: Graph) -> None:
    """Write a graph: n, links, labels, names, features (sparse or dense), truth_*, official_*."""
    arrays: dict[str, Any] = {"n": np.int64(graph.n), "links": graph.links.cpu().numpy()}
    if graph.labels is not None:
        arrays["labels"] = graph.labels.cpu().numpy()
    if isinstance(graph.features, SparseMatrix):
        csr = graph.features.scipy()
        arrays["features_data"] = csr.data
        arrays["features_indices"] = csr.indices
        arrays["features_indptr"] = csr.indptr
        arrays["features_shape"] = np.array(csr.shape)
    elif graph.features is not None:
        arrays["features"] = graph.features.cpu().numpy()
    if graph.names is not None:
        arrays["names"] = graph.names
    arrays |= {f"truth_{name}": value for name, value in graph.truth.items()}
    arrays |= {f"official_{name}": value for name, value in graph.official.items()}
    write_arrays(path, arrays)


def load_graph(path: Path) -> Graph:
    """Read what `save_graph` wrote.

    Raises:
        DataError: the file is damaged, or holds links that no graph has.
    """
    arrays = read_arrays(path)
    features: Any = None
    if "features_data" in arrays:
        features = scipy.sparse.csr_array(
            (arrays["features_data"], arrays["features_indices"], arrays["features_indptr"]),
            shape=tuple(arrays["features_shape"]),
        )
    elif "features" in arrays:
        features = arrays["features"]
    try:
        return Graph(
            n=int(arrays["n"]),
            links=torch.from_numpy(arrays["links"]),
            features=feature_matrix(features),
            labels=torch.from_numpy(arrays["labels"]) if "labels" in arrays else None,
            truth=_with_prefix(arrays, "truth_"),
            official=_with_prefix(arrays, "official_"),
            names=arrays.get("names"),
        )
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _with_prefix(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def feature_matrix(features: Any) -> SparseMatrix | torch.Tensor | None:
    """Features as the sparse or dense float32 matrix that is cheaper to multiply with.

    Args:
        features: numpy array or scipy sparse matrix [n, f], or None.
    """
    if features is None:
        return None
    if not scipy.sparse.issparse(features):
        features = scipy.sparse.csr_array(np.asarray(features, dtype=np.float32))
    if features.nnz < SPARSE_BELOW * np.prod(features.shape):
        return SparseMatrix.from_scipy(features)
    return torch.from_numpy(np.asarray(features.todense(), dtype=np.float32))
