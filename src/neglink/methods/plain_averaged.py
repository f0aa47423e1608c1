"""Plain training with what steadies long trainings: averaged weights, clipping, a falling rate."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch.nn.utils import clip_grad_norm_

from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import train_epochs
from neglink.methods.plain import Plain, PlainUpdate
from neglink.methods.resume import Number, Parts
from neglink.predictors.base import LinkModel
from neglink.registry import component
from neglink.tensors import Tensors

RAMP = 10
"""Steps after which the mean may hold half of what it was: it forgets the first weights soon."""


@component
class PlainAveraged(Plain):
    """As `plain`; what is validated and kept is a running mean of the weights.

    After step t the mean is w̄ ← β w̄ + (1 − β) w, β = min(`average`, t / (t + 10)). The gradients
    are those of w: the mean takes no part in training. With `average` 0, no `clip` and `final_rate`
    1 this is `plain`. Source of the mean: Polyak & Juditsky (1992), here with weights that fall
    exponentially with age; of clipping: Pascanu et al. (2013), section 3.2.
    """

    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """β: share of the mean that stays at each step of the optimiser; 0 keeps the weights as they
    are. .99 averages over about the last hundred steps."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient of all weights together; a longer one is shortened to it."""
    final_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Step size in the last epoch as a share of `learning_rate`; it falls linearly by epoch."""

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`."""
        mean = run.model()
        return train_epochs(run, mean, AveragedUpdate(self, run, mean), self.epochs, self)


class AveragedUpdate(PlainUpdate):
    """An epoch of `plain` on a model of its own, whose weights `mean` follows."""

    settings: PlainAveraged

    def __init__(self, settings: PlainAveraged, run: Run, mean: LinkModel) -> None:
        super().__init__(settings, run, run.model())
        self.mean, self.steps = mean, 0
        self.optimiser.register_step_pre_hook(lambda *_: self._clip())
        self.optimiser.register_step_post_hook(lambda *_: self._follow())

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        own: Parts = {"followed": self.model, "steps": Number(self, "steps")}
        return {**super().parts(found), **own}

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the mean loss of its steps, each before the step."""
        settings = self.settings
        past = epoch / max(1, settings.epochs - 1)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 - past * (1 - settings.final_rate))
        self.model.train()
        return super().__call__(epoch)

    def _clip(self) -> None:
        if self.settings.clip is not None:
            clip_grad_norm_(self.model.parameters(), self.settings.clip)

    @torch.no_grad()
    def _follow(self) -> None:
        self.steps += 1
        stays = min(self.settings.average, self.steps / (self.steps + RAMP))
        for mean, now in zip(self.mean.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now, 1 - stays)
        for kept, last in zip(self.mean.buffers(), self.model.buffers(), strict=True):
            kept.copy_(last)
