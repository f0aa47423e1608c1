"""Plain training: cross entropy on links and freshly drawn negatives."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import (
    Training,
    adam,
    labels_of,
    logits_of,
    train_epochs,
    training_batches,
)
from neglink.methods.resume import Parts
from neglink.predictors.base import LinkModel
from neglink.registry import component
from neglink.shares import floor_share
from neglink.tensors import Tensors


@component
class Plain(Training):
    """Binary cross entropy over all training links and new negatives in every epoch, Adam.

    Source: MeBNS (Wang et al., WSDM 2024), eq. 3; with `drop_easiest`, the experiment of its
    figure 1b.
    """

    epochs: Annotated[int, Field(ge=1)] = 300
    """Passes over the training links."""
    drop_easiest: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each epoch's negatives, the lowest-scored ones, that are left out of the loss."""
    drop_after: Annotated[int, Field(ge=0)] = 100
    """Epochs before any negative is left out."""

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`."""
        model = run.model()
        return train_epochs(run, model, self.updates(run, model), self.epochs, self)

    def updates(self, run: Run, model: LinkModel) -> "PlainUpdate":
        """One epoch of this training, as a function."""
        return PlainUpdate(self, run, model)


class PlainUpdate:
    """An epoch: draw negatives, then a step of Adam on the mean cross entropy of each batch."""

    def __init__(self, settings: Plain, run: Run, model: LinkModel) -> None:
        self.settings, self.run, self.model = settings, run, model
        self.optimiser = adam(model, settings.learning_rate)
        self.generator = run.generator("training pairs")

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        return {"optimiser": self.optimiser, "generator": self.generator}

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the mean loss of its steps, each before the step."""
        model, losses = self.model, []
        for batch in training_batches(self.run, model, self.settings, self.generator, epoch):
            logits = logits_of(model, batch.graph, batch.z, batch)
            each = binary_cross_entropy_with_logits(logits, labels_of(batch), reduction="none")
            loss = self._hardest(each, batch.positives.shape[1], epoch).mean()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _hardest(self, losses: Tensor, links: int, epoch: int) -> Tensor:
        """The losses that stay when the easiest negatives, those of least loss, are left out."""
        if self.settings.drop_easiest == 0 or epoch < self.settings.drop_after:
            return losses
        negatives = losses[links:]
        stay = negatives.numel() - floor_share(self.settings.drop_easiest, negatives.numel())
        return torch.cat([losses[:links], negatives.topk(max(stay, 1)).values])
