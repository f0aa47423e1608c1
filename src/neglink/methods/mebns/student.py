"""The student: hard samples of the teacher, weighted by the meta learner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits

from neglink.errors import TrainingError
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import (
    Batch,
    Samples,
    Training,
    adam,
    labels_of,
    logits_of,
    shared_settings,
    train_epochs,
    training_batches,
    without_links,
)
from neglink.methods.mebns.meta_learner import MetaLearner
from neglink.methods.mebns.teacher import with_std_generator
from neglink.methods.resume import Number, Parts
from neglink.predictors.base import LinkModel
from neglink.shares import floor_share
from neglink.tensors import Tensors

if TYPE_CHECKING:
    from neglink.methods.mebns.method import MeBNS

Function = Callable[[LinkModel], Tensor]


def train_student(
    settings: MeBNS, run: Run, teacher: Checkpoint, metadata: MetaData | None
) -> Checkpoint:
    """Algorithm 1, lines 8-15. Epochs are counted from the teacher's first.

    MeBNS-O starts from fresh weights and gets the teacher's epochs on top, so that the number of
    epochs is the same.
    """
    run = with_std_generator(settings, run)
    model = run.model(teacher.weights if settings.teacher_filter else None)
    first = settings.teacher_epochs if settings.teacher_filter else 0
    update = StudentUpdate(settings, run, model, teacher, metadata)
    epochs = settings.student_epochs + settings.teacher_epochs - first
    training = Training(**shared_settings(settings, learning_rate=settings.student_learning_rate))
    made = train_epochs(run, model, update, epochs, training, first)
    made.history["teacher"] = {key: teacher.history.get(key) for key in ("loss", "valid")}
    if settings.teacher_filter:
        snapshots = {**teacher.snapshots, **made.snapshots}
        made.history["teacher_epochs"] = first
    else:
        snapshots = made.snapshots
    return Checkpoint(made.weights, snapshots, made.history, update.last)


class StudentUpdate:
    """One student epoch (eq. 6, 7, 10-12)."""

    def __init__(
        self,
        settings: MeBNS,
        run: Run,
        model: LinkModel,
        teacher: Checkpoint,
        metadata: MetaData | None,
    ) -> None:
        self.settings, self.run, self.model = settings, run, model
        self.optimiser = adam(model, settings.student_learning_rate)
        self.generator = run.generator("student pairs")
        self.teacher = run.model(teacher.weights).requires_grad_(False).eval()
        with torch.no_grad():
            self.teacher_z = self.teacher.encode(run.graph)  # frozen: encoded once
        self.last: dict[str, Tensor] = {}
        self.epochs = 0
        self.metadata = metadata if metadata is None else by_centre(metadata)
        if self.metadata is not None:
            self.meta_graph = run.graph
            if settings.mask_links:
                links = self.metadata.pairs[:, self.metadata.labels == 1]
                self.meta_graph = without_links(run.graph, run.graph.index_of(links))
            width = 1 if settings.meta_input == "loss" else self.teacher_z.shape[1]
            if width == 0:
                raise ValueError("meta_input = 'embeddings': this predictor has none; use loss")
            host = run.host_generator("meta learner")
            self.meta = MetaLearner(width, settings.meta_hidden, host).to(run.graph.device)
            self.meta_optimiser = torch.optim.SGD(
                self.meta.parameters(), lr=settings.meta_learning_rate
            )

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        own: dict[str, Any] = {
            "optimiser": self.optimiser,
            "generator": self.generator,
            "epochs": Number(self, "epochs"),
            "last": self.last,
        }
        if self.metadata is not None:
            own |= {"meta": self.meta, "meta optimiser": self.meta_optimiser}
        return own

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the mean (weighted) loss of its steps."""
        model, means = self.model, []
        batches = training_batches(
            self.run, model, self.settings, self.generator, epoch, self._hard_samples
        )
        for batch in batches:
            labels = self._labels(batch)
            logits = logits_of(model, batch.graph, batch.z, batch)
            losses = binary_cross_entropy_with_logits(logits, labels, reduction="none")  # [k]
            weights = self._weights(losses, labels, batch)
            loss = losses.mean() if weights is None else (weights * losses).mean()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            means.append(loss.detach())
            if weights is not None:
                self.last = {"loss": losses.detach(), "weight": weights, "label": labels_of(batch)}
        self.epochs += 1
        return float(torch.stack(means).mean())

    def _hard_samples(self, samples: Samples) -> Samples:
        """O_s of eq. 6: of fresh samples the teacher's highest-scored share β."""
        settings, positives, negatives = self.settings, samples.positives, samples.negatives
        if not settings.teacher_filter:
            return samples
        share = settings.beta
        if self.epochs < settings.beta_epochs:
            share = 1 - (1 - share) * self.epochs / settings.beta_epochs
        hard = self._teacher_logits(negatives)
        if settings.scope == "negatives":
            return replace(samples, negatives=negatives[:, top_share(hard, share)])
        chosen = top_share(torch.cat([self._teacher_logits(positives), hard]), share)
        split = int((chosen < positives.shape[1]).sum())
        kept = chosen[:split]
        return Samples(positives[:, kept], samples.links[kept],
                       negatives[:, chosen[split:] - positives.shape[1]])  # fmt: skip

    @torch.no_grad()
    def _teacher_logits(self, pairs: Tensor) -> Tensor:
        return self.teacher.decode(self.run.graph, self.teacher_z, pairs)

    def _labels(self, batch: Batch) -> Tensor:
        """1 and 0, or, with soft labels, these mixed with the teacher's probabilities [k]."""
        hard, share = labels_of(batch), self.settings.soft_labels
        if share == 0:
            return hard
        parts = (batch.positives, batch.negatives)
        logits = torch.cat([self._teacher_logits(pairs) for pairs in parts])
        return torch.lerp(hard, logits.sigmoid(), share)

    def _weights(self, losses: Tensor, labels: Tensor, batch: Batch) -> Tensor | None:
        """ω under the meta learner as updated by eq. 10 and 11, detached [k]; None without one."""
        if self.metadata is None:
            return None
        if self.settings.meta_input == "loss":
            seen = losses.detach()[:, None]  # [k, 1]
        else:
            pairs = torch.cat([batch.positives, batch.negatives], 1)
            seen = (batch.z[pairs[0]] * batch.z[pairs[1]]).detach()  # [k, d]
        if self.epochs % self.settings.meta_every == 0:
            weights = self.meta(seen)
            gradient = self._meta_gradient(losses, weights.detach(), labels, batch)
            if not bool(gradient.isfinite().all()):
                rate = self.settings.virtual_rate or self.settings.student_learning_rate
                raise TrainingError(
                    "the meta loss after the virtual step is no number: lower virtual_rate or "
                    f"student_learning_rate (now {rate:g})"
                )
            self.meta_optimiser.zero_grad()
            weights.backward(gradient)
            self.meta_optimiser.step()
        with torch.no_grad():
            new: Tensor = self.meta(seen)
        return new

    def _meta_gradient(
        self, losses: Tensor, weights: Tensor, labels: Tensor, batch: Batch
    ) -> Tensor:
        """∂L_m(θ')/∂ω [k] of eq. 10 and 11."""
        pairs, targets = self._meta_batch()

        def meta_loss(model: LinkModel) -> Tensor:
            logits = model.score(self.meta_graph, pairs)
            return binary_cross_entropy_with_logits(logits, targets)

        def sample_losses(model: LinkModel) -> Tensor:
            torch.manual_seed(batch.noise)  # the dropout of `losses` again
            z = model.encode(batch.graph)
            logits = logits_of(model, batch.graph, z, batch)
            return binary_cross_entropy_with_logits(logits, labels, reduction="none")

        rate = self.settings.virtual_rate or self.settings.student_learning_rate
        return meta_gradient(self.model, losses, weights, meta_loss, sample_losses, rate)

    def _meta_batch(self) -> tuple[Tensor, Tensor]:
        """Pairs [2, k] and labels [k] of the meta data of one update."""
        assert self.metadata is not None
        pairs, labels, size = self.metadata.pairs, self.metadata.labels, self.settings.meta_batch
        if size is None or size >= labels.numel():
            return pairs, labels
        chosen = torch.randperm(labels.numel(), generator=self.generator, device=labels.device)
        chosen = chosen[:size].sort().values
        return pairs[:, chosen], labels[chosen]


def by_centre(metadata: MetaData) -> MetaData:
    """The same meta data with ascending centres, which `pair_dot` need not sort."""
    order = metadata.pairs[0].argsort(stable=True)
    return MetaData(metadata.pairs[:, order], metadata.labels[order], metadata.summary)


def top_share(scores: Tensor, share: float) -> Tensor:
    """Indices of the ⌊share · k⌋ highest of k scores (at least one), ascending."""
    count = max(1, floor_share(share, scores.numel()))
    # a selection and two scans: several times faster than topk and a sort of its indices
    least = scores.kthvalue(scores.numel() - count + 1).values
    above, tied = scores > least, (scores == least).nonzero().squeeze(-1)
    above[tied[: count - int(above.sum())]] = True
    return above.nonzero().squeeze(-1)


def meta_gradient(
    model: LinkModel,
    losses: Tensor,
    weights: Tensor,
    meta_loss: Function,
    sample_losses: Function,
    rate: float,
) -> Tensor:
    """Gradient of the meta loss after a virtual step with respect to the sample weights.

    With θ' = θ − η ∇_θ (1/k) Σ ω_i ℓ_i(θ):  ∂L_m(θ')/∂ω_i = −(η/k) ⟨∇L_m(θ'), ∇ℓ_i(θ)⟩, and these
    k inner products are one forward-mode derivative of the vector ℓ(θ) in the direction ∇L_m(θ').
    No second-order graph is built.

    Args:
        model: the student at θ.
        losses: ℓ(θ) [k], with its graph, which stays usable.
        weights: ω [k].
        meta_loss: L_m as a function of a model.
        sample_losses: ℓ as a function of a model, the same pairs as in `losses`.
        rate: η.

    Returns:
        Shape [k].
    """
    theta = dict(model.named_parameters())
    mean = (weights * losses).mean()
    gradient = torch.autograd.grad(mean, list(theta.values()), retain_graph=True)
    virtual = {
        name: (value.detach() - rate * g).requires_grad_()
        for (name, value), g in zip(theta.items(), gradient, strict=True)
    }
    after = call(model, virtual, meta_loss)
    direction = torch.autograd.grad(after, list(virtual.values()))
    with torch.no_grad(), forward_ad.dual_level():
        dual = {
            name: forward_ad.make_dual(value.detach(), v)  # type: ignore[no-untyped-call]
            for (name, value), v in zip(theta.items(), direction, strict=True)
        }
        after_dual = call(model, dual, sample_losses)
        products = forward_ad.unpack_dual(after_dual).tangent  # type: ignore[no-untyped-call]
    assert products is not None
    scaled: Tensor = products * (-rate / losses.numel())
    return scaled


def call(model: LinkModel, weights: dict[str, Tensor], function: Function) -> Tensor:
    """`function(model)`, with the model's weights replaced by `weights` while it runs."""
    replaced = {f"model.{name}": value for name, value in weights.items()}
    return functional_call(_Call(model, function), replaced, ())  # type: ignore[no-any-return]


class _Call(torch.nn.Module):
    """A function of a model as a module, which is what `functional_call` takes."""

    def __init__(self, model: LinkModel, function: Function) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self) -> Tensor:
        return self.function(self.model)
