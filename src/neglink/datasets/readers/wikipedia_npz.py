"""The npz files of PyTorch Geometric's WikipediaNetwork and FacebookPagePage."""

from neglink.datasets.readers.base import Files, RawGraph, open_arrays


def read(files: Files) -> RawGraph:
    """Both directions of every hyperlink, dense real features, and the article's class."""
    arrays = open_arrays(files["graph"], ["edges", "features", "label"])
    features = arrays["features"]
    return RawGraph(features.shape[0], arrays["edges"].T, features, arrays["label"])
