"""Conditional diffusion over node embeddings: neighbours of a query node, at several noise levels.

The forward process hides a neighbour's embedding x_0 of the query q in noise,
x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε; a network learns ε from (x_t, t, h_q); the reverse process starts
from noise and gives x_T, …, x_t, …, x_0, the smaller t, the more like a neighbour of q.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import gelu, silu

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.predictors.base import glorot
from neglink.predictors.layers import Linear
from neglink.registry import component
from neglink.shares import floor_share

ROWS = 2**15
"""Noisy embeddings that pass the network together: bounds memory at about 100 MB for d = 32."""


@component
class Denoising:
    """Settings of the diffusion, those of DMNS by default.

    Source: Nguyen & Fang (2024, DMNS), section 4.1; Ho et al. (2020), eq. 4, 11 and 14.
    """

    levels: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.1, 0.125, 0.25, 0.5)
    """Steps t whose states are negatives, as shares of `times`, rounded down; 0 is the finished x_0
    and the smallest are the hardest. The paper's, T/10, T/8, T/4, T/2."""
    level_weights: tuple[Annotated[float, Field(ge=0)], ...] = (1.0, 0.9, 0.8, 0.7)
    """Weight of the negatives of each level."""
    times: Annotated[int, Field(ge=1, le=10_000)] = 50
    """T: steps of the diffusion."""
    beta_first: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """β_1; β_t lies on a line from it to β_T."""
    beta_last: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """β_T. With the paper's 50 steps ᾱ_T is .60: x_T is far from pure noise; see `start`."""
    start: Literal["normal", "forward"] = "normal"
    """Where the reverse process starts: at N(0, I), as the paper; or at x_T of the forward process
    from a random neighbour, which is what the network has been trained on whatever ᾱ_T is."""
    conditional: bool = True
    """Tell the network h_q; false is the unconditional ablation, which knows t alone."""
    film_layers: Annotated[int, Field(ge=1, le=16)] = 2
    """FiLM layers of the network."""
    film_maps: bool = False
    """Put GELU and a linear map before every FiLM layer but the first; without them, as the paper's
    equations have it, ε is affine in x_t for each t and q."""
    noise_loss: Literal["l1", "mse"] = "l1"
    """Distance between ε and its estimate: `mse` in the paper, `l1` in its code."""
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 20
    """Neighbours of each node that a training step sees: drawn anew for each epoch where there are
    more, repeated in turn where there are fewer."""
    batch_nodes: Annotated[int, Field(ge=1)] | None = None
    """Query nodes of one step, drawn at random; none, the paper's, takes all."""
    diffusion_learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step size of the diffusion's Adam."""
    diffusion_weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    """L2 penalty in that Adam."""
    rescale: bool = True
    """Divide embeddings by the root mean square of their lengths, and multiply generated ones by
    it: β and N(0, I) suit lengths about 1. Changes nothing for rows of length 1, as in DMNS."""

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.level_weights):
            raise ValueError(
                f"levels has {len(self.levels)} values and level_weights "
                f"{len(self.level_weights)}: give one weight for each level"
            )

    @property
    def level_times(self) -> tuple[int, ...]:
        """The step t of each level."""
        return tuple(floor_share(share, self.times) for share in self.levels)


class Schedule:
    """β_t and ᾱ_t = Π_{s ≤ t} (1 − β_s) for t = 0 … T, with β_0 = 0."""

    def __init__(self, settings: Denoising, device: torch.device) -> None:
        line = torch.linspace(
            settings.beta_first, settings.beta_last, settings.times, dtype=torch.float64
        )
        beta = torch.cat([torch.zeros(1, dtype=torch.float64), line])
        kept = torch.cumprod(1 - beta, 0)
        self.beta, self.alpha_bar = (v.to(device, torch.float32) for v in (beta, kept))  # [T + 1]
        self.signal = kept.sqrt().to(device, torch.float32)
        self.noise = (1 - kept).sqrt().to(device, torch.float32)
        # plain numbers for the reverse process, which uses them one by one
        self.mean = (1 / (1 - beta).sqrt()).tolist()
        self.drift = (beta / (1 - kept).sqrt().clamp(min=1e-30)).tolist()
        self.deviation = beta.sqrt().tolist()

    def noised(self, x0: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """x_t of x_0 [..., d], t [...] and ε [..., d] (Ho et al., 2020, eq. 4)."""
        return self.signal[times].unsqueeze(-1) * x0 + self.noise[times].unsqueeze(-1) * noise


def sinusoids(times: int, d: int) -> Tensor:
    """Sines and cosines of t ω_i with ω_i = 10000^(−i / ⌈d/2⌉) for t = 0 … T, shape [T + 1, d].

    Source: Vaswani et al. (2017), section 3.5.
    """
    half = (d + 1) // 2
    speed = 10_000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(times + 1)[:, None] * speed
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :d].contiguous()


class NoiseNetwork(nn.Module):
    """ε of x_t: FiLM layers h ← (γ + 1) ⊙ h + η with (γ, η) = Linear(SiLU(c)), from h = x_t.

    c = Linear(GELU(Linear(sinusoids of t))) + h_q. Source: Nguyen & Fang (2024, DMNS), section 4.1;
    FiLM: Perez et al. (2018), eq. 2.
    """

    def __init__(self, d: int, settings: Denoising, generator: Generator) -> None:
        super().__init__()
        self.layers, self.conditional = settings.film_layers, settings.conditional
        self.register_buffer("waves", sinusoids(settings.times, d), persistent=False)
        self.first, self.second = Linear(d, d, generator), Linear(d, d, generator)
        # γ and η of all layers come of one product
        films = [glorot(d, 2 * d, generator) for _ in range(self.layers)]
        self.film = nn.Parameter(torch.cat(films, 1))
        self.film_bias = nn.Parameter(torch.zeros(self.film.shape[1]))
        maps = range(self.layers - 1 if settings.film_maps else 0)
        self.maps = nn.ModuleList(Linear(d, d, generator) for _ in maps)

    def forward(self, x: Tensor, times: Tensor | int, h: Tensor) -> Tensor:
        """The estimate of ε.

        Args:
            x: x_t, shape [..., d].
            times: t of each, shape [...], or one for all.
            h: the queries' embeddings, of a shape that broadcasts against x.

        Returns:
            Shape [..., d].
        """
        waves = self.get_buffer("waves")
        # T + 1 different times at most, however many rows
        table: Tensor = self.second(gelu(self.first(waves)))  # [T + 1, d]
        if isinstance(times, int):
            told = table[times]
        else:
            told = table.index_select(0, times.flatten()).view(*times.shape, -1)
        condition = told + h if self.conditional else told
        films = silu(condition) @ self.film + self.film_bias  # [..., layers · 2 · d]
        for layer, (gamma, eta) in enumerate(_pairs(films.chunk(2 * self.layers, -1))):
            if layer and len(self.maps):
                x = self.maps[layer - 1](gelu(x))
            x = (gamma + 1) * x + eta
        return x


def _pairs(parts: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def neighbour_table(graph: Graph, count: int, generator: Generator) -> Tensor:
    """`count` neighbours of each node, shape [n, count].

    A uniform choice of distinct ones where there are more; all of them, repeated in turn, where
    there are fewer; the node itself where there is none.
    """
    place = torch.arange(count, device=graph.device)
    nodes = torch.arange(graph.n, device=graph.device)[:, None]
    if graph.m == 0:
        return nodes.repeat(1, count)
    heads, tails = graph.arcs
    key = torch.rand(heads.shape, generator=generator, device=graph.device, dtype=torch.float64)
    shuffled = tails[torch.argsort(heads + key)]  # within each node's slice of arcs
    turn = place % graph.degree[:, None].clamp(min=1)
    index = (graph.row_starts[:-1, None] + turn).clamp_(max=shuffled.numel() - 1)
    return torch.where(graph.degree[:, None] > 0, shuffled[index], nodes)


class Diffusion:
    """A noise network with its schedule and optimiser: learns from embeddings, and generates."""

    def __init__(
        self, settings: Denoising, d: int, device: torch.device, generator: Generator
    ) -> None:
        """A fresh network for embeddings of width d, its weights from `generator` on the CPU."""
        self.settings = settings
        self.schedule = Schedule(settings, device)
        self.network = NoiseNetwork(d, settings, generator).to(device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(),
            lr=settings.diffusion_learning_rate,
            weight_decay=settings.diffusion_weight_decay,
            fused=True,
        )

    def learn(self, graph: Graph, z: Tensor, steps: int, generator: Generator) -> float:
        """Steps of Adam on the distance between ε and its estimate.

        Args:
            graph: the train graph, whose links say which x_0 belong to which query.
            z: embeddings [n, d]; no gradient reaches them.
            steps: how many.
            generator: of neighbours, times and noise.

        Returns:
            Mean loss of the steps; 0 for none.

        Raises:
            TrainingError: a loss is not finite.
        """
        if steps == 0:
            return 0.0
        h = z.detach() / self.scale(z)
        table = neighbour_table(graph, self.settings.neighbours, generator)
        total = torch.zeros((), device=h.device)
        with torch.enable_grad():
            for _ in range(steps):
                self.optimiser.zero_grad()
                queries = self._batch(graph.n, h.device, generator)
                for loss in self._losses(h, queries, table, generator):
                    loss.backward()  # type: ignore[no-untyped-call]
                    total += loss.detach()
                self.optimiser.step()
        mean = float(total) / steps
        if not mean < float("inf"):
            raise TrainingError(
                f"the diffusion's loss is {mean}: lower diffusion_learning_rate (now "
                f"{self.settings.diffusion_learning_rate:g}), or look for extreme embeddings"
            )
        return mean

    def _batch(self, n: int, device: torch.device, generator: Generator) -> Tensor:
        """Queries of one step, all or a random choice."""
        size = self.settings.batch_nodes
        if size is None or size >= n:
            return torch.arange(n, device=device)
        return torch.randperm(n, generator=generator, device=device)[:size]

    def _losses(
        self, h: Tensor, queries: Tensor, table: Tensor, generator: Generator
    ) -> Iterator[Tensor]:
        """The loss of one step in parts of at most `ROWS` neighbours, whose sum is the mean."""
        count, device = table.shape[1], h.device
        for part in torch.split(queries, max(1, ROWS // count)):
            x0 = h[table[part]]  # [b, count, d]
            times = torch.randint(
                1, self.settings.times + 1, x0.shape[:2], generator=generator, device=device
            )
            noise = torch.randn(x0.shape, generator=generator, device=device)
            noisy = self.schedule.noised(x0, times, noise)
            error = self.network(noisy, times, h[part].unsqueeze(1)) - noise
            distance = error.abs() if self.settings.noise_loss == "l1" else error.square()
            yield distance.sum() / (queries.numel() * count * h.shape[1])

    def scale(self, z: Tensor) -> Tensor:
        """What embeddings are divided by: the root mean square of their lengths, or 1."""
        if not self.settings.rescale:
            return torch.ones((), device=z.device)
        return z.detach().square().sum(1).mean().sqrt().clamp(min=1e-12)

    @torch.no_grad()
    def generate(
        self,
        graph: Graph,
        z: Tensor,
        queries: Tensor,
        generator: Generator,
        times: tuple[int, ...] | None = None,
    ) -> Tensor:
        """States of the reverse process at some steps, one chain for each query.

        x_{t−1} = (x_t − β_t / √(1 − ᾱ_t) ε(x_t, t, h_q)) / √(1 − β_t) + √β_t N(0, I), without noise
        at t = 1 (Ho et al., 2020, algorithm 2 with σ_t² = β_t).

        Args:
            graph: the train graph; only `start: forward` looks at it.
            z: embeddings [n, d] that the network was trained on.
            queries: nodes [k].
            generator: of the noise.
            times: the steps t, in any order; those of the settings' levels by default.

        Returns:
            Generated embeddings on the scale of z, shape [len(times), k, d].
        """
        times = self.settings.level_times if times is None else times
        scale = self.scale(z)
        h = z.detach() / scale
        table = None
        if self.settings.start == "forward":
            table = neighbour_table(graph, self.settings.neighbours, generator)
        made = [
            self._reverse(h, part, table, times, generator) for part in torch.split(queries, ROWS)
        ]
        empty = h.new_empty(len(times), 0, h.shape[1])
        return torch.cat([empty, *made], 1) * scale

    def _reverse(
        self, h: Tensor, queries: Tensor, table: Tensor | None, times: tuple[int, ...],
        generator: Generator,
    ) -> Tensor:  # fmt: skip
        schedule, last = self.schedule, self.settings.times
        told = h[queries]  # [k, d]
        x = torch.randn(told.shape, generator=generator, device=h.device)
        if table is not None:
            columns = torch.randint(
                table.shape[1], queries.shape, generator=generator, device=h.device
            )
            at = torch.full_like(queries, last)
            x = schedule.noised(h[table[queries, columns]], at, x)
        states = h.new_empty(len(times), *told.shape)
        for t in range(last, min(times, default=last), -1):
            _keep(states, times, t, x)
            x = schedule.mean[t] * (x - schedule.drift[t] * self.network(x, t, told))
            if t > 1:
                fresh = torch.randn(x.shape, generator=generator, device=x.device)
                x = x + schedule.deviation[t] * fresh
        _keep(states, times, min(times, default=last), x)
        return states


def _keep(states: Tensor, times: tuple[int, ...], t: int, x: Tensor) -> None:
    """Store x as the state of every level that is step t."""
    for place, level in enumerate(times):
        if level == t:
            states[place] = x
