"""Training that ends early: once the validation links have seen no better epoch for a while."""

from typing import Annotated, Literal

from pydantic import Field

from neglink.methods.base import Checkpoint, Run
from neglink.methods.loop import Training, Update, train_epochs
from neglink.methods.unlabelled import Negatives, negatives_from
from neglink.predictors.base import LinkModel
from neglink.registry import component
from neglink.samplers.base import Sampler


@component
class Patient(Training):
    """Settings of a training that ends early; the defaults are those of the baselines of PULL.

    Source: Kim et al., PULL (2024), section 4.1.
    """

    epochs: Annotated[int, Field(ge=1)] = 2000
    """Most passes over the training links."""
    patience: Annotated[int, Field(ge=1)] | None = 20
    """Epochs without a better one on the validation links after which training ends; none trains
    for all epochs."""
    least_epochs: Annotated[int, Field(ge=0)] = 500
    """Epochs before which training does not end."""
    validate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between two looks at the validation links."""
    select: Literal["hits@20", "hits@50", "hits@100", "mrr", "auc", "ap", "last"] = "auc"
    """Validation metric that chooses the epoch whose weights are kept and that ends the training;
    `last` keeps the last and trains for all epochs."""
    negatives: Negatives = "pairs"
    """Any pair without a link, all equally likely (needs the sampler uniform, whose place it
    takes); or `sampler`, the run's own."""

    def training_sampler(self, base: Sampler) -> Sampler:
        """Uniform pairs, or the run's own sampler."""
        return negatives_from(self.negatives, base)


def train_patiently(settings: Patient, run: Run, model: LinkModel, update: Update) -> Checkpoint:
    """Run `update` until patience or epochs are spent; the best weights are kept.

    It ends after a look at the validation links, `patience` epochs or more after the best one.
    """
    patience = None if settings.select == "last" else settings.patience

    def stop(epoch: int, best: int) -> bool:
        return patience is not None and epoch >= max(settings.least_epochs, best + patience)

    return train_epochs(run, model, update, settings.epochs, settings, stop=stop)
