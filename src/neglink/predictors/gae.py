"""A graph autoencoder with the settings that are known to matter."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from neglink.graph import Graph
from neglink.graph.pairs import pair_dot
from neglink.graph.sparse import SparseMatrix, csr_tensor
from neglink.predictors.base import LinkModel, NodeCentric, NodeInput, glorot, in_parts
from neglink.predictors.layers import Block, Linear, dropout, hadamard, orthogonal
from neglink.registry import LATER, component


@component
class Propagating(NodeCentric):
    """Settings of an encoder that first maps a node's input, then propagates it.

    H_0 = X W + E V + b; H_{l+1} = Â f(H_l) T_l + f(H_l) S_l + r f(H_0), where f is layer norm, relu
    and dropout as far as each is asked for (under `raw_input` not for H_0), T_l is there under
    `transform`, S_l under `root_weight`; Z = H_L.
    """

    inputs: Literal["features", "embedding", "both"] = "features"
    """The features X, a learned row E of each node, or the sum of both mapped; E where the graph
    has no features."""
    hidden: Annotated[int, Field(ge=1)] = 256
    """Width of all layers and of the embeddings."""
    layers: Annotated[int, Field(ge=0)] = 2
    """Propagations L."""
    activation: bool = False
    """Relu before each propagation; without it the encoder is linear in its input (but for the
    norm)."""
    transform: bool = False
    """A weight matrix T_l in each propagation."""
    root_weight: Annotated[bool, LATER] = False
    """A weight matrix S_l in each propagation for what the node itself holds (Hamilton et al.,
    2017, algorithm 1). With `transform`, `activation` and `raw_input`, and no residual, this is
    GraphSAGE but for Â in place of the mean."""
    raw_input: Annotated[bool, LATER] = False
    """f begins with H_1: the first propagation takes H_0 as it is."""
    residual: Annotated[float, Field(ge=0)] = 0.0
    """Share r of the mapped input that each propagation adds again."""
    norm: bool = True
    """Layer norm before each propagation, and in the layers of the decoder."""
    feature_dropout: Annotated[float, Field(ge=0, lt=1), LATER] = 0.0
    """Share of the entries of X that are set to 0 in training."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the encoder's values that are set to 0 in training, before each propagation."""


@component
class GAE(Propagating):
    """An encoder as in `Propagating`; logit(u, v) = z_u · z_v, or a perceptron of z_u ⊙ z_v.

    Source: Kipf & Welling (2016), with the settings that Ma et al. (2025), "Reconsidering the
    Performance of GAE in Link Prediction", find to decide; E starts orthogonal.
    """

    decoder_layers: Annotated[int, Field(ge=0)] = 2
    """Layers of the perceptron; 0 gives the dot product."""
    decoder_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the outputs of each hidden layer of the perceptron set to 0 in training."""
    decoder_skip: bool = False
    """Add z_u ⊙ z_v again in each hidden layer of the perceptron."""

    def build(self, graph: Graph, generator: Generator) -> "GAEModel":
        """A freshly initialised model."""
        return GAEModel(graph, self, generator)


class Input(nn.Module):
    """X W + E V + b, either part left out where it is not asked for."""

    def __init__(self, graph: Graph, settings: Propagating, generator: Generator) -> None:
        super().__init__()
        hidden, embedding = settings.hidden, settings.embedding
        self.features = None
        self.drop = settings.feature_dropout
        if graph.f and settings.inputs != "embedding":
            self.features = NodeInput(graph, settings, generator)
            self.map = Linear(graph.f, hidden, generator)
        self.rows = None
        if not graph.f or settings.inputs != "features":
            rows = orthogonal(graph.n, embedding, generator)
            # columns of equal norm, rows of norm 1 on average whatever n and the width
            self.rows = nn.Parameter(rows * (graph.n / min(graph.n, embedding)) ** 0.5)
            self.map_rows = nn.Parameter(orthogonal(embedding, hidden, generator))

    def forward(self, graph: Graph) -> Tensor:
        """H_0 [n, hidden]."""
        learned = None if self.rows is None else self.rows @ self.map_rows
        if self.features is None:
            assert learned is not None
            return learned
        h = self.mapped(self.features, graph)
        return h if learned is None else h + learned

    def mapped(self, features: NodeInput, graph: Graph) -> Tensor:
        """X W + b [n, hidden], with its dropout in training."""
        x = features.matrix(graph)
        if self.training and self.drop:
            x = with_dropout(x, self.drop)
        h: Tensor = x @ self.map.weight + self.map.bias
        return h


def with_dropout(x: SparseMatrix | Tensor, rate: float) -> SparseMatrix | Tensor:
    """X [n, f] with a share of its entries set to 0 and the others scaled up; sparse if X is."""
    if isinstance(x, Tensor):
        return dropout(x, rate, training=True)
    values = dropout(x.csr.values(), rate, training=True)
    crow, col = x.csr.crow_indices(), x.csr.col_indices()
    back_crow, back_col = x.transposed.crow_indices(), x.transposed.col_indices()
    n, f = x.shape
    return SparseMatrix(
        csr_tensor(crow, col, values, (n, f)),
        csr_tensor(back_crow, back_col, values[_transposed_order(x)], (f, n)),
    )


def _transposed_order(x: SparseMatrix) -> Tensor:
    """The place in `x.csr` of each entry of `x.transposed`, kept with X."""
    kept: Tensor | None = getattr(x, "_transposed_order", None)
    if kept is None:
        kept = torch.argsort(x.csr.col_indices(), stable=True)  # rows ascend already
        object.__setattr__(x, "_transposed_order", kept)
    return kept


class Encoder(nn.Module):
    """The encoder of `Propagating`."""

    def __init__(self, graph: Graph, settings: Propagating, generator: Generator) -> None:
        super().__init__()
        self.settings = settings
        hidden, layers = settings.hidden, settings.layers
        self.input = Input(graph, settings, generator)
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden) if settings.norm and (layer or not settings.raw_input)
            else nn.Identity() for layer in range(layers)
        )  # fmt: skip
        self.transforms = nn.ModuleList(
            Linear(hidden, hidden, generator) if settings.transform else nn.Identity()
            for _ in range(layers)
        )
        roots = layers if settings.root_weight else 0
        self.roots = nn.ParameterList(glorot(hidden, hidden, generator) for _ in range(roots))

    def forward(self, graph: Graph) -> Tensor:
        """Z [n, hidden]."""
        h: Tensor = self.input(graph)
        first: Tensor | None = None
        for layer in range(self.settings.layers):
            passed = self.passed_on(layer, h)
            first = passed if first is None else first
            h = self.transformed(layer, self.propagated(graph, passed))
            if self.roots:
                h = h + self.rooted(layer, passed)
            if self.settings.residual:
                h = torch.add(h, first, alpha=self.settings.residual)
        return h

    def propagated(self, graph: Graph, h: Tensor) -> Tensor:
        """Of h, Â h [n, hidden]."""
        return graph.adjacency @ h

    def transformed(self, layer: int, h: Tensor) -> Tensor:
        """Of h, h T_l with its bias [n, hidden]; h itself without `transform`."""
        transformed: Tensor = self.transforms[layer](h)
        return transformed

    def rooted(self, layer: int, h: Tensor) -> Tensor:
        """Of h, h S_l [n, hidden]."""
        return torch.mm(h, self.roots[layer])

    def passed_on(self, layer: int, h: Tensor) -> Tensor:
        """f(H_l) [n, hidden]: what propagation `layer` takes in."""
        settings = self.settings
        if settings.raw_input and layer == 0:
            return h
        h = self.norms[layer](h)
        if settings.activation:
            h = torch.relu(h)
        return dropout(h, settings.dropout, self.training)


class PropagatingModel(LinkModel):
    """The encoder of `Propagating`; subclasses add a decoder."""

    def __init__(self, graph: Graph, settings: Propagating, generator: Generator) -> None:
        super().__init__()
        self.encoder = Encoder(graph, settings, generator)

    @property
    def input(self) -> Input:
        """Where features and learned rows enter."""
        return self.encoder.input

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, hidden]."""
        z: Tensor = self.encoder(graph)
        return z


class GAEModel(PropagatingModel):
    """Weights of `GAE`."""

    def __init__(self, graph: Graph, settings: GAE, generator: Generator) -> None:
        super().__init__(graph, settings, generator)
        hidden, layers = settings.hidden, settings.decoder_layers
        self.skip = settings.decoder_skip
        drop = settings.decoder_dropout
        self.decoder = nn.ModuleList(
            Block(hidden, hidden, generator, drop=drop, norm=settings.norm)
            for _ in range(layers - 1)
        )
        self.last = Linear(hidden, 1, generator) if layers else None

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k]; the links of `graph` play no part."""
        if self.last is None:
            return pair_dot(z, pairs)
        return in_parts(lambda part: self._perceptron(hadamard(z, part)), pairs)

    def _perceptron(self, product: Tensor) -> Tensor:
        h = product
        for block in self.decoder:
            h = block(h, product if self.skip else None)
        assert self.last is not None
        logits: Tensor = self.last(h)
        return logits.squeeze(-1)
