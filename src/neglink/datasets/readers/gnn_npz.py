"""The npz files of graph2gauss and gnn-benchmark: adjacency and attributes as CSR parts."""

import numpy as np

from neglink.datasets.readers.base import (
    CSR_PARTS,
    Files,
    RawGraph,
    binarised,
    csr_from,
    open_arrays,
)


def read(files: Files) -> RawGraph:
    """Rows of the adjacency, classes, and features turned to 0/1 as PyTorch Geometric does.

    Names of classes and attributes are object arrays in some of these files; they are not read.
    """
    wanted = [f"{prefix}_{part}" for prefix in ("adj", "attr") for part in CSR_PARTS]
    arrays = open_arrays(files["graph"], [*wanted, "labels"])
    adjacency = csr_from(arrays, "adj_").tocoo()
    features = binarised(csr_from(arrays, "attr_"))
    pairs = np.stack([adjacency.row, adjacency.col])
    return RawGraph(adjacency.shape[0], pairs, features, arrays["labels"])
