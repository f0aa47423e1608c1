"""What a sampler remembers from draw to draw of one training run."""

import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Generator, Tensor

from neglink.graph import Graph

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something found in one draw, for later draws of the same run."""

    value: T
    settings: Any
    """Of the sampler, as far as the value depends on them."""
    graph: "weakref.ref[Graph]"
    epoch: int
    z: "weakref.ref[Tensor]"
    """The embeddings that it was found from."""
    version: int

    def is_of(self, z: Tensor) -> bool:
        """Whether it was found from these very embeddings, as they are now."""
        return self.z() is z and self.version == z._version

    def in_period(self, epoch: int, length: int) -> bool:
        """Whether it is of this period of epochs, and no later than this one."""
        return self.epoch <= epoch and self.epoch // length == epoch // length


class Memory(Generic[T]):
    """Entries by generator: the one object that all draws of a run share, and two runs do not."""

    def __init__(self) -> None:
        self._entries: weakref.WeakKeyDictionary[Generator, Entry[T]] = weakref.WeakKeyDictionary()

    def recall(self, generator: Generator, settings: Any, graph: Graph) -> Entry[T] | None:
        """What was remembered last under these settings on this graph."""
        entry = self._entries.get(generator)
        if entry is None or entry.settings != settings or entry.graph() is not graph:
            return None
        return entry

    def remember(
        self, generator: Generator, settings: Any, graph: Graph, epoch: int, z: Tensor, value: T
    ) -> None:
        """Put this in place of what was remembered for the generator."""
        self._entries[generator] = Entry(
            value, settings, weakref.ref(graph), epoch, weakref.ref(z), z._version
        )
