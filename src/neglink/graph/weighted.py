"""Sums over neighbours whose weights are learned, as attention has them.

The usual way gathers a row for each arc, scales it and adds it up: several arrays of arcs × width
are written and read in each direction. Here the weights are the values of a sparse matrix; the sum
is one sparse product, its gradients another one and a sampled dense-dense product, and none of
these arrays exists.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neglink.graph.graph import Graph
from neglink.graph.pairs import sampled_dot
from neglink.graph.ragged import offsets, owners
from neglink.graph.sparse import csr_tensor, index_dtype, product


@dataclass(frozen=True, eq=False)
class ClosedArcs:
    """Both directions of every link and all self-loops, once for each of several heads.

    Entry (h, arc) of the square matrix over heads · n nodes stands at row h · n + receiver and
    column h · n + sender.
    """

    receivers: Tensor
    """Of the arcs of one head, ascending, shape [a]; a = 2m + n."""
    senders: Tensor
    """Ascending for each receiver, shape [a]."""
    starts: Tensor
    """Where each row of all heads begins, shape [heads · n + 1]."""
    columns: Tensor
    """Of all heads, shape [heads · a]."""
    reverse: Tensor
    """Place of the opposite arc of each arc of all heads, shape [heads · a], int64."""

    @classmethod
    def of(cls, graph: Graph, heads: int) -> "ClosedArcs":
        """Those of a graph, computed once for each number of heads."""
        kept: dict[int, ClosedArcs] = graph.__dict__.setdefault("_closed_arcs", {})
        if heads not in kept:
            kept[heads] = cls._made(graph, heads)
        return kept[heads]

    @classmethod
    def _made(cls, graph: Graph, heads: int) -> "ClosedArcs":
        n, device = graph.n, graph.device
        nodes = torch.arange(n, device=device)
        keys = torch.cat([graph.arcs[0] * n + graph.arcs[1], nodes * n + nodes]).sort().values
        receivers, senders = keys // n, keys % n
        arcs = keys.numel()
        index = index_dtype(heads * n, heads * arcs)
        head = torch.arange(heads, device=device)[:, None]
        degree = torch.bincount(receivers, minlength=n)
        return cls(
            receivers,
            senders,
            offsets(degree.repeat(heads)).to(index),
            (senders + head * n).flatten().to(index),
            (torch.argsort(senders, stable=True) + head * arcs).flatten(),
        )


def weighted_sums(arcs: ClosedArcs, weights: Tensor, x: Tensor) -> Tensor:
    """Each node's sum of weight · x_sender over the arcs into it, for each head.

    Twice differentiable in reverse mode and once in forward mode, in weights and x.

    Args:
        arcs: who receives from whom.
        weights: of each arc, shape [heads, a].
        x: messages, shape [heads, n, w].

    Returns:
        Shape [heads, n, w].
    """
    flat = x.reshape(-1, x.shape[-1])
    sums: Tensor = _WeightedSums.apply(weights.reshape(-1), flat, arcs)  # type: ignore[no-untyped-call]
    return sums.view(x.shape)


class _WeightedSums(torch.autograd.Function):
    """S(weights) x, bilinear in both."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, x: Tensor, arcs: ClosedArcs) -> Tensor:
        ctx.arcs = arcs
        ctx.save_for_backward(weights, x)
        ctx.save_for_forward(weights, x)
        return _product(arcs, weights, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        arcs: ClosedArcs = ctx.arcs
        weights, x = ctx.saved_tensors
        if torch.is_grad_enabled():  # double backward: rare, so by plain, differentiable means
            rows, columns = owners(arcs.starts.diff().long()), arcs.columns.long()
            sent = gradient.index_select(0, rows)
            for_x = torch.zeros_like(x).index_add(0, columns, weights[:, None] * sent)
            return (sent * x.index_select(0, columns)).sum(-1), for_x, None
        gradient = gradient.contiguous()
        for_weights = sampled_dot(arcs.starts, arcs.columns, gradient, x)
        return for_weights, _product(arcs, weights.index_select(0, arcs.reverse), gradient), None

    @staticmethod
    def jvp(ctx: Any, weights_tangent: Tensor, x_tangent: Tensor, _: None) -> Tensor:
        weights, x = ctx.saved_tensors
        return _product(ctx.arcs, weights_tangent, x) + _product(ctx.arcs, weights, x_tangent)


def _product(arcs: ClosedArcs, weights: Tensor, x: Tensor) -> Tensor:
    n = x.shape[0]
    return product(csr_tensor(arcs.starts, arcs.columns, weights.contiguous(), (n, n)), x)
