"""The graph autoencoder on dense graphs: the adjacency as a dense matrix, products in bfloat16."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import layer_norm

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.graph.ragged import owners
from neglink.predictors.base import in_parts
from neglink.predictors.gae import GAE, Encoder, GAEModel, Input
from neglink.predictors.layers import Block, Linear, dropout, hadamard
from neglink.registry import component

MIB = 2**20


@component
class DenseGAE(GAE):
    """As `GAE`, computed for graphs whose adjacency is dense (ogbl-ddi: 12 % of all pairs).

    With the same settings and generator it has the weights of `GAE` and, in float32, its logits up
    to rounding. Â is a dense matrix, made anew for each message graph, so a batch's own links can
    be left out at every step; the perceptron and all large products may run in bfloat16.

    The settings `shared`, `rows: free` and `decoder_skip` together give the encoder and decoder
    that Ma et al. (2025) train on ogbl-ddi.
    """

    precision: Literal["float32", "bfloat16"] = "float32"
    """Type of the large products and of all values of the perceptron. Weights, sums over layers of
    the encoder, logits and the loss stay float32 (as the weights are) either way. bfloat16 rounds
    to 8 bits and is several times faster where the processor multiplies it (AMX, AVX512-BF16)."""
    shared: bool = False
    """Under `transform`, one weight matrix and bias for all propagations."""
    rows: Literal["mapped", "free"] = "mapped"
    """A learned row enters as E V, or as it is: E starts as what E V starts as, then every value is
    a weight of its own (Ma et al., 2025)."""
    dense_mib: Annotated[int, Field(ge=1)] = 1024
    """Largest dense adjacency in MiB. Training with `mask_links` holds two of them."""

    def __post_init__(self) -> None:
        if self.shared and not self.transform:
            raise ValueError("shared needs transform: true, else there is no weight to share")

    def build(self, graph: Graph, generator: Generator) -> "DenseGAEModel":
        """A freshly initialised model.

        Raises:
            TrainingError: the dense adjacency would exceed `dense_mib`.
        """
        width = 2 if self.precision == "bfloat16" else 4
        needed = -(-graph.n * graph.n * width // MIB)
        if needed > self.dense_mib:
            raise TrainingError(
                f"dense-gae: the adjacency of {graph.n} nodes as a dense {self.precision} matrix "
                f"takes {needed} MiB, more than dense_mib = {self.dense_mib}: take the predictor "
                "gae, which keeps it sparse, or raise dense_mib"
            )
        return DenseGAEModel(graph, self, generator)


@dataclass(frozen=True, eq=False)
class DenseAdjacency:
    """diag(s) A diag(s), A symmetric; `self @ h` is differentiable in every mode of torch.

    Of a graph without weights A is A + I, whose zeros and ones bfloat16 holds exactly: only the
    operand of a product is rounded, never Â.
    """

    matrix: Tensor
    """A [n, n]."""
    scale: Tensor | None
    """s [n, 1], in float32; ones if none."""

    def times(self, h: Tensor) -> Tensor:
        """diag(s) A diag(s) h for h [n, d], in the type of h, without derivatives."""
        scale = 1 if self.scale is None else self.scale.to(h.dtype)
        return (self.matrix @ (h * scale).to(self.matrix.dtype)).to(h.dtype) * scale

    def __matmul__(self, h: Tensor) -> Tensor:
        return _Product.apply(h, self)  # type: ignore[no-any-return, no-untyped-call]


class _Product(torch.autograd.Function):
    """`DenseAdjacency.times`: symmetric, so its gradient is the same product.

    torch's own gradient multiplies by the transposed view, which takes twice as long in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, adjacency: DenseAdjacency) -> Tensor:
        ctx.adjacency = adjacency
        return adjacency.times(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.adjacency @ gradient, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        result: Tensor = ctx.adjacency.times(tangent)
        return result


def dense_adjacency(graph: Graph, dtype: torch.dtype) -> DenseAdjacency:
    """Â of `Graph.adjacency` as a dense matrix of this type, [n, n]; made once per graph.

    It is built from the links, which spares a batch's graph its sparse matrix; but where the graph
    was given weights (by `pull`, in `adjacency`), A holds the values found there.
    """
    name = f"_dense_adjacency_{dtype}"
    kept: DenseAdjacency | None = graph.__dict__.get(name)
    if kept is None:
        scale = (1 + graph.degree).to(torch.float32).rsqrt()
        matrix = _weights(graph, scale)
        weighted = matrix is not None
        if matrix is None:
            matrix = torch.zeros(graph.n * graph.n, dtype=dtype, device=graph.device)
            matrix[graph.arcs[0] * graph.n + graph.arcs[1]] = 1
            matrix.view(graph.n, graph.n).fill_diagonal_(1)
        square = matrix.view(graph.n, graph.n).to(dtype)
        kept = DenseAdjacency(square, None if weighted else scale[:, None])
        graph.__dict__[name] = kept
    return kept


def _weights(graph: Graph, scale: Tensor) -> Tensor | None:
    """The values of `graph.adjacency`, laid out [n²]; none where they are not made, or unweighted.

    That they are made says nothing yet: others may have asked for them.
    """
    if "adjacency" not in graph.__dict__:
        return None
    csr = graph.adjacency.csr
    rows, columns = owners(csr.crow_indices().diff().long()), csr.col_indices().long()
    values = csr.values()
    if torch.equal(values, (scale[rows] * scale[columns]).to(values.dtype)):
        return None
    matrix = torch.zeros(graph.n * graph.n, dtype=values.dtype, device=graph.device)
    matrix[rows * graph.n + columns] = values
    return matrix


class FreeRows(Input):
    """H_0 = X W + b + E: an `Input` whose learned rows are no longer mapped."""

    def __init__(self, made: Input) -> None:
        nn.Module.__init__(self)
        assert made.rows is not None
        self.features, self.drop = made.features, made.drop
        if made.features is not None:
            self.map = made.map
        self.rows = nn.Parameter((made.rows @ made.map_rows).detach())

    def forward(self, graph: Graph) -> Tensor:
        """H_0 [n, hidden]."""
        assert self.rows is not None
        if self.features is None:
            return self.rows
        return self.mapped(self.features, graph) + self.rows


class DenseEncoder(Encoder):
    """The encoder of `Propagating` with a dense adjacency; takes over the weights of an `Encoder`.

    Taking them over keeps the order of draws, so that equal generators give equal weights.
    """

    settings: DenseGAE

    def __init__(self, made: Encoder, settings: DenseGAE) -> None:
        nn.Module.__init__(self)
        self.settings = settings
        self.input = made.input
        if settings.rows == "free" and made.input.rows is not None:
            self.input = FreeRows(made.input)
        self.norms = made.norms
        self.transforms = made.transforms
        self.roots = made.roots
        if settings.shared:
            self.transforms = made.transforms[:1]

    def propagated(self, graph: Graph, h: Tensor) -> Tensor:
        """See `Encoder`; Â is dense."""
        return dense_adjacency(graph, product_type(self.settings, h)) @ h

    def transformed(self, layer: int, h: Tensor) -> Tensor:
        """See `Encoder`; in the type of large products."""
        if not self.settings.transform:
            return h
        transform = self.transforms[0 if self.settings.shared else layer]
        return linear(transform, h.to(product_type(self.settings, h))).to(h.dtype)

    def rooted(self, layer: int, h: Tensor) -> Tensor:
        """See `Encoder`; in the type of large products."""
        dtype = product_type(self.settings, h)
        return torch.mm(h.to(dtype), self.roots[layer].to(dtype))


class DenseGAEModel(GAEModel):
    """Weights of `DenseGAE`."""

    def __init__(self, graph: Graph, settings: DenseGAE, generator: Generator) -> None:
        super().__init__(graph, settings, generator)
        self.settings = settings
        self.encoder = DenseEncoder(self.encoder, settings)

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] in the type of z; the links of `graph` play no part."""
        if self.last is None:
            return super().decode(graph, z, pairs)
        rounded = z.to(product_type(self.settings, z))
        logits = in_parts(lambda part: self._perceptron(hadamard(rounded, part)), pairs)
        return logits.to(z.dtype)

    def _perceptron(self, product: Tensor) -> Tensor:
        h = product
        for block in self.decoder:
            h = hidden(block, h, product if self.skip else None)  # type: ignore[arg-type]
        last = self.last
        assert last is not None
        # the sum over columns is exact enough only in the type of the weights
        return (h @ last.weight.to(h.dtype)).squeeze(-1).to(last.bias.dtype) + last.bias


def product_type(settings: DenseGAE, x: Tensor) -> torch.dtype:
    """The type of large products: bfloat16 where asked for, else that of x."""
    return torch.bfloat16 if settings.precision == "bfloat16" else x.dtype


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """`layer` of x [k, rows], computed in the type of x."""
    assert isinstance(layer, Linear)
    return torch.addmm(layer.bias.to(x.dtype), x, layer.weight.to(x.dtype))


def hidden(block: Block, x: Tensor, skip: Tensor | None) -> Tensor:
    """`block` of x [k, d], computed in the type of x; `skip` [k, d] is added before the norm.

    x W + x is computed as x (W + I), where `skip` is x itself: one pass over [k, d] less.
    """
    layer = block.linear
    weight: Tensor = layer.weight
    if skip is x:
        weight, skip = weight + torch.eye(x.shape[1], dtype=weight.dtype, device=x.device), None
    h = torch.addmm(layer.bias.to(x.dtype), x, weight.to(x.dtype))
    h = h if skip is None else h + skip
    if isinstance(block.norm, nn.LayerNorm):
        norm = block.norm
        scale, shift = (None if p is None else p.to(h.dtype) for p in (norm.weight, norm.bias))
        h = layer_norm(h, norm.normalized_shape, scale, shift, norm.eps)
    return dropout(torch.relu(h), block.drop, block.training)
