"""Negatives from a Markov chain whose law follows the predictor's own scores."""

import math
from typing import Annotated, Protocol

import numpy as np
import scipy.sparse
import torch
from pydantic import Field
from scipy.sparse import csgraph
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from neglink.graph import Graph
from neglink.registry import component
from neglink.samplers.base import Context
from neglink.samplers.k_hop import k_hop_sets
from neglink.samplers.memory import Memory
from neglink.samplers.uniform import Uniform

BLOCK_PAIRS = 2**23
"""Pairs scored together in the search for nearest nodes: bounds its memory at 32 MiB."""


@component
class MCNS:
    """Negatives (u, v) with p(v | u) ∝ p̂(v | u)^power over the v that are not linked to u.

    p̂ is the self-contrast approximation of the law of links, p̂(v | u) ∝ σ(s_uv) with s the logits
    of the predictor as it is now (the source takes the inner product, which a logit may make
    negative). The law is sampled by Metropolis–Hastings:

    1. The centres u of all links stand in the depth-first order of the train graph and are cut
       into `chains` sequences of one length. Each chain starts at a uniform node and takes
       `burn_in` steps at its first centre.
    2. At each centre a chain takes one step, and where it then stands is the negative. Its state
       is carried to the next centre, which is near and so has nearly the same law.
    3. A step proposes, with probability ½ each, a uniform node or one of the `nearest` of u, and
       accepts v in place of x with probability min(1, p(v | u) q(x | u) / (p(x | u) q(v | u))),
       which leaves p(· | u) as it is, exactly. A state that is u or linked to u has p = 0: any
       valid proposal replaces it, and where none came, the negative is a uniform one.

    The nearest nodes are those not linked to u with the largest z_u · z_v, found in every
    `refresh`-th epoch; without embeddings (edge-centric predictors), all nodes within 2 hops that u
    is not linked to. They steer how soon a chain mixes, not what it draws in the end.

    Nearest nodes older than an epoch are remembered for each generator: give a generator to one
    training run only, draw with it in the order of epochs, and set `context.epoch`. In epochs that
    are multiples of `refresh` they always come from the embeddings given.

    Source: Yang et al. (KDD 2020), MCNS.
    """

    power: Annotated[float, Field(ge=0, le=10)] = 0.75
    """Exponent on p̂; 0 draws uniformly, and below 1 is where the source's theory wants it."""
    nearest: Annotated[int, Field(ge=1, le=1000)] = 20
    """Nodes near each u among which half of the proposals are made."""
    refresh: Annotated[int, Field(ge=1)] = 10
    """Epochs between two searches for the nearest nodes, O(n² d) each."""
    burn_in: Annotated[int, Field(ge=0, le=10_000)] = 10
    """Steps of each chain before its first negative."""
    chains: Annotated[int, Field(ge=1)] | None = None
    """Chains that run side by side; none takes √k for k links. Fewer carry their state further and
    take more steps, one after the other."""

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return self.refresh

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        context.require_score("mcns")
        order = depth_first_rank(context.train_graph)[positives[0]].argsort(stable=True)
        if order.numel() == 0:
            return positives.clone()
        centres = self._centres(positives[0][order])
        tails = self._walk(context, centres, generator)[self.burn_in :].t().flatten()
        pairs = positives.clone()
        pairs[1, order] = tails[: order.numel()]
        wrong = context.train_graph.has_links(pairs) | (pairs[0] == pairs[1])
        if bool(wrong.any()):
            pairs[:, wrong] = Uniform().sample(context, positives[:, wrong], generator)
        return pairs

    def _centres(self, ordered: Tensor) -> Tensor:
        """The centre of each step of each chain, [burn_in + steps, chains].

        The last chains stay at the last centre where k is no multiple of the number of chains.
        """
        k = ordered.numel()
        chains = min(self.chains or math.isqrt(k), k)
        steps = -(-k // chains)
        place = torch.arange(chains * steps, device=ordered.device).clamp_(max=k - 1)
        centres = ordered[place].view(chains, steps).t()
        return torch.cat([centres[:1].expand(self.burn_in, -1), centres])

    def _walk(self, context: Context, centres: Tensor, generator: Generator) -> Tensor:
        """Where each chain stands after each step, shape of `centres` [steps, chains]."""
        near = self._near(context, generator)
        size, device = centres.shape, centres.device
        proposals = propose(context.train_graph.n, near, centres.flatten(), generator).view(size)
        chance = torch.rand(size, generator=generator, device=device).log()
        state = torch.randint(context.train_graph.n, size[1:], generator=generator, device=device)
        states = torch.empty_like(proposals)
        for step in range(size[0]):
            proposal = proposals[step]
            fit = self._log_weights(context, near, centres[step], torch.stack([state, proposal]))
            # a proposal of weight −∞ is never taken (∞ − ∞ compares as false), and a state of
            # weight −∞ always left for one that has weight
            accepted = chance[step] < fit[1] - fit[0]
            state = states[step] = torch.where(accepted, proposal, state)
        return states

    def _log_weights(
        self, context: Context, near: "Near", centres: Tensor, nodes: Tensor
    ) -> Tensor:
        """Log p(v | u) − log q(v | u) up to a constant of u; −∞ where v is u or linked to u.

        Args:
            context: the train graph and the scorer.
            near: the nodes near each centre.
            centres: u, shape [c].
            nodes: candidates v for each centre, shape [j, c].

        Returns:
            Log weights, shape [j, c].
        """
        pairs = torch.stack([centres.expand_as(nodes), nodes]).flatten(1)
        logits = context.require_score("mcns")(pairs)
        weights = self.power * logsigmoid(logits) - near.log_proposal(pairs[0], pairs[1])
        linked = context.train_graph.has_links(pairs) | (pairs[0] == pairs[1])
        return weights.masked_fill(linked, -math.inf).view(nodes.shape)

    def _near(self, context: Context, generator: Generator) -> "Near":
        if context.embeddings is None:
            return WithinTwoHops(context.train_graph)
        return Nearest(self._lists(context, context.embeddings, generator))

    def _lists(self, context: Context, z: Tensor, generator: Generator) -> Tensor:
        """The nearest nodes of this period of epochs, searched for where they are not known.

        Known are those that came from this very z, or from an earlier epoch of this period of the
        run that draws from this generator. The epoch that begins a period always searches.
        """
        graph, epoch = context.train_graph, context.epoch
        settings = (self.nearest, self.refresh)
        known = _KNOWN.recall(generator, settings, graph)
        if known is not None:
            begun = epoch % self.refresh and known.in_period(epoch, self.refresh)
            if known.is_of(z) or begun:
                return known.value
        lists = nearest_nodes(graph, z, self.nearest)
        _KNOWN.remember(generator, settings, graph, epoch, z, lists)
        return lists


class Near(Protocol):
    """Nodes near each centre, in which half of the proposals are made."""

    def draw(self, centres: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """A uniform node near each centre [k], and where there is one, bool [k]."""
        ...

    def log_proposal(self, centres: Tensor, nodes: Tensor) -> Tensor:
        """Log q(v | u) for each u of `centres` [k] and v of `nodes` [k]."""
        ...


def propose(n: int, near: Near, centres: Tensor, generator: Generator) -> Tensor:
    """A proposal for each centre [k]: near with probability ½ where there is any, else uniform."""
    device = centres.device
    proposals = torch.randint(n, centres.shape, generator=generator, device=device)
    nodes, found = near.draw(centres, generator)
    close = torch.rand(centres.shape, generator=generator, device=device) < 0.5
    return torch.where(close & found, nodes, proposals)


class Nearest:
    """The nodes of a list for each centre."""

    def __init__(self, lists: Tensor) -> None:
        self.lists = lists  # [n, count]

    def draw(self, centres: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Near`."""
        device, count = centres.device, self.lists.shape[1]
        place = torch.randint(count, centres.shape, generator=generator, device=device)
        return self.lists[centres, place], torch.ones_like(centres, dtype=torch.bool)

    def log_proposal(self, centres: Tensor, nodes: Tensor) -> Tensor:
        """See `Near`."""
        n, count = self.lists.shape
        listed = (self.lists[centres] == nodes[:, None]).any(1)
        return (0.5 / n + listed * (0.5 / count)).log()


class WithinTwoHops:
    """All nodes at two hops of each centre."""

    def __init__(self, graph: Graph) -> None:
        self.sets = k_hop_sets(graph, 2)

    def draw(self, centres: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Near`."""
        return self.sets.draw(centres, generator)

    def log_proposal(self, centres: Tensor, nodes: Tensor) -> Tensor:
        """See `Near`."""
        size = self.sets.sizes(centres)
        inside = self.sets.contains(centres, nodes)
        share = torch.where(size > 0, 0.5, 0.0)
        return ((1 - share) / self.sets.graph.n + share * inside / size.clamp(min=1)).log()


_KNOWN: Memory[Tensor] = Memory()
"""Nearest nodes [n, nearest]."""


def nearest_nodes(graph: Graph, z: Tensor, count: int) -> Tensor:
    """For each u the `count` nodes of largest z_u · z_v that are neither u nor linked to u.

    Where u has fewer valid nodes, some of the others fill the row.

    Args:
        graph: the train graph.
        z: embeddings, shape [n, d].
        count: nodes for each u; at most n are given.

    Returns:
        Node ids, shape [n, min(count, n)], in no order.
    """
    heads, tails = graph.arcs
    count = min(count, graph.n)
    lists = []
    per_block = max(1, BLOCK_PAIRS // graph.n)
    for first in range(0, graph.n, per_block):
        scores = z[first : first + per_block] @ z.t()
        last = first + scores.shape[0]
        arcs = slice(int(graph.row_starts[first]), int(graph.row_starts[last]))
        scores[heads[arcs] - first, tails[arcs]] = -math.inf
        scores.diagonal(first).fill_(-math.inf)
        lists.append(scores.topk(count, sorted=False).indices)
    return torch.cat(lists)


def depth_first_rank(graph: Graph) -> Tensor:
    """Place of each node in a depth-first order of the graph, shape [n]; kept with the graph.

    Each component is visited as a whole, from its first node, in the order of first nodes.
    """
    kept: Tensor | None = graph.__dict__.get("_depth_first_rank")
    if kept is None:
        adjacency, n = graph.scipy, graph.n
        _, component = csgraph.connected_components(adjacency, directed=False)
        _, first = np.unique(component, return_index=True)
        # a root above all components makes one search of many
        root = scipy.sparse.csr_array(
            (np.ones(first.size, np.float32), np.sort(first), [0, first.size]), shape=(1, n + 1)
        )
        rows = scipy.sparse.csr_array(adjacency)
        rows.resize((n, n + 1))
        whole = scipy.sparse.vstack([rows, root], format="csr")
        order = csgraph.depth_first_order(whole, n, return_predecessors=False)
        rank = np.empty(n + 1, dtype=np.int64)
        rank[order] = np.arange(n + 1)
        kept = torch.from_numpy(rank[:n] - 1).to(graph.device)
        graph.__dict__["_depth_first_rank"] = kept
    return kept
