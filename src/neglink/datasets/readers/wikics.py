"""WikiCS: one json file with features, labels and neighbour lists."""

import json

import numpy as np

from neglink.datasets.readers.base import Files, RawGraph, adjacency_rows


def read(files: Files) -> RawGraph:
    """Hyperlinks, mean word vectors, classes. The splits for node classification are not read."""
    data = json.loads(files["graph"].read_bytes())
    features = np.array(data["features"], dtype=np.float32)
    pairs = adjacency_rows(data["links"])
    return RawGraph(features.shape[0], pairs, features, np.array(data["labels"], dtype=np.int64))
