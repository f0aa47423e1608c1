"""Graph convolutional network."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from neglink.graph import Graph
from neglink.predictors.base import LinkModel, NodeCentric, NodeInput, glorot
from neglink.registry import component


@component
class GCN(NodeCentric):
    """Z = Â relu(Â X W1 + b1) W2 + b2, logit(u, v) = z_u · z_v, with Â = D^-½ (A + I) D^-½.

    Source: Kipf & Welling (2017), eq. 9, without the softmax; widths of MeBNS (Wang et al., WSDM
    2024, appendix A.2).
    """

    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of the first layer."""
    d: Annotated[int, Field(ge=1)] = 64
    """Width of the embeddings."""

    def build(self, graph: Graph, generator: Generator) -> "GCNModel":
        """A freshly initialised model."""
        return GCNModel(graph, self, generator)


class GCNModel(LinkModel):
    """Weights of `GCN`."""

    def __init__(self, graph: Graph, settings: GCN, generator: Generator) -> None:
        super().__init__()
        self.input = NodeInput(graph, settings, generator)
        self.w1 = nn.Parameter(glorot(self.input.width, settings.hidden, generator))
        self.b1 = nn.Parameter(torch.zeros(settings.hidden))
        self.w2 = nn.Parameter(glorot(settings.hidden, settings.d, generator))
        self.b2 = nn.Parameter(torch.zeros(settings.d))

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, d]."""
        h = torch.relu(self.input.propagated(graph, self.w1) + self.b1)  # [n, hidden]
        return graph.adjacency @ (h @ self.w2) + self.b2  # [n, d]
