"""Sub-linear positivity: whether the density of negatives follows a power of that of positives.

Robust negatives should have f_n ∝ f_p^λ with 0 < λ < 1 (Yang et al., KDD 2020): then hard negatives
are likelier than easy ones, yet less so than positives are. Here both densities are Gaussians,
fitted for each query to embeddings that its diffusion generates: f_p at t = 0, f_n at a level t
(Nguyen & Fang, 2024, DMNS, section 4.3).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from neglink.graph import Graph
from neglink.samplers.denoising import Diffusion

RIDGE = 1e-4
"""Share of the mean variance that is added to every variance, so that no density is infinite."""

Covariance = Literal["diagonal", "full"]


@dataclass(frozen=True)
class Gaussian:
    """One Gaussian for each of k queries, its covariance L Lᵀ."""

    mean: Tensor
    """Shape [k, d]."""
    factor: Tensor
    """L, lower triangular, shape [k, d, d]."""

    def log_density(self, x: Tensor) -> Tensor:
        """Log density at points [k, s, d]; shape [k, s]."""
        from_mean = (x - self.mean[:, None]).transpose(1, 2)  # [k, d, s]
        standard: Tensor = torch.linalg.solve_triangular(self.factor, from_mean, upper=False)
        volume = self.factor.diagonal(dim1=1, dim2=2).log().sum(1)  # log √det
        constant = 0.5 * x.shape[2] * math.log(2 * math.pi)
        return -0.5 * standard.square().sum(1) - (volume + constant)[:, None]

    def gradient(self, x: Tensor) -> Tensor:
        """∇ log f at points [k, s, d]; the same shape."""
        from_mean = (x - self.mean[:, None]).transpose(1, 2)
        solved: Tensor = torch.cholesky_solve(from_mean, self.factor)
        return -solved.transpose(1, 2)


def fitted(samples: Tensor, covariance: Covariance = "diagonal") -> Gaussian:
    """The Gaussian of the samples' mean and covariance, for each query.

    Args:
        samples: shape [k, s, d].
        covariance: of independent coordinates, or of any.

    Raises:
        ValueError: too few samples for the covariance asked for.
    """
    count, d = samples.shape[1:]
    require_samples(count, d, covariance)
    mean = samples.mean(1)
    centred = samples - mean[:, None]
    variance = centred.square().sum(1) / (count - 1)  # [k, d]
    ridge = RIDGE * variance.mean(1, keepdim=True).clamp(min=1e-12)
    if covariance == "diagonal":
        return Gaussian(mean, torch.diag_embed((variance + ridge).sqrt()))
    full = centred.transpose(1, 2) @ centred / (count - 1)
    return Gaussian(mean, torch.linalg.cholesky(full + torch.diag_embed(ridge.expand(-1, d))))


def require_samples(count: int, d: int, covariance: Covariance) -> None:
    """Refuse fewer samples than a covariance of d dimensions needs.

    Raises:
        ValueError: with the number needed.
    """
    needed = 2 if covariance == "diagonal" else d + 1
    if count < needed:
        raise ValueError(
            f"a {covariance} covariance of {d} dimensions needs {needed} samples, got {count}: "
            f"raise positivity_samples"
        )


def slopes(positive: Gaussian, negative: Gaussian, points: Tensor) -> Tensor:
    """λ of log f_n = λ log f_p + c by least squares over the points of each query.

    Args:
        positive: f_p.
        negative: f_n.
        points: shape [k, s, d].

    Returns:
        Shape [k].
    """
    p, n = (g.log_density(points) for g in (positive, negative))
    p = p - p.mean(1, keepdim=True)
    return (p * n).sum(1) / p.square().sum(1).clamp(min=1e-30)


def local_slopes(positive: Gaussian, negative: Gaussian, points: Tensor) -> Tensor:
    """Slope of log f_n against log f_p in the direction in which f_p grows fastest, at each point.

    λ there, if f_n ∝ f_p^λ: ∇log f_n · ∇log f_p / ‖∇log f_p‖². Shapes as for `slopes`.

    Returns:
        Shape [k, s].
    """
    p, n = (g.gradient(points) for g in (positive, negative))
    return (p * n).sum(-1) / p.square().sum(-1).clamp(min=1e-30)


def sublinear(slope: Tensor) -> float:
    """Share of slopes inside (0, 1); 0 without any."""
    return float(((slope > 0) & (slope < 1)).double().mean()) if slope.numel() else 0.0


def positivity(
    diffusion: Diffusion, graph: Graph, z: Tensor, queries: Tensor, generator: Generator,
    samples: int = 100, covariance: Covariance = "diagonal",
    times: tuple[int, ...] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How far negatives of each level keep to sub-linear positivity.

    The points of a level are the embeddings generated at it.

    Args:
        diffusion: trained on z.
        graph: the train graph.
        z: embeddings [n, d].
        queries: nodes [k].
        generator: of the noise.
        samples: embeddings generated for each query at t = 0 and at each level.
        covariance: of the fitted Gaussians.
        times: the levels' t; the diffusion's own by default.

    Returns:
        "levels": for each t its "share" of queries whose slope lies in (0, 1), the "median" slope,
        and "local_share", the same share over single samples and local slopes; "share" and
        "local_share", their means over the levels; "queries", "samples", "covariance".
    """
    times = diffusion.settings.level_times if times is None else times
    repeated = queries.repeat_interleave(samples)
    states = diffusion.generate(graph, z, repeated, generator, (0, *times))
    states = states.double().view(1 + len(times), -1, samples, z.shape[1])  # [1 + levels, k, s, d]
    positive = fitted(states[0], covariance)
    levels = []
    for t, points in zip(times, states[1:], strict=True):
        negative = fitted(points, covariance)
        slope = slopes(positive, negative, points)
        levels.append({
            "t": t,
            "share": sublinear(slope),
            "median": float(slope.median()) if slope.numel() else 0.0,
            "local_share": sublinear(local_slopes(positive, negative, points)),
        })  # fmt: skip
    count = max(len(levels), 1)
    return {
        "share": sum(level["share"] for level in levels) / count,
        "local_share": sum(level["local_share"] for level in levels) / count,
        "levels": levels,
        "queries": queries.numel(),
        "samples": samples,
        "covariance": covariance,
    }
