"""What the catalog states about a data set: its raw files, their hashes, the counts to expect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class KnownHash:
    """One content that a raw file may have."""

    kind: Literal["sha256", "git_blob_sha1"]
    """`git_blob_sha1` is git's own id of the content, where its repository is all that is known."""
    value: str
    """Hexadecimal, lower case."""
    note: str = "the published file"
    """Which file has this hash."""

    def __str__(self) -> str:
        return f"{self.kind} {self.value} ({self.note})"


@dataclass(frozen=True)
class RawFile:
    """One file as its publisher hands it out."""

    role: str
    """What the reader asks for: "edges", "features", …"""
    path: str
    """Place below data/raw and below a mirror; the layout of PyTorch Geometric and OGB."""
    url: str
    hashes: tuple[KnownHash, ...] = ()
    """Accepted contents; empty where none is known, and then the user must state one."""
    size: int | None = None
    """Bytes of the first accepted content."""
    member: str | None = None
    """Where `url` is a zip archive: the end of the file's path in it."""


@dataclass(frozen=True)
class Counts:
    """What a loaded graph must have; None is not checked."""

    nodes: int | None
    links: int | None
    """Undirected, without self-loops, each once."""
    features: int | None
    rows: int | None = None
    """Rows of the raw edge list."""
    self_loops: int | None = None
    """Rows that link a node to itself."""


@dataclass(frozen=True)
class Entry:
    """One data set of the catalog."""

    name: str
    """As params.yaml calls it."""
    title: str
    files: tuple[RawFile, ...]
    reader: str
    """"module:function" below neglink.datasets.readers."""
    counts: Counts
    licence: str
    """Licence or terms, as far as they are stated."""
    citation: str
    labelled: bool = True
    """Whether nodes have classes."""
    divided: bool = False
    """Whether it comes with a division of its links, and negatives."""
    published: str = ""
    """Counts in the papers, and how ours relate to them."""
    note: str = ""
    """What a reader of results must know about this form of the data."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the reader."""
