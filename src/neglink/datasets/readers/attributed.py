"""AttributedGraphDataset: attrs.npz (CSR parts) and edgelist.txt (two ids a line)."""

import numpy as np

from neglink.datasets.readers.base import CSR_PARTS, Files, RawGraph, csr_from, open_arrays


def read(files: Files) -> RawGraph:
    """Links and features. The overlapping labels of labels.txt are no classes and are not read."""
    features = csr_from(open_arrays(files["features"], CSR_PARTS))
    pairs = np.loadtxt(files["edges"], dtype=np.int64, usecols=(0, 1), ndmin=2)
    return RawGraph(features.shape[0], pairs.T, features)
