"""Negatives near what a conditional diffusion generates, at several levels of hardness."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.graph.neighbours import neighbours_of
from neglink.registry import component
from neglink.samplers.base import Context, uniform_non_neighbours
from neglink.samplers.denoising import Denoising, Diffusion
from neglink.samplers.memory import Memory
from neglink.samplers.uniform import Uniform

VALUES = 2**24
"""Numbers of compared embeddings held at once: bounds memory at 64 MiB."""


@component
class DiffusionSampler(Denoising):
    """Negatives (u, v) with v the node, not linked to u, nearest to an embedding made for u.

    1. Learn: a diffusion over the current embeddings takes some steps once an epoch, from a fresh
       network on (`samplers.denoising`).
    2. Generate: for each link a level is drawn with probability ∝ `level_weights`, and the reverse
       process, told of u, gives an embedding x at this level.
    3. Match: v is the nearest to x of `candidates` uniform negatives of u, or of all nodes that are
       not linked to u.

    A pool is the default: among all nodes the nearest to a likely neighbour of u is likely a hidden
    link, and many x meet at the same few nodes. Nearness is cosine by default, since a dot product
    finds the longest embeddings whatever x is.

    With probability `real_share` v is uniform instead, as DMNS has one real negative beside four
    generated ones. Predictors without embeddings are given fixed ones (`structure_vectors`).

    The network is remembered for each generator: give a generator to one training run only, draw
    with it in the order of epochs, and set `context.epoch`; an earlier epoch begins with a fresh
    network. Without epochs it goes on learning whenever the embeddings are new.

    Source: the diffusion of Nguyen & Fang (2024, DMNS), where generated embeddings are themselves
    the negatives (method `dmns`); matching them with nodes is this project's, for methods that
    train on pairs.
    """

    match: Literal["cosine", "dot", "euclidean"] = "cosine"
    """Which node is nearest to x: largest cosine, largest dot product, or least distance."""
    candidates: Annotated[int, Field(ge=1, le=10_000)] | None = 100
    """Uniform negatives among which the nearest is taken; more are harder. None takes all nodes,
    O(k n d)."""
    real_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Probability of a uniform negative."""
    warm_up: Annotated[int, Field(ge=0)] = 100
    """Steps of the diffusion before its first negatives."""
    steps: Annotated[int, Field(ge=0)] = 20
    """Steps in every epoch after that. (The method `dmns` takes 100 steps on all nodes.)"""
    batch_nodes: Annotated[int, Field(ge=1)] | None = 256
    """Query nodes of one step, drawn at random; none takes all."""
    width: Annotated[int, Field(ge=1, le=1024)] = 32
    """Width of the vectors that stand in where a predictor has no embeddings."""

    def __post_init__(self) -> None:
        Denoising.__post_init__(self)
        if self.real_share < 1 and not sum(self.level_weights) > 0:
            raise ValueError(
                "level_weights has no weight above 0: give one, or draw all negatives uniformly "
                "with real_share: 1"
            )

    @property
    def remembers_for(self) -> int:
        """See `samplers.base.remembers_for`."""
        return 0  # its network learns from epoch to epoch

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """Negatives [2, k] for positives [2, k]; see `samplers.base.Sampler`."""
        z = context.embeddings
        if z is None:
            z = structure_vectors(context.train_graph, self.width)
        device, k = positives.device, positives.shape[1]
        chance = torch.rand(k, generator=generator, device=device)
        real = chance < self.real_share
        negatives = positives.clone()
        if bool(real.any()):
            negatives[:, real] = Uniform().sample(context, positives[:, real], generator)
        made = (~real).nonzero().squeeze(-1)
        if made.numel():
            diffusion = self._trained(context.train_graph, z, context.epoch, generator)
            size = (self.candidates or context.train_graph.n) * (z.shape[1] + 1)
            for part in torch.split(made, max(1, VALUES // size)):
                x = self._generated(diffusion, context, z, positives[0, part], generator)
                negatives[1, part] = self._nearest(context, z, x, positives[:, part], generator)
        return negatives

    def _generated(
        self, diffusion: Diffusion, context: Context, z: Tensor, queries: Tensor,
        generator: Generator,
    ) -> Tensor:  # fmt: skip
        """One embedding for each query [k], at a level drawn by weight; shape [k, d]."""
        weights = torch.tensor(self.level_weights, device=z.device)
        level = torch.multinomial(weights, queries.numel(), replacement=True, generator=generator)
        states = diffusion.generate(context.train_graph, z, queries, generator)  # [levels, k, d]
        return states[level, torch.arange(queries.numel(), device=z.device)]

    def _nearest(
        self, context: Context, z: Tensor, x: Tensor, positives: Tensor, generator: Generator
    ) -> Tensor:
        """The valid node nearest to each x [k, d], shape [k]."""
        facing, offset = self._facing(z)
        if self.candidates is None:
            scores = torch.addmm(offset, x, facing.t())  # [k, n]
            return best_allowed(context.train_graph, positives[0], scores, generator)
        repeated = positives.repeat_interleave(self.candidates, dim=1)
        pool = Uniform().sample(context, repeated, generator)[1].view(-1, self.candidates)
        scores = torch.baddbmm(
            offset[pool].unsqueeze(-1), facing[pool], x.unsqueeze(-1)
        )  # [k, candidates, 1]
        return pool.gather(1, scores.argmax(1)).squeeze(1)

    def _facing(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors w [n, d] and offsets b [n]: the v nearest to x has the largest x · w_v + b_v."""
        none = z.new_zeros(z.shape[0])
        if self.match == "dot":
            return z, none
        square = z.square().sum(1)
        if self.match == "euclidean":
            return z, -square / 2
        return z * square.clamp(min=1e-24).rsqrt()[:, None], none

    def _trained(self, graph: Graph, z: Tensor, epoch: int, generator: Generator) -> Diffusion:
        """The generator's own diffusion, after the steps that this epoch asks for."""
        settings = (self, z.shape[1])
        known = _KNOWN.recall(generator, settings, graph)
        if known is None or known.epoch > epoch:
            host = torch.Generator().manual_seed(_seed(generator))
            diffusion, steps = Diffusion(self, z.shape[1], z.device, host), self.warm_up
        else:
            diffusion, steps = known.value, self.steps
            if known.epoch == epoch and known.is_of(z):
                return diffusion
        diffusion.learn(graph, z, steps, generator)
        _KNOWN.remember(generator, settings, graph, epoch, z, diffusion)
        return diffusion


def _seed(generator: Generator) -> int:
    """A seed drawn from a generator of any device."""
    drawn = torch.randint(2**62, (), generator=generator, device=generator.device)
    return int(drawn)


def best_allowed(graph: Graph, centres: Tensor, scores: Tensor, generator: Generator) -> Tensor:
    """For each centre u [k] the node of highest score that is neither u nor linked to u, [k].

    Args:
        graph: the train graph.
        centres: u, shape [k].
        scores: of every node for each centre, shape [k, n]; overwritten.
        generator: of a uniform draw where scores are no numbers.

    Raises:
        ValueError: a centre is linked to every other node.
    """
    owner, neighbour = neighbours_of(graph, centres)
    scores.nan_to_num_(nan=-torch.inf, posinf=None, neginf=None)
    scores[owner, neighbour] = -torch.inf
    scores[torch.arange(centres.numel(), device=centres.device), centres] = -torch.inf
    value, best = scores.max(1)
    none = (value == -torch.inf).nonzero().squeeze(-1)
    if none.numel():
        best[none] = uniform_non_neighbours(graph, centres[none], generator)
    return best


def structure_vectors(graph: Graph, width: int) -> Tensor:
    """Fixed vectors of the nodes from links alone: rows of Â² R of length 1, shape [n, width].

    R is Gaussian, so that dot products of Â² R estimate those of the rows of Â², which are large
    for nodes with many short walks between them (Johnson & Lindenstrauss, 1984). Made once for a
    graph and width, always the same.
    """
    name = f"_structure_vectors_{width}"
    kept: Tensor | None = graph.__dict__.get(name)
    if kept is None:
        fixed = torch.Generator().manual_seed(0)
        random = torch.randn(graph.n, width, generator=fixed).to(graph.device)
        vectors = graph.adjacency @ (graph.adjacency @ random)
        kept = torch.nn.functional.normalize(vectors, dim=1)
        graph.__dict__[name] = kept
    return kept


_KNOWN: Memory[Diffusion] = Memory()
