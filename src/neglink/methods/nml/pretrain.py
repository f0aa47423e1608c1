"""Joint training of encoder and negative metric network on two views of the train graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from neglink.contrast.loss import Form, Metric, nml_loss
from neglink.contrast.metric import MetricNetwork
from neglink.errors import TrainingError
from neglink.methods.base import Checkpoint, Run
from neglink.methods.loop import Training, adam, shared_settings, train_epochs
from neglink.methods.nml.views import Augmentation
from neglink.methods.parts import found, stored
from neglink.methods.resume import Parts, inside
from neglink.predictors.base import LinkModel
from neglink.tensors import Tensors

if TYPE_CHECKING:
    from neglink.methods.nml.method import NML

METRIC = "metric"
"""What M's weights stand under among a checkpoint's extras."""


def pretrain(settings: NML, run: Run) -> Checkpoint:
    """All epochs of the contrastive training; the extras hold the weights that M has at the end.

    Raises:
        TrainingError: the predictor has no embeddings, or a loss is not finite.
    """
    model = run.model()
    if model.edge_centric:
        raise TrainingError(
            "method nml compares embeddings of nodes, and this predictor has none: take one with "
            "an encoder, such as gcn-rrelu"
        )
    update = PretrainUpdate(settings, run, model)
    shared = shared_settings(
        settings, select=settings.pretrain_select, learning_rate=settings.pretrain_learning_rate
    )
    made = train_epochs(run, model, update, settings.epochs, Training(**shared))
    return Checkpoint(made.weights, made.snapshots, made.history, update.extras())


class PretrainUpdate:
    """One epoch: two views, `metric_steps` steps on M, one on the encoder."""

    def __init__(self, settings: NML, run: Run, model: LinkModel) -> None:
        self.settings, self.run, self.model = settings, run, model
        self.augmentation = Augmentation(
            settings.edge_drop, settings.feature_mask, settings.mask,
            getattr(run.predictor, "normalise", True),
        )  # fmt: skip
        scale = run.graph.n - 1 if settings.alpha == "scaled" else 1
        self.form = Form(settings.temperature, settings.regularisation * scale, settings.self_pair)
        self.generator = run.generator("views")
        self.optimiser = self._adam(model)
        self.network: MetricNetwork | None = None
        self.metric_optimiser: torch.optim.Optimizer | None = None

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        metric = {} if found is None else inside(found, METRIC)
        if metric and self.network is None:
            self._begin_metric(metric["w1"].shape[0])
        own: dict[str, Any] = {"optimiser": self.optimiser, "generator": self.generator}
        if self.network is not None:
            own |= {METRIC: self.network, "metric optimiser": self.metric_optimiser}
        return own

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the encoder's loss before its step."""
        torch.manual_seed(self.run.number(f"noise of epoch {epoch}"))
        views = [self.augmentation.view(self.run.graph, self.generator) for _ in range(2)]
        u, v = (self.model.encode(view) for view in views)
        if self.settings.metric == "network":
            self._train_metric(u.detach(), v.detach())
        loss = nml_loss(normalize(u), normalize(v), self._metric(u, v), self.form)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def extras(self) -> dict[str, Tensor]:
        """Weights of M, to be stored; none where `metric` has no network."""
        return stored(self.network, METRIC)

    def _train_metric(self, u: Tensor, v: Tensor) -> None:
        """T_M steps on M; u and v [n, d] are constants."""
        if self.network is None:
            self._begin_metric(u.shape[1])
        network, optimiser = self.network, self.metric_optimiser
        assert network is not None
        assert optimiser is not None
        network.requires_grad_(True)
        unit_u, unit_v = normalize(u), normalize(v)
        for _ in range(self.settings.metric_steps):
            loss = nml_loss(unit_u, unit_v, self._weigh(network, u, v), self.form)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.requires_grad_(False)

    def _metric(self, u: Tensor, v: Tensor) -> Metric | None:
        """Rows in the metric space of both views, for the encoder's step."""
        if self.settings.metric == "uniform":
            return None
        if not self.settings.through_weights:
            u, v = u.detach(), v.detach()
        if self.settings.metric == "network":
            assert self.network is not None
            return self._weigh(self.network, u, v)
        return self._signed(normalize(u), normalize(v))

    def _weigh(self, network: MetricNetwork, u: Tensor, v: Tensor) -> Metric:
        """Rows of both views under M."""
        if self.settings.metric_input == "unit":
            u, v = normalize(u), normalize(v)
        return self._signed(network(u), network(v))

    def _signed(self, a: Tensor, b: Tensor) -> Metric:
        """Rows whose products are those of a and b, or their opposites."""
        return (a, b) if self.settings.weights == "similarity" else (-a, b)

    def _begin_metric(self, width: int) -> None:
        host = self.run.host_generator("metric network")
        network = MetricNetwork(width, self.settings.metric_width, host)
        self.network = network.to(self.run.graph.device)
        self.metric_optimiser = self._adam(self.network)

    def _adam(self, part: torch.nn.Module) -> torch.optim.Optimizer:
        rate, decay = self.settings.pretrain_learning_rate, self.settings.weight_decay
        return adam(part, rate, decay)


def metric_network(checkpoint: Checkpoint) -> MetricNetwork | None:
    """The network M of a checkpoint of the contrastive training, ready to weigh; None without one.

    A fine-tuned checkpoint has none: M knows the encoder from before.
    """
    weights = found(checkpoint.extras, METRIC)
    if not weights:
        return None
    width, hidden = weights["w1"].shape
    network = MetricNetwork(width, hidden, torch.Generator())
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval()
