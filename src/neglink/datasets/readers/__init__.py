"""One reader a format: verified raw files in, `RawGraph` out. Nothing here looks for a file."""

from neglink.datasets.readers.base import RawGraph

__all__ = ["RawGraph"]
