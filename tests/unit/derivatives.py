"""Derivatives of a predictor held against differences."""

import torch
from torch.autograd import forward_ad

from neglink.graph import Graph
from neglink.methods.mebns.student import call
from neglink.predictors.base import LinkModel
from tests.conftest import seeded

STEP = 1e-6


def assert_derivatives_agree(
    model: LinkModel, graph: Graph, rtol: float = 1e-6, atol: float = 1e-7
) -> None:
    """Forward mode of a float64 model's logits is their difference, and reverse mode is forward.

    Args:
        model: in eval mode, its weights away from the kinks of its activations.
        graph: what it encodes; 30 random pairs of its nodes are scored.
        rtol: of forward mode against central differences.
        atol: likewise.
    """
    pairs = torch.randint(graph.n, (2, 30), generator=seeded(1))
    weights = {k: v.detach() for k, v in model.named_parameters()}
    direction = {
        k: torch.randn(v.shape, generator=seeded(i), dtype=v.dtype)
        for i, (k, v) in enumerate(weights.items())
    }

    def logits(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return call(model, values, lambda m: m.score(graph, pairs))

    with torch.no_grad():
        ahead, behind = (
            logits({k: v + s * direction[k] for k, v in weights.items()}) for s in (STEP, -STEP)
        )
        with forward_ad.dual_level():
            dual = {k: forward_ad.make_dual(v, direction[k]) for k, v in weights.items()}
            forward = forward_ad.unpack_dual(logits(dual)).tangent
    towards = torch.randn(30, generator=seeded(2), dtype=torch.float64)
    leaves = {k: v.clone().requires_grad_() for k, v in weights.items()}
    gradient = torch.autograd.grad(logits(leaves) @ towards, list(leaves.values()))
    reverse = sum((g * direction[k]).sum() for g, k in zip(gradient, leaves, strict=True))
    torch.testing.assert_close(forward, (ahead - behind) / (2 * STEP), rtol=rtol, atol=atol)
    torch.testing.assert_close(reverse, forward @ towards, rtol=1e-9, atol=1e-11)
