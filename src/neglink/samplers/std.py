"""The structure enhanced training data generator of MeBNS."""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.registry import LATER, component
from neglink.samplers.base import Context, remembers_for, resolve
from neglink.samplers.k_hop import draw_from, k_hop_sets
from neglink.samplers.walks import walk_negatives

NOBODY = -1
"""In place of a node that does not exist."""


@component
class STD:
    """Each negative from the K-hop sampler with probability δ, else from the base sampler.

    Source: Wang et al. (WSDM 2024), eq. 5.
    """

    base: Any = "uniform"
    """The base sampler S_B: a name, or a mapping with `kind` and its settings."""
    delta: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Probability δ that a negative comes from the neighbourhood."""
    hops: Annotated[int, Field(ge=2, le=10)] = 3
    """Radius K of the neighbourhood, or steps of a walk."""
    structure: Annotated[Literal["uniform", "walk"], LATER] = "uniform"
    """How S_G draws: uniformly from the neighbourhood, or the end of a random walk (form `walk` of
    `sans`), which costs less on graphs beyond the bit table."""
    fallback: Annotated[Literal["uniform", "base"], LATER] = "uniform"
    """Where S_G finds no node (the paper does not say): any node, uniformly, or one of S_B."""

    def __post_init__(self) -> None:
        resolve(self.base)  # a wrong base is refused now, not in the first epoch

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return remembers_for(resolve(self.base))

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        k = positives.shape[1]
        uniform = torch.rand(k, generator=generator, device=positives.device)
        structural = uniform < self.delta
        negatives = torch.empty_like(positives)
        if bool(structural.any()):
            negatives[:, structural] = self._near(context, positives[:, structural], generator)
            if self.fallback == "base":
                structural = structural & (negatives[1] != NOBODY)
        if bool((~structural).any()):
            base = resolve(self.base).sample(context, positives[:, ~structural], generator)
            negatives[:, ~structural] = base
        return negatives

    def _near(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives of S_G; v is `NOBODY` where it finds no node, if the base is to replace it."""
        graph = context.train_graph
        last_resort = nobody if self.fallback == "base" else None
        if self.structure == "walk":
            return walk_negatives(
                graph, positives[0], self.hops, generator, last_resort=last_resort
            )
        return draw_from(k_hop_sets(graph, self.hops), context, positives, generator, last_resort)


def nobody(centres: Tensor) -> Tensor:
    """`NOBODY` for each centre."""
    return torch.full_like(centres, NOBODY)
