"""Uniform corruption of one end of a link."""

import torch
from torch import Generator, Tensor

from neglink.registry import component
from neglink.samplers.base import Context, redraw_links


@component
class Uniform:
    """Negatives (u, v) that keep u and draw v uniformly from the nodes not linked to u.

    Hidden links cannot be known, so false negatives remain, in proportion to the density of
    hidden links. Source: Bordes et al. (2013), section 3, for corrupted triples.
    """

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        graph = context.train_graph

        def draw(centres: Tensor) -> Tensor:
            size = (centres.numel(),)
            return torch.randint(graph.n, size, generator=generator, device=centres.device)

        return redraw_links(graph, positives[0], draw, generator)
