"""`LinkSplit`: divided links and ranked negatives, as one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neglink.errors import SplitError
from neglink.files import read_arrays, write_arrays
from neglink.graph import Graph
from neglink.splits.base import RANKED_SIDES, Ranked, Side


@dataclass(frozen=True, eq=False)
class LinkSplit:
    """The links of a graph on three sides, and what is ranked; tensors on the CPU.

    Links are int64 [2, *], first id < second id, sorted.
    """

    n: int
    train: Tensor
    valid: Tensor
    test: Tensor
    ranked: dict[Side, Ranked]
    """The links and negatives whose scores the metrics are computed from."""

    def train_graph(self, graph: Graph) -> Graph:
        """The graph of the training links alone: all that training, messages and samplers see."""
        return graph.with_links(self.train.to(graph.device))

    def save(self, path: Path) -> None:
        """Write one npz, ids in the smallest type that holds n: hard negatives are many."""
        arrays: dict[str, NDArray[Any]] = {"n": np.array(self.n, dtype=np.int64)}
        tensors = {"train": self.train, "valid": self.valid, "test": self.test}
        for side, ranked in self.ranked.items():
            tensors |= {
                f"{side}_positives": ranked.positives,
                f"{side}_negatives": ranked.negatives,
            }
        kind = np.min_scalar_type(self.n)
        arrays |= {name: tensor.numpy().astype(kind) for name, tensor in tensors.items()}
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> "LinkSplit":
        """Read what `save` wrote.

        Raises:
            SplitError: the file is not a split.
        """
        arrays = read_arrays(path)
        try:
            n = int(arrays.pop("n"))
            ids = {name: torch.from_numpy(a.astype(np.int64)) for name, a in arrays.items()}
            ranked = {side: _ranked(ids, side) for side in RANKED_SIDES}
            return cls(n, ids["train"], ids["valid"], ids["test"], ranked)
        except KeyError as error:
            raise SplitError(
                f"{path} is not a split: it has no array {error}. Make it again with neglink split."
            ) from None


def _ranked(ids: dict[str, Tensor], side: Side) -> Ranked:
    negatives = ids[f"{side}_negatives"]
    return Ranked(ids[f"{side}_positives"], negatives, shared=negatives.dim() == 2)
