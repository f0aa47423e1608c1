"""Epochs of DMNS, and a loop that ends them by validation."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.methods.base import Checkpoint, Run
from neglink.methods.dmns.positivity import positivity, require_samples
from neglink.methods.loop import Batch, adam, train_epochs, training_batches
from neglink.methods.parts import found, stored
from neglink.methods.resume import Parts
from neglink.predictors.base import LinkModel
from neglink.samplers.denoising import Diffusion
from neglink.tensors import Tensors

if TYPE_CHECKING:
    from neglink.methods.dmns.method import DMNS

log = logging.getLogger("neglink")
Json = dict[str, Any]


def train_dmns(settings: DMNS, run: Run) -> Checkpoint:
    """Train by `DMNS`; the diffusion's weights of the kept epoch come as extras.

    Raises:
        TrainingError: the predictor has no embeddings, the check of positivity has too few samples
            for them, or a loss is not finite.
    """
    model = run.model()
    if model.edge_centric:
        raise TrainingError(
            "method dmns generates embeddings, and this predictor scores pairs without any: take a "
            "node-centric predictor (gcn, gat, sage, dmns-gcn), or method plain with sampler "
            "diffusion"
        )
    if settings.levels and settings.positivity_queries:
        _require_samples(settings, embeddings_of(model, run.graph).shape[1])
    update = DMNSUpdate(settings, run, model)
    made = train_epochs(
        run, model, update, settings.epochs, settings, stop=update.stop, beside=update.extras
    )
    made.history["diffusion_loss"] = update.diffusion_losses
    if settings.levels:
        made.history["levels"] = list(settings.level_times)
        if settings.positivity_queries:
            made.history["positivity"] = _check(settings, run, made)
    return made


class DMNSUpdate:
    """An epoch: the diffusion's steps on fixed embeddings, then the predictor's on their negatives.

    The diffusion and its queries see the embeddings at the epoch's start, without dropout.
    """

    def __init__(self, settings: DMNS, run: Run, model: LinkModel) -> None:
        self.settings, self.run, self.model = settings, run, model
        self.optimiser = adam(model, settings.learning_rate, settings.weight_decay)
        self.generator = run.generator("training pairs")
        self.noise = run.generator("diffusion")
        self.diffusion: Diffusion | None = None
        self.diffusion_losses: list[float] = []

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        if found is not None and self.diffusion is None and self.settings.levels:
            self._begin(embeddings_of(self.model, self.run.graph))
        own: dict[str, Any] = {
            "optimiser": self.optimiser,
            "generator": self.generator,
            "noise": self.noise,
            "diffusion losses": self.diffusion_losses,
        }
        if self.diffusion is not None:
            own |= {"denoiser": self.diffusion.network, "denoising": self.diffusion.optimiser}
        return own

    def stop(self, epoch: int, kept_at: int) -> bool:
        """Whether patience has run out."""
        patience = self.settings.patience
        return patience is not None and epoch - kept_at >= patience

    def extras(self) -> Tensors:
        """A copy of the diffusion's weights."""
        return stored(None if self.diffusion is None else self.diffusion.network, "diffusion")

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the mean loss of its steps, each before the step."""
        made = self._learn() if self.settings.levels else None
        losses = []
        batches = training_batches(self.run, self.model, self.settings, self.generator, epoch)
        for batch in batches:
            loss = self._loss(batch, made)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _learn(self) -> tuple[Diffusion, Tensor]:
        """The diffusion after this epoch's steps, and the embeddings they saw [n, d]."""
        z = embeddings_of(self.model, self.run.graph)
        diffusion = self.diffusion or self._begin(z)
        steps = self.settings.diffusion_steps
        self.diffusion_losses.append(diffusion.learn(self.run.graph, z, steps, self.noise))
        return diffusion, z

    def _begin(self, z: Tensor) -> Diffusion:
        host = self.run.host_generator("denoiser")
        self.diffusion = Diffusion(self.settings, z.shape[1], z.device, host)
        return self.diffusion

    def _loss(self, batch: Batch, made: tuple[Diffusion, Tensor] | None) -> Tensor:
        links = batch.positives.shape[1]
        positive, real = (
            self.model.decode(batch.graph, batch.z, pairs)
            for pairs in (batch.positives, batch.negatives)
        )
        loss = -self._good(positive).mean() - self._share() * self._good(-real).sum() / links
        if made is None:
            return loss
        diffusion, z = made
        queries = batch.positives[0]
        x = diffusion.generate(self.run.graph, z, queries, self.noise)  # [levels, k, d]
        logits = generated_logits(self.model, batch.graph, batch.z, queries, x)
        weights = torch.tensor(self.settings.level_weights, device=logits.device)
        return loss - self._share() * (weights @ self._good(-logits).mean(1))

    def _share(self) -> float:
        """What the losses of a link's negatives are multiplied by."""
        settings = self.settings
        if settings.reduction == "sum":
            return 1.0
        return 1 / (settings.negatives_per_link + len(settings.levels))

    def _good(self, logits: Tensor) -> Tensor:
        """What the loss wants large: log σ(s), or σ(s)."""
        return logsigmoid(logits) if self.settings.link_loss == "log_sigmoid" else logits.sigmoid()


@torch.no_grad()
def embeddings_of(model: LinkModel, graph: Graph) -> Tensor:
    """The embeddings [n, d] without dropout; the model stays in its mode."""
    mode = model.training
    z = model.eval().encode(graph)
    model.train(mode)
    return z


def generated_logits(
    model: LinkModel, graph: Graph, z: Tensor, queries: Tensor, x: Tensor
) -> Tensor:
    """Logits of each query with the embeddings generated for it.

    A decoder other than the dot product sees each of them as a further node without links.

    Args:
        model: the predictor.
        graph: carries the messages.
        z: embeddings [n, d], with gradient.
        queries: nodes [k].
        x: generated embeddings [levels, k, d], without gradient.

    Returns:
        Shape [levels, k].
    """
    if type(model).decode is LinkModel.decode:
        return torch.einsum("kd,lkd->lk", z.index_select(0, queries), x)
    levels, k = x.shape[:2]
    more = levels * k
    wider = replace(graph, n=graph.n + more, features=None, labels=None, names=None, brief=True)
    nodes = torch.arange(graph.n, wider.n, device=z.device)
    pairs = torch.stack([queries.repeat(levels), nodes])
    return model.decode(wider, torch.cat([z, x.flatten(0, 1)]), pairs).view(levels, k)


def stored_diffusion(settings: DMNS, made: Checkpoint, z: Tensor) -> Diffusion:
    """The diffusion of a checkpoint, for embeddings z [n, d] of its model."""
    diffusion = Diffusion(settings, z.shape[1], z.device, torch.Generator())
    diffusion.network.load_state_dict(found(made.extras, "diffusion"))
    return diffusion


def _require_samples(settings: DMNS, d: int) -> None:
    """Refuse before the training what the check after it could not do."""
    try:
        require_samples(settings.positivity_samples, d, settings.positivity_covariance)
    except ValueError as error:
        raise TrainingError(
            f"method dmns: {error}, or set positivity_covariance: diagonal"
        ) from None


def _check(settings: DMNS, run: Run, made: Checkpoint) -> Json:
    """Sub-linear positivity of the kept diffusion on a few queries."""
    z = embeddings_of(run.model(made.weights), run.graph)
    diffusion = stored_diffusion(settings, made, z)
    generator = run.generator("positivity")
    linked = run.graph.degree.nonzero().squeeze(-1)
    order = torch.randperm(linked.numel(), generator=generator, device=linked.device)
    queries = linked[order[: settings.positivity_queries]]
    return positivity(
        diffusion, run.graph, z, queries, generator,
        samples=settings.positivity_samples, covariance=settings.positivity_covariance,
    )  # fmt: skip
