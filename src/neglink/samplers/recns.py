"""Region-based negatives, the form without exposure data."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.registry import component
from neglink.samplers.base import Context, Scorer, in_blocks
from neglink.samplers.k_hop import draw_from, k_hop_sets


@component
class RecNS:
    """For each link (u, p), the best of `candidates` nodes at exactly `hops` hops, helped by p.

    1. Draw a pool of `candidates` nodes uniformly from those at exactly `hops` hops of u, the
       intermediate region; from all nodes not linked to u where there are none.
    2. Draw α ~ U(0, 1), one for each link.
    3. Keep the n with the highest α s(u, n) + (1 − α) s(p, n), s the logits of the predictor as it
       is now. With a dot product this is the score of n with the mixed α z_u + (1 − α) z_p.

    Source: Yang et al. (TKDE 2023), in the form RecNS-O that MeBNS takes (Wang et al., WSDM 2024,
    appendix A.2), since links have no exposure data.
    """

    candidates: Annotated[int, Field(ge=1, le=1000)] = 20
    """Size of the pool; 1 draws uniformly from the region."""
    hops: Annotated[int, Field(ge=2, le=10)] = 3
    """Distance of the region from u."""

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        score = context.require_score("recns")
        return in_blocks(
            positives,
            self.candidates,
            lambda block: self._sample(context, score, block, generator),
        )

    def _sample(
        self, context: Context, score: Scorer, positives: Tensor, generator: Generator
    ) -> Tensor:
        k = positives.shape[1]
        region = k_hop_sets(context.train_graph, self.hops, inner=self.hops - 1)
        repeated = positives.repeat_interleave(self.candidates, dim=1)
        pool = draw_from(region, context, repeated, generator)[1].view(k, self.candidates)
        alpha = torch.rand(k, 1, generator=generator, device=positives.device)
        own, helped = (pool_scores(score, end, pool) for end in positives)
        best = (alpha * own + (1 - alpha) * helped).argmax(1, keepdim=True)
        return torch.stack([positives[0], pool.gather(1, best).squeeze(1)])


def pool_scores(score: Scorer, heads: Tensor, pool: Tensor) -> Tensor:
    """Logits of each head [k] with each node of its pool [k, c], shape [k, c].

    The heads are handed over in ascending order, which spares a dot product the sorting of k c
    pairs.
    """
    order = heads.argsort(stable=True)
    pairs = torch.stack([heads[order].repeat_interleave(pool.shape[1]), pool[order].flatten()])
    scores = score(pairs).view(pool.shape)
    return torch.empty_like(scores).index_copy_(0, order, scores)
