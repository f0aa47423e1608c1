"""Popularity-biased negatives."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.registry import component
from neglink.samplers.base import Context, redraw_links


@component
class PNS:
    """Negatives (u, v) that keep u and draw v with p(v) ∝ deg(v)^power.

    Degrees are counted on the train graph. A draw that is u itself or a training link is drawn
    again; a hidden link cannot be known, so false negatives remain, more of them than under the
    uniform sampler, since hubs have more hidden links.
    Source: Mikolov et al. (2013), section 2.2, where the nodes are words.
    """

    power: Annotated[float, Field(ge=0, le=10)] = 0.75
    """Exponent on the degree; 0 draws uniformly (isolated nodes included)."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        weights = context.train_graph.degree.double() ** self.power  # [n]
        cumulative = weights.cumsum(0)

        def draw(centres: Tensor) -> Tensor:
            # inverse transform: multinomial refuses more than 2^24 categories and is slower
            uniform = torch.rand(
                centres.numel(), generator=generator, device=centres.device, dtype=torch.float64
            )
            return torch.searchsorted(cumulative, uniform * cumulative[-1], right=True).clamp_(
                max=weights.numel() - 1
            )

        return redraw_links(context.train_graph, positives[0], draw, generator)
