"""Popularity-biased negatives."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.registry import component
from neglink.samplers.base import Context, in_blocks, redraw_links, uniform_non_neighbours


@component
class PNS:
    """Negatives (u, v) that keep u and draw v with p(v) ∝ deg(v)^power.

    Degrees are counted on the train graph. A draw that is u itself or a training link is drawn
    again; a hidden link cannot be known, so false negatives remain, more of them than under the
    uniform sampler, since hubs have more hidden links. Where all nodes not linked to u have
    probability 0, v is uniform among them.
    Source: Mikolov et al. (2013), section 2.2, where the nodes are words.
    """

    power: Annotated[float, Field(ge=0, le=10)] = 0.75
    """Exponent on the degree; 0 draws uniformly (isolated nodes included)."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        graph = context.train_graph
        weights = graph.degree.double() ** self.power  # [n]
        cumulative = weights.cumsum(0)

        def draw(centres: Tensor) -> Tensor:
            # inverse transform: multinomial refuses more than 2^24 categories and is slower
            uniform = torch.rand(
                centres.numel(), generator=generator, device=centres.device, dtype=torch.float64
            )
            return torch.searchsorted(cumulative, uniform * cumulative[-1], right=True).clamp_(
                max=weights.numel() - 1
            )

        def exact(centres: Tensor) -> Tensor:
            return in_blocks(
                centres[None], graph.n, lambda block: _among_valid(graph, weights, block, generator)
            )[0]

        return redraw_links(graph, positives[0], draw, generator, last_resort=exact)


def _among_valid(graph: Graph, weights: Tensor, centres: Tensor, generator: Generator) -> Tensor:
    """Nodes v with p(v) ∝ weights [n] among the valid ones of u, for centres u [1, k]; [1, k]."""
    heads, place = torch.unique(centres[0], return_inverse=True)
    nodes = torch.arange(graph.n, device=centres.device).expand(heads.numel(), -1)
    pairs = torch.stack([heads[:, None].expand_as(nodes), nodes])  # [2, r, n]
    invalid = graph.has_links(pairs) | (pairs[0] == pairs[1])
    cumulative = weights.expand_as(invalid).masked_fill(invalid, 0).cumsum(1)[place]  # [k, n]
    uniform = torch.rand(
        (place.numel(), 1), generator=generator, device=centres.device, dtype=torch.float64
    )
    tails = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    weightless = tails == graph.n  # past the end: no valid node has weight
    tails[weightless] = uniform_non_neighbours(graph, centres[0, weightless], generator)
    return tails[None]
