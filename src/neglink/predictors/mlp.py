"""Multilayer perceptron: what the features alone can tell."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from neglink.graph import Graph
from neglink.predictors.base import LinkModel, NodeCentric, NodeInput, glorot
from neglink.registry import component


@component
class MLP(NodeCentric):
    """Z = relu(X W1 + b1) W2 + b2, logit(u, v) = z_u · z_v: a GCN without its graph."""

    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of the first layer."""
    d: Annotated[int, Field(ge=1)] = 64
    """Width of the embeddings."""

    def build(self, graph: Graph, generator: Generator) -> "MLPModel":
        """A freshly initialised model."""
        return MLPModel(graph, self, generator)


class MLPModel(LinkModel):
    """Weights of `MLP`."""

    def __init__(self, graph: Graph, settings: MLP, generator: Generator) -> None:
        super().__init__()
        self.input = NodeInput(graph, settings, generator)
        self.w1 = nn.Parameter(glorot(self.input.width, settings.hidden, generator))
        self.b1 = nn.Parameter(torch.zeros(settings.hidden))
        self.w2 = nn.Parameter(glorot(settings.hidden, settings.d, generator))
        self.b2 = nn.Parameter(torch.zeros(settings.d))

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, d]; the links of `graph` play no part."""
        h = torch.relu(self.input.times(graph, self.w1) + self.b1)  # [n, hidden]
        return h @ self.w2 + self.b2  # [n, d]
