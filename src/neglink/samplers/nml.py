"""Negatives by the learned weights of NML-GCL: nodes unlike the centre, false negatives seldom."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn.functional import normalize

from neglink.contrast.loss import Form, nml_loss, row_blocks
from neglink.contrast.metric import MetricNetwork
from neglink.graph import Graph
from neglink.graph.neighbours import neighbours_of
from neglink.registry import component
from neglink.samplers.base import Context
from neglink.samplers.memory import Memory
from neglink.samplers.uniform import Uniform


@component
class NML:
    """Negatives (u, v) with p(v | u) ∝ W_uv over the v that are not linked to u.

    W is the row softmax of −cos(M(z_u), M(z_v)), z the current embeddings divided by their norm,
    and M a network of this sampler's own. In every `refresh`-th epoch M takes `steps` steps of Adam
    on the loss of NML-GCL (`contrast.loss.nml_loss`), with the embeddings, held fixed, as both
    views: nodes that are much alike lose weight. Since a cosine lies in [−1, 1], no node is drawn
    more than e² times as often as another: this is a mild preference against false negatives, not a
    hard one.

    Without embeddings (edge-centric predictors) M has nothing to see and draws are uniform. The
    slopes of M are at their mean also while it learns, so that torch's own generator is left alone.

    M is remembered for each generator: give a generator to one training run only, draw with it in
    the order of epochs, and set `context.epoch`. An epoch that goes back begins anew. A draw costs
    O(n² d) time, a step a few times that, neither ever n² memory.

    Source: W by Zhao et al. (2025), NML-GCL, where it weighs negatives, as a distance; drawing by
    it is this project's.
    """

    steps: Annotated[int, Field(ge=0, le=100)] = 5
    """Steps on M in each epoch in which it learns."""
    refresh: Annotated[int, Field(ge=1)] = 10
    """Epochs between two epochs in which M learns."""
    hidden: Annotated[int, Field(ge=1)] = 64
    """Width of both layers of M."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Step size of M's Adam."""
    temperature: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    """t of exp(s / t) in M's loss."""
    regularisation: Annotated[float, Field(ge=0)] = 0.1
    """α of M's loss, which holds W near uniform weights; not multiplied by n − 1, as in the source,
    where it leaves W uniform."""

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return 0  # its network learns from epoch to epoch

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        if context.embeddings is None or positives.shape[1] == 0:
            return Uniform().sample(context, positives, generator)
        rows = self._metric_rows(context, context.embeddings, generator)
        tails = draw(context.train_graph, rows, positives[0], generator)
        pairs = torch.stack([positives[0], tails])
        wrong = context.train_graph.has_links(pairs) | (pairs[0] == pairs[1])
        if bool(wrong.any()):  # a centre without weight elsewhere, or a draw on the very edge
            pairs[:, wrong] = Uniform().sample(context, positives[:, wrong], generator)
        return pairs

    def _metric_rows(self, context: Context, z: Tensor, generator: Generator) -> Tensor:
        """Rows of norm 1 of all nodes in M's space, [n, hidden], M having learned what is due."""
        settings, graph, epoch = (self, z.shape[1]), context.train_graph, context.epoch
        known = _KNOWN.recall(generator, settings, graph)
        if known is None or known.epoch > epoch:
            learner, due = self._begin(z, generator), True
        else:
            learner, due = known.value, epoch % self.refresh == 0 and not known.is_of(z)
        if due:
            self._learn(learner, z.detach())
            _KNOWN.remember(generator, settings, graph, epoch, z, learner)
        with torch.no_grad():
            rows: Tensor = learner.network(normalize(z))
        return rows

    def _begin(self, z: Tensor, generator: Generator) -> "_Learner":
        host = torch.Generator().manual_seed(generator.initial_seed())
        network = MetricNetwork(z.shape[1], self.hidden, host).to(z.device).eval()
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        return _Learner(network, optimiser)

    @torch.enable_grad()
    def _learn(self, learner: "_Learner", z: Tensor) -> None:
        unit = normalize(z)
        form = Form(self.temperature, self.regularisation)
        for _ in range(self.steps):
            rows = learner.network(unit)
            loss = nml_loss(unit, unit, (-rows, rows), form)
            learner.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            learner.optimiser.step()


@dataclass(frozen=True)
class _Learner:
    """M in one run."""

    network: MetricNetwork
    optimiser: torch.optim.Optimizer


_KNOWN: Memory[_Learner] = Memory()


def draw(graph: Graph, rows: Tensor, centres: Tensor, generator: Generator) -> Tensor:
    """Nodes v with p(v | u) ∝ W_uv for each u of `centres` [k], by inversion in blocks of rows.

    Args:
        graph: its links, and u itself, get no weight.
        rows: nodes in the metric space, rows of norm 1, [n, w].
        centres: u, any order, [k].
        generator: source of one uniform number for each centre.

    Returns:
        Nodes [k]; an arbitrary one where u is linked to all others.
    """
    chance = torch.rand(centres.shape, generator=generator, device=centres.device,
                        dtype=torch.float64)  # fmt: skip
    nodes, place = torch.unique(centres, return_inverse=True)
    order = place.argsort(stable=True)
    bounds = torch.bincount(place, minlength=nodes.numel()).cumsum(0)
    tails = torch.empty_like(centres)
    first = 0
    for part in row_blocks(graph.n):
        here = nodes[part.start : part.stop]
        if here.numel() == 0:
            break
        last = int(bounds[part.start + here.numel() - 1])
        mine = order[first:last]
        first = last
        tails[mine] = _invert(graph, rows, here, place[mine] - part.start, chance[mine])
    return tails


def _invert(graph: Graph, rows: Tensor, nodes: Tensor, row: Tensor, chance: Tensor) -> Tensor:
    """The v at which the distribution function of nodes[row] reaches `chance`; row, chance [k]."""
    n = graph.n
    weights = (-rows[nodes] @ rows.t()).softmax(1)  # [r, n]
    owner, linked = neighbours_of(graph, nodes)
    weights[owner, linked] = 0
    weights[torch.arange(nodes.numel(), device=nodes.device), nodes] = 0
    reached = weights.double().cumsum(1)
    reached /= reached[:, -1:].clamp(min=torch.finfo(torch.float32).tiny)
    # row r lies in (r, r + 1], so that all rows are one ascending list
    reached += torch.arange(nodes.numel(), device=nodes.device)[:, None]
    found = torch.searchsorted(reached.flatten(), row + chance, right=True)
    return (found - row * n).clamp_(0, n - 1)
