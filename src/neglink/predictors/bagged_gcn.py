"""Several graph convolutional networks whose probabilities are averaged."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid

from neglink.graph import Graph
from neglink.predictors.base import LinkModel, NodeCentric, NodeInput
from neglink.predictors.gcn import GCN, GCNModel
from neglink.registry import component


@component
class BaggedGCN(NodeCentric):
    """p(u, v) = 1/B Σ_b σ(z_bu · z_bv): B networks as `GCN` has them, the mean of what they say.

    The method bagging-pu trains each on a bag of its own; other methods train the mean.
    Source: Gan et al. (2022), "Positive-Unlabeled Learning for Network Link Prediction", with GCN
    for the embeddings as in PULL (2024, appendix C).
    """

    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of the first layer of each network."""
    d: Annotated[int, Field(ge=1)] = 64
    """Width of the embeddings of each network."""
    bags: Annotated[int, Field(ge=1)] = 3
    """B: number of networks."""

    def build(self, graph: Graph, generator: Generator) -> "BaggedGCNModel":
        """A freshly initialised model."""
        return BaggedGCNModel(graph, self, generator)


class BaggedGCNModel(LinkModel):
    """Weights of `BaggedGCN`."""

    def __init__(self, graph: Graph, settings: BaggedGCN, generator: Generator) -> None:
        super().__init__()
        one = GCN(
            normalise=settings.normalise, embedding=settings.embedding, sparse=settings.sparse,
            hidden=settings.hidden, d=settings.d,
        )  # fmt: skip
        self.bags = nn.ModuleList(GCNModel(graph, one, generator) for _ in range(settings.bags))

    @property
    def input(self) -> NodeInput:
        """Where features or learned rows enter the first network."""
        first = self.bags[0]
        assert isinstance(first, GCNModel)
        return first.input

    def encode(self, graph: Graph) -> Tensor:
        """The embeddings of all networks side by side, [n, B · d]."""
        return torch.cat([bag.encode(graph) for bag in self.bags], 1)  # type: ignore[operator]

    def decode_one(self, number: int, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] of pairs [2, k] by one network, given the embeddings of all."""
        part = z.chunk(len(self.bags), 1)[number].contiguous()
        logits: Tensor = self.bags[number].decode(graph, part, pairs)  # type: ignore[operator]
        return logits

    def decode(self, graph: Graph, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits [k] of the mean probability of pairs [2, k]."""
        numbers = range(len(self.bags))
        logits = torch.stack([self.decode_one(b, graph, z, pairs) for b in numbers])  # [B, k]
        if logits.shape[0] == 1:
            return logits[0]
        # log p − log(1 − p), both as sums of exponentials: exact where p is near 0 or 1
        return torch.logsumexp(logsigmoid(logits), 0) - torch.logsumexp(logsigmoid(-logits), 0)
