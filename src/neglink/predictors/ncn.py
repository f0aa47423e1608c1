"""Neural common neighbour."""

from typing import Annotated

import scipy.sparse
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from neglink.graph import Graph
from neglink.graph.neighbours import ENTRIES, shared_neighbours
from neglink.graph.ragged import blocks_of, offsets
from neglink.graph.sparse import SparseMatrix, csr_tensor, index_dtype
from neglink.predictors.base import in_parts
from neglink.predictors.gae import Propagating, PropagatingModel
from neglink.predictors.layers import Block, Linear, hadamard
from neglink.registry import component


@component
class NCN(Propagating):
    """logit(u, v) = g(p(z_u ⊙ z_v) + c(Σ_{w ∈ N(u) ∩ N(v)} z_w)), with perceptrons g, p, c.

    Z as in `Propagating`. Common neighbours are those in the graph that carries the messages.
    Source: Wang et al. (2024), "Neural Common Neighbor with Completion for Link Prediction": NCN,
    without the completion.
    """

    layers: Annotated[int, Field(ge=0)] = 1
    """Propagations L."""
    decoder_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the outputs of each hidden layer of the perceptrons set to 0 in training."""
    decoder_layers: Annotated[int, Field(ge=1)] = 1
    """Hidden layers of p and of c; g has one."""

    def build(self, graph: Graph, generator: Generator) -> "NCNModel":
        """A freshly initialised model."""
        return NCNModel(graph, self, generator)


class NCNModel(PropagatingModel):
    """Weights of `NCN`."""

    def __init__(self, graph: Graph, settings: NCN, generator: Generator) -> None:
        super().__init__(graph, settings, generator)
        hidden = settings.hidden

        def block(norm: bool = settings.norm) -> Block:
            return Block(hidden, hidden, generator, drop=settings.decoder_dropout, norm=norm)

        layers = range(settings.decoder_layers)
        self.product = nn.Sequential(*(block() for _ in layers))
        # a norm of the sum itself would hide how many neighbours were summed
        self.common = nn.Sequential(*(block(settings.norm and layer > 0) for layer in layers))
        self.joint = nn.Sequential(block(), Linear(hidden, 1, generator))

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k] by their embeddings and common neighbours in `graph`."""
        return in_parts(lambda part: self._logits(graph, z, part), pairs)

    def _logits(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        shared = common_neighbours(graph, pairs, z.dtype) @ z  # [k, hidden]
        logits: Tensor = self.joint(self.product(hadamard(z, pairs)) + self.common(shared))
        return logits.squeeze(-1)


def common_neighbours(
    graph: Graph, pairs: Tensor, dtype: torch.dtype = torch.float32
) -> SparseMatrix:
    """Row i has a 1 at each common neighbour of column i of `pairs` [2, k]; shape [k, n].

    Its transpose, which the gradient needs, is made with it.
    """
    if pairs.device.type != "cpu":
        return looked_up(graph, pairs, dtype)
    rows, (left, right) = graph.scipy, pairs.numpy()
    blocks = blocks_of(graph.degree[pairs].sum(0), ENTRIES)
    shared = [rows[left[low:high]].multiply(rows[right[low:high]]) for low, high in blocks]
    return SparseMatrix.from_scipy(scipy.sparse.vstack([rows[:0], *shared], format="csr"), dtype)


def looked_up(graph: Graph, pairs: Tensor, dtype: torch.dtype) -> SparseMatrix:
    """As `common_neighbours`, by torch alone, so that a GPU need not wait for the CPU."""
    found = [torch.stack(entries) for entries in shared_neighbours(graph, pairs)]
    rows, columns = torch.cat([pairs[:, :0], *found], 1)
    shape = (pairs.shape[1], graph.n)
    order = torch.argsort(columns, stable=True)
    return SparseMatrix(
        _ones(rows, columns, shape, dtype), _ones(columns[order], rows[order], shape[::-1], dtype)
    )


def _ones(rows: Tensor, columns: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A CSR tensor of ones at these places, rows ascending."""
    height, width = shape
    starts = offsets(torch.bincount(rows, minlength=height))
    index = index_dtype(height, width, rows.numel())
    ones = torch.ones(rows.shape, dtype=dtype, device=rows.device)
    return csr_tensor(starts.to(index), columns.to(index), ones, (height, width))
