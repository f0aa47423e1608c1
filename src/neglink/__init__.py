"""neglink: negative sampling for link prediction on graphs, as a reproducible pipeline."""

__version__ = "0.1.0"
