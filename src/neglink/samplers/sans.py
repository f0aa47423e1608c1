"""Structure-aware negatives."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Generator, Tensor

from neglink.registry import component
from neglink.samplers.base import Context
from neglink.samplers.k_hop import KHop
from neglink.samplers.walks import WALKS, walk_negatives


@component
class SANS:
    """Negatives (u, v) with v from the neighbourhood of u.

    Form `uniform`: v uniform among the nodes within `hops` of u that u is not linked to, which is
    what the sampler `k-hop` draws. Form `walk`: up to `walks` random walks of `hops` steps start
    at u, and v is the first end that is neither u nor linked to u, so that
    p(v) ∝ (D⁻¹A)^hops[u, v] over the valid v, and no neighbourhood is ever built. Where there is
    no such v, or no walk found one, v is uniform over all nodes not linked to u.

    Source: Ahrabian et al. (EMNLP 2020), section 3, for triples of a knowledge graph. There the
    ends of all walks of a node are gathered once and drawn from; here walks are fresh for each
    link, which is that law with as many walks as one likes.
    """

    form: Literal["uniform", "walk"] = "uniform"
    """Uniform over the neighbourhood, or ends of random walks, which favour well-connected v."""
    hops: Annotated[int, Field(ge=2, le=10)] = 3
    """Radius of the neighbourhood, or steps of a walk."""
    walks: Annotated[int, Field(ge=1, le=10_000)] = WALKS
    """Walks tried for each link before v is drawn uniformly; unread by form `uniform`."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        if self.form == "uniform":
            return KHop(hops=self.hops).sample(context, positives, generator)
        return walk_negatives(context.train_graph, positives[0], self.hops, generator, self.walks)
