"""Negatives from the neighbourhood."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.graph.graph import Graph
from neglink.graph.k_hop import KHopSets
from neglink.registry import component
from neglink.samplers.base import Context
from neglink.samplers.uniform import Uniform


@component
class KHop:
    """Negatives (u, v) with v uniform among the nodes within `hops` of u that u is not linked to.

    This is the structure sampler S_G of MeBNS (Wang et al., WSDM 2024, section 3.2). Where no such
    node exists, v is drawn uniformly from all nodes not linked to u.
    """

    hops: Annotated[int, Field(ge=2, le=10)] = 3
    """Radius K of the neighbourhood; 1 would leave only linked nodes."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        centres = positives[0]
        tails, found = k_hop_sets(context.train_graph, self.hops).draw(centres, generator)
        pairs = torch.stack([centres, tails])
        missing = ~found
        if bool(missing.any()):
            pairs[:, missing] = Uniform().sample(context, positives[:, missing], generator)
        return pairs


def k_hop_sets(graph: Graph, hops: int) -> KHopSets:
    """The K-hop sets of a graph, built once and kept with it."""
    kept: dict[int, KHopSets] = graph.__dict__.setdefault("_k_hop_sets", {})
    if hops not in kept:
        kept[hops] = KHopSets(graph, hops)
    return kept[hops]
