"""The contract of predictors: settings that build a model, and models that give logits."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import scipy.sparse
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.graph.sparse import SparseMatrix
from neglink.registry import LATER, component

PAIRS_AT_ONCE = 2**16
"""Pairs decoded together where no gradient is asked for."""


def in_parts(
    logits: Callable[[Tensor], Tensor], pairs: Tensor, at_once: int | None = None
) -> Tensor:
    """`logits` of pairs [2, k], in parts of bounded memory where no gradient is asked for."""
    at_once = at_once or PAIRS_AT_ONCE
    if torch.is_grad_enabled() or pairs.shape[1] <= at_once:
        return logits(pairs)
    return torch.cat([logits(part) for part in torch.split(pairs, at_once, dim=1)])


class LinkModel(nn.Module):
    """A model that gives logits of node pairs: embeddings of all nodes, then a decoder.

    Node-centric models implement `encode` and decode by a dot product unless they say otherwise.
    Edge-centric ones derive from `EdgeCentricModel`. All weights are drawn from the generator they
    are given; dropout follows torch's global generator, and the mode (`train`, `eval`).
    """

    edge_centric: ClassVar[bool] = False

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, d], from the links and features of `graph` alone."""
        raise TypeError(f"{type(self).__name__} has no encoder")

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k], given embeddings z [n, d] of the nodes of `graph`."""
        return pair_dot(z, pairs)

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k] under message passing on `graph`."""
        return self.decode(graph, self.encode(graph), pairs)


class EdgeCentricModel(LinkModel):
    """A model that looks at the enclosing subgraph of each pair; nodes have no embeddings.

    Subclasses implement `logits`, which must leave the link between the two nodes of a pair out of
    its subgraph: a training link would otherwise give itself away.
    """

    edge_centric: ClassVar[bool] = True
    chunk: ClassVar[int] = 4096
    """Pairs scored together where no gradient is asked for: bounds memory."""

    def encode(self, graph: Graph) -> Tensor:
        """No embeddings: [n, 0]."""
        return torch.zeros(graph.n, 0, device=graph.device)

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k]; z plays no part."""
        return in_parts(lambda part: self.logits(graph, part), pairs, self.chunk)

    def logits(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k], from their enclosing subgraphs in `graph`."""
        raise NotImplementedError


@runtime_checkable
class Predictor(Protocol):
    """Settings of a trainable predictor; an implementation is a `registry.component`."""

    def build(self, graph: Graph, generator: Generator) -> LinkModel:
        """A freshly initialised model for graphs with these nodes and features."""
        ...


@runtime_checkable
class Heuristic(Protocol):
    """A predictor that has nothing to train."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k] on the train graph; higher means likelier a link."""
        ...


@component
class NodeCentric:
    """Settings that every predictor with node inputs shares."""

    normalise: bool = True
    """Divide each node's features by the sum of their absolute values, as PyG's example does."""
    embedding: Annotated[int, Field(ge=1)] = 128
    """Width of the learned input of each node where the graph has no features."""
    sparse: Annotated[bool, LATER] = False
    """Hold the features as a sparse matrix even where more than 8 % of them are not 0: faster where
    a first layer is narrow, or behind a product with the adjacency."""


class NodeInput(nn.Module):
    """The input X of a model as a factor: `times(graph, w)` is X w, sparse where X is sparse.

    A graph without features gets a learned row for each node.
    """

    def __init__(self, graph: Graph, settings: NodeCentric, generator: Generator) -> None:
        super().__init__()
        self.normalise, self.sparse = settings.normalise, settings.sparse
        self.width = graph.f or settings.embedding
        if not graph.f:
            self.rows = nn.Parameter(glorot(graph.n, self.width, generator))

    def matrix(self, graph: Graph) -> SparseMatrix | Tensor:
        """X [n, f]: the features (rows summing to 1 if asked for), or the learned rows."""
        if graph.features is None:
            return self.rows
        x = normalised_features(graph) if self.normalise else graph.features
        return sparse_form(x) if self.sparse and isinstance(x, Tensor) else x

    def times(self, graph: Graph, weight: Tensor) -> Tensor:
        """X weight, shape [n, d]."""
        return self.matrix(graph) @ weight

    def propagated(self, graph: Graph, weight: Tensor) -> Tensor:
        """Â X weight [n, d].

        Dense features do not change, so Â X is computed once; that saves a product with Â in each
        direction of every epoch. Sparse ones would lose their sparsity.
        """
        x = self.matrix(graph)
        if isinstance(x, Tensor) and graph.features is not None:
            return propagated_features(graph, self.normalise) @ weight
        return graph.adjacency @ (x @ weight)


def normalised_features(graph: Graph) -> SparseMatrix | Tensor:
    """Features with rows of absolute sum 1 (rows of zeros stay), kept with the features."""
    assert graph.features is not None
    owner = graph.features
    kept: SparseMatrix | Tensor | None = getattr(owner, "_normalised", None)
    if kept is None:
        kept = _normalise(owner)
        object.__setattr__(owner, "_normalised", kept)
    return kept


def _normalise(features: SparseMatrix | Tensor) -> SparseMatrix | Tensor:
    if isinstance(features, Tensor):
        total = features.abs().sum(1, keepdim=True)
        return features / torch.where(total == 0, 1, total)
    matrix = features.scipy()
    total = abs(matrix).sum(1)
    total[total == 0] = 1
    return SparseMatrix.from_scipy(matrix.multiply(1 / total[:, None])).to(features.csr.device)


def sparse_form(x: Tensor) -> SparseMatrix:
    """Dense x as a sparse matrix, kept with x."""
    kept: SparseMatrix | None = getattr(x, "_sparse_form", None)
    if kept is None:
        kept = SparseMatrix.from_scipy(scipy.sparse.csr_array(x.cpu().numpy())).to(x.device)
        object.__setattr__(x, "_sparse_form", kept)
    return kept


def propagated_features(graph: Graph, normalise: bool) -> Tensor:
    """Â X for dense X, computed once per graph."""
    name = f"_propagated_{normalise}"
    kept: Tensor | None = graph.__dict__.get(name)
    if kept is None:
        x = normalised_features(graph) if normalise else graph.features
        assert isinstance(x, Tensor)
        kept = graph.adjacency @ x
        graph.__dict__[name] = kept
    return kept


def glorot(rows: int, columns: int, generator: Generator) -> Tensor:
    """Uniform in ±√(6 / (rows + columns)), shape [rows, columns].

    Source: Glorot & Bengio (2010), eq. 16.
    """
    bound: float = (6 / (rows + columns)) ** 0.5
    return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound
