"""The UMD-Collector: pairs whose score hardly moves when links are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import context_of, draw_samples, labels_of
from neglink.methods.mebns.teacher import with_std_generator
from neglink.predictors.base import LinkModel
from neglink.shares import floor_share

if TYPE_CHECKING:
    from neglink.methods.mebns.method import MeBNS

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def collect_metadata(settings: MeBNS, run: Run, teacher: Checkpoint) -> MetaData:
    """O_m of eq. 9, from the training links and one draw of the STD-Generator.

    Raises:
        TrainingError: no pair is chosen, or pairs of one class only.
    """
    run = with_std_generator(settings, run)
    model = run.model(teacher.weights).requires_grad_(False).eval()
    generator = run.generator("meta data")
    context = context_of(model, run.graph, model.encode(run.graph), settings.teacher_epochs)
    samples = draw_samples(run.graph, run.sampler, context, generator, settings.negatives_per_link)
    pairs = torch.cat([samples.positives, samples.negatives], 1)  # [2, k]
    labels = labels_of(samples)
    variance = score_variance(model, run.graph, pairs, settings, generator)
    chosen = sure_pairs(settings, variance, generator)
    if settings.meta_data == "random":
        order = torch.randperm(labels.numel(), generator=generator, device=labels.device)
        chosen = order[: chosen.numel()].sort().values
    require_both_classes(settings, variance, labels[chosen])
    summary = _summary(variance, labels, chosen)
    return MetaData(pairs[:, chosen], labels[chosen], summary)


def _summary(variance: Tensor, labels: Tensor, chosen: Tensor) -> dict[str, Any]:
    levels = torch.tensor(QUANTILES, dtype=variance.dtype, device=variance.device)
    quantiles = variance.sort().values[(levels * (variance.numel() - 1)).long()].tolist()
    return {
        "pairs": int(labels.numel()),
        "chosen": int(chosen.numel()),
        "positive_share": float(labels[chosen].mean()),
        "largest_chosen_variance": float(variance[chosen].max()),
        "variance_quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
    }


@torch.no_grad()  # pairs are then scored in parts, which bounds the memory of subgraphs
def score_variance(
    model: LinkModel, graph: Graph, pairs: Tensor, settings: MeBNS, generator: Generator
) -> Tensor:
    """Variance of each pair's probability over N passes with dropped links (eq. 9), shape [k]."""
    total = torch.zeros(pairs.shape[1], dtype=torch.float64, device=pairs.device)
    squares = torch.zeros_like(total)
    for _ in range(settings.passes):
        rate = settings.drop_rate if settings.drop == "fixed" else gaussian_rate(generator)
        kept = torch.rand(graph.m, generator=generator, device=graph.device) >= rate
        p = model.score(graph.thinned(kept), pairs).sigmoid().double()
        total += p
        squares += p * p
    mean = total / settings.passes
    return (squares / settings.passes - mean * mean).clamp(min=0)


def gaussian_rate(generator: Generator) -> float:
    """|ρ| with ρ ~ N(0, 1), drawn again until it is below 1: a reading of eq. 8."""
    while True:
        rate = abs(float(torch.randn((), generator=generator, device=generator.device)))
        if rate < 1:
            return rate


def sure_pairs(settings: MeBNS, variance: Tensor, generator: Generator) -> Tensor:
    """Indices of the pairs whose variance [k] is below the threshold, ascending.

    Under a quantile, pairs of equal variance are taken at random: an MLP, which no dropped link
    can reach, has variance 0 everywhere.
    """
    if settings.threshold == "absolute":
        return (variance < settings.tau).nonzero().squeeze(-1)
    count = max(1, floor_share(settings.tau_quantile, variance.numel()))
    order = torch.randperm(variance.numel(), generator=generator, device=variance.device)
    return order[variance[order].argsort(stable=True)[:count]].sort().values


def require_both_classes(settings: MeBNS, variance: Tensor, labels: Tensor) -> None:
    """Refuse meta data without pairs of both classes.

    Args:
        settings: say how the pairs were chosen.
        variance: of all pairs, shape [k].
        labels: of the chosen pairs, 1 or 0.

    Raises:
        TrainingError: there is none, or all are of one class.
    """
    if labels.numel() and bool((labels != labels[0]).any()):
        return
    bound = (
        f"tau={settings.tau:g}"
        if settings.threshold == "absolute"
        else f"tau_quantile={settings.tau_quantile:g}"
    )
    chosen = ", and as many were chosen at random" if settings.meta_data == "random" else ""
    raise TrainingError(
        f"{labels.numel()} of {variance.numel()} pairs lie below {bound}{chosen}, not of both "
        f"classes (smallest variance {float(variance.min()):g}, median "
        f"{float(variance.median()):g}). Raise it, or set methods.mebns.threshold: quantile."
    )
