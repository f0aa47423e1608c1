"""The errors a user is meant to read: one sentence that names the key or file and the way out."""


class NeglinkError(Exception):
    """Base of every error that the command line prints without a traceback."""


class DataError(NeglinkError):
    """A raw file, graph or edge list is missing, damaged or not what it should be."""


class OutputError(NeglinkError):
    """A file cannot be written: the disk is full, the folder not writable."""


class ParamsError(NeglinkError):
    """params.yaml holds a key, type, name or value that is not allowed."""


class SplitError(NeglinkError):
    """A split cannot be made, or would leak links between its sides."""


class TrainingError(NeglinkError):
    """A training cannot go on: a loss that is not finite, no meta data, an empty class."""


class ReportError(NeglinkError):
    """A table, figure or page cannot be made from the metrics that are there."""


class StoredError(NeglinkError):
    """Stored files cannot be looked through, or must not be deleted now."""
