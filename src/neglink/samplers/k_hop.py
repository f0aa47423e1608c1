"""Negatives from the neighbourhood."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.graph.graph import Graph
from neglink.graph.k_hop import KHopSets
from neglink.registry import component
from neglink.samplers.base import Context, Draw
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
        sets = k_hop_sets(context.train_graph, self.hops)
        return draw_from(sets, context, positives, generator)


def k_hop_sets(graph: Graph, hops: int, inner: int = 1) -> KHopSets:
    """The sets of nodes more than `inner` and at most `hops` hops away, kept with their graph."""
    kept: dict[tuple[int, int], KHopSets] = graph.__dict__.setdefault("_k_hop_sets", {})
    if (hops, inner) not in kept:
        kept[hops, inner] = KHopSets(graph, hops, inner)
    return kept[hops, inner]


def draw_from(
    sets: KHopSets, context: Context, positives: Tensor, generator: Generator,
    last_resort: Draw | None = None,
) -> Tensor:  # fmt: skip
    """Pairs (u, v), v uniform in its set; uniform over all nodes not linked to u if that is empty.

    Args:
        sets: the set of each node; none holds the node itself or a linked one.
        context: the train graph.
        positives: links (u, neighbour), shape [2, k].
        generator: source of randomness.
        last_resort: what takes the place of the uniform draw; see `redraw_links`.

    Returns:
        Pairs, shape [2, k].
    """
    tails, found = sets.draw(positives[0], generator)
    pairs = torch.stack([positives[0], tails])
    missing = ~found
    if bool(missing.any()):
        pairs[1, missing] = (
            Uniform().sample(context, positives[:, missing], generator)[1]
            if last_resort is None
            else last_resort(positives[0, missing])
        )
    return pairs
