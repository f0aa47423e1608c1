"""Bagging for positive and unlabelled pairs."""

from dataclasses import replace
from typing import Any

import torch
from torch.nn.functional import softplus

from neglink.errors import TrainingError
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import adam, context_of, draw_samples
from neglink.methods.patience import Patient, train_patiently
from neglink.methods.resume import Parts
from neglink.predictors.bagged_gcn import BaggedGCNModel
from neglink.registry import component
from neglink.tensors import Tensors


@component
class BaggingPU(Patient):
    """Each network of a bagged predictor learns all links against a bag of unlabelled pairs.

    1. Draw a bag of `negatives_per_link` unlabelled pairs a link for each network, once.
    2. Train each network by the mean cross entropy over all links (1) and its bag (0).
    3. Score by the mean of their probabilities.

    A hidden link is taken for a negative by few of the networks. They share no weight, so one
    optimiser of the sum of their losses trains each as if alone; the epoch is chosen for their
    mean. Source: Gan et al. (2022), as PULL (2024, appendix C) reimplements it.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_links is not None:
            raise ValueError("bagging-pu scores whole bags at once: leave batch_links unset")

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`.

        Raises:
            TrainingError: the predictor is no bagged one.
        """
        run = replace(run, sampler=self.training_sampler(run.sampler))
        model = run.model()
        if not isinstance(model, BaggedGCNModel):
            raise TrainingError(
                f"bagging-pu trains several networks side by side, {type(model).__name__} is one: "
                "take the predictor bagged-gcn"
            )
        return train_patiently(self, run, model, BaggingUpdate(self, run, model))


class BaggingUpdate:
    """An epoch: a step of Adam on the sum of the networks' mean cross entropies."""

    def __init__(self, settings: BaggingPU, run: Run, model: BaggedGCNModel) -> None:
        self.run, self.model = run, model
        self.optimiser = adam(model, settings.learning_rate)
        model.eval()
        with torch.no_grad():
            context = context_of(model, run.graph, model.encode(run.graph), epoch=0)
        generator, count = run.generator("bags"), settings.negatives_per_link
        self.bags = [
            draw_samples(run.graph, run.sampler, context, generator, count).negatives
            for _ in model.bags
        ]
        """The unlabelled pairs [2, q] of each network."""

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        return {"optimiser": self.optimiser}

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the loss before the step."""
        torch.manual_seed(self.run.number(f"noise of epoch {epoch}"))
        graph, model = self.run.graph, self.model
        z = model.encode(graph)
        losses = []
        for number, bag in enumerate(self.bags):
            links = model.decode_one(number, graph, z, graph.links)
            others = model.decode_one(number, graph, z, bag)
            losses.append(torch.cat([softplus(-links), softplus(others)]).mean())
        loss = torch.stack(losses).sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())
