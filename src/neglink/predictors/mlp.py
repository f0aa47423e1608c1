"""Multilayer perceptron: what the features alone can tell."""

import torch
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.predictors.gcn import GCN, GCNModel
from neglink.registry import component


@component
class MLP(GCN):
    """Z = relu(X W1 + b1) W2 + b2, logit(u, v) = z_u · z_v: a GCN without its graph."""

    def build(self, graph: Graph, generator: Generator) -> "MLPModel":
        """A freshly initialised model."""
        return MLPModel(graph, self, generator)


class MLPModel(GCNModel):
    """Weights of `MLP`: those of a GCN."""

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, d]; the links of `graph` play no part."""
        h = torch.relu(self.input.times(graph, self.w1) + self.b1)  # [n, hidden]
        return h @ self.w2 + self.b2  # [n, d]
