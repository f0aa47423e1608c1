"""The two text files of a geom-gcn graph, with one header line each."""

import numpy as np

from neglink.datasets.readers.base import Files, RawGraph, binary_rows, by_node


def read(files: Files, f: int | None = None) -> RawGraph:
    """Directed links, features and classes.

    Args:
        files: "edges" (head, tail) and "nodes" (id, features, class), tab-separated.
        f: number of features where a node's field lists the columns of its ones; None where it
            gives all values, separated by commas.
    """
    pairs = np.loadtxt(files["edges"], dtype=np.int64, skiprows=1, ndmin=2)
    lines = files["nodes"].read_text(encoding="utf-8").splitlines()[1:]
    nodes, fields, labels = zip(*(line.split("\t") for line in lines), strict=True)
    if f is None:
        values = np.stack([np.array(field.split(","), dtype=np.float32) for field in fields])
    else:
        values = binary_rows([[int(c) for c in field.split(",")] for field in fields], f)
    order = np.array(nodes, dtype=np.int64)
    label = np.array(labels, dtype=np.int64)
    return RawGraph(len(lines), pairs.T, by_node(order, values), by_node(order, label))
