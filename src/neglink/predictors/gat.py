"""Graph attention network."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.autograd import forward_ad

from neglink.graph import Graph
from neglink.graph.weighted import ClosedArcs, weighted_sums
from neglink.predictors.base import LinkModel, NodeCentric, NodeInput, glorot
from neglink.registry import LATER, component


@component
class GAT(NodeCentric):
    """Two attention layers: hidden heads are concatenated, output heads averaged.

    h_u = Σ_{v ∈ N(u) ∪ {u}} α_uv W x_v, α_uv = softmax_v(leaky(a_s · W x_v + a_t · W x_u)),
    ReLU between the layers, logit(u, v) = z_u · z_v.
    Source: Veličković et al. (2018), eq. 3-6, in the form of PyG's GATConv; widths of MeBNS (Wang
    et al., WSDM 2024, appendix A.2), whose 128 is read as the width of each head.
    """

    hidden: Annotated[int, Field(ge=1)] = 128
    """Width of each head of the first layer."""
    d: Annotated[int, Field(ge=1)] = 64
    """Width of the embeddings."""
    heads: Annotated[int, Field(ge=1)] = 5
    """Attention heads of each layer."""
    slope: Annotated[float, Field(ge=0)] = 0.2
    """Slope of the leaky ReLU below zero."""
    messages: Annotated[Literal["gathered", "sparse"], LATER] = "gathered"
    """How messages are summed: gathered for each arc, as PyG does it, or as a sparse product, which
    is several times faster and smaller from some 50,000 arcs on; equal up to rounding."""

    def build(self, graph: Graph, generator: Generator) -> "GATModel":
        """A freshly initialised model."""
        return GATModel(graph, self, generator)


class GATModel(LinkModel):
    """Weights of `GAT`."""

    def __init__(self, graph: Graph, settings: GAT, generator: Generator) -> None:
        super().__init__()
        heads, hidden, d = settings.heads, settings.hidden, settings.d
        self.slope = settings.slope
        self.attend = attend if settings.messages == "gathered" else attend_sparse
        self.input = NodeInput(graph, settings, generator)
        self.w1 = nn.Parameter(glorot(self.input.width, heads * hidden, generator))
        self.source1 = nn.Parameter(glorot(heads, hidden, generator))
        self.target1 = nn.Parameter(glorot(heads, hidden, generator))
        self.b1 = nn.Parameter(torch.zeros(heads * hidden))
        self.w2 = nn.Parameter(glorot(heads * hidden, heads * d, generator))
        self.source2 = nn.Parameter(glorot(heads, d, generator))
        self.target2 = nn.Parameter(glorot(heads, d, generator))
        self.b2 = nn.Parameter(torch.zeros(d))

    def encode(self, graph: Graph) -> Tensor:
        """Embeddings [n, d]."""
        heads = self.source1.shape[0]
        x = self.input.times(graph, self.w1).view(graph.n, heads, -1)  # [n, heads, hidden]
        h = self.attend(graph, x, self.source1, self.target1, self.slope)
        h = torch.relu(h.flatten(1) + self.b1)  # [n, heads · hidden]
        x = (h @ self.w2).view(graph.n, heads, -1)  # [n, heads, d]
        return self.attend(graph, x, self.source2, self.target2, self.slope).mean(1) + self.b2


def attend(graph: Graph, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
    """Attention-weighted sums over each node's closed neighbourhood.

    Args:
        graph: whose links carry messages; every node also attends to itself.
        x: messages, shape [n, heads, w].
        source: attention vectors of the sender, shape [heads, w].
        target: attention vectors of the receiver, shape [heads, w].
        slope: of the leaky ReLU.

    Returns:
        Shape [n, heads, w].
    """
    to, sender = looped_arcs(graph)  # [2m + n] each
    # index_select, not indexing: its backward adds in a fixed order, so that runs repeat exactly
    sent = (x * source).sum(-1).index_select(0, sender)  # [arcs, heads]
    logits = sent + (x * target).sum(-1).index_select(0, to)
    logits = nn.functional.leaky_relu(logits, slope)
    # the softmax is the same for any shift; the largest logit keeps exp in range
    unpacked = forward_ad.unpack_dual(logits)  # type: ignore[no-untyped-call]
    constant: Tensor = unpacked.primal.detach()
    shift = torch.full_like(constant[: graph.n], -torch.inf)
    shift = shift.scatter_reduce(0, to[:, None].expand_as(constant), constant, "amax")
    weights = (logits - shift[to]).exp()
    total = torch.zeros_like(weights[: graph.n]).index_add(0, to, weights)
    alpha = (weights / total.index_select(0, to)).unsqueeze(-1)  # [arcs, heads, 1]
    return torch.zeros_like(x).index_add(0, to, alpha * x.index_select(0, sender))


def attend_sparse(graph: Graph, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
    """As `attend`, up to rounding, without an array of arcs × width."""
    arcs = ClosedArcs.of(graph, x.shape[1])
    x = x.transpose(0, 1).contiguous()  # [heads, n, w]
    sent, received = x @ source.unsqueeze(-1), x @ target.unsqueeze(-1)  # [heads, n, 1]
    logits = sent.squeeze(-1).index_select(1, arcs.senders)
    logits = logits + received.squeeze(-1).index_select(1, arcs.receivers)  # [heads, arcs]
    logits = nn.functional.leaky_relu(logits, slope)
    unpacked = forward_ad.unpack_dual(logits)  # type: ignore[no-untyped-call]
    constant: Tensor = unpacked.primal.detach()
    rows = arcs.receivers.expand_as(constant)
    shift = torch.full_like(constant[:, : graph.n], -torch.inf)
    shift = shift.scatter_reduce(1, rows, constant, "amax")
    weights = (logits - shift.index_select(1, arcs.receivers)).exp()
    total = torch.zeros_like(weights[:, : graph.n]).index_add(1, arcs.receivers, weights)
    alpha = weights / total.index_select(1, arcs.receivers)
    return weighted_sums(arcs, alpha, x).transpose(0, 1)


def looped_arcs(graph: Graph) -> tuple[Tensor, Tensor]:
    """Receivers and senders of all messages: both directions of every link, then self-loops."""
    nodes = torch.arange(graph.n, device=graph.device)
    return torch.cat([graph.arcs[0], nodes]), torch.cat([graph.arcs[1], nodes])
