"""Graph autoencoders: cross entropy, the KL divergence of variational ones, an adversary."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from neglink.errors import TrainingError
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import adam, labels_of, logits_of, training_batches
from neglink.methods.patience import Patient, train_patiently
from neglink.methods.resume import Parts
from neglink.predictors.base import LinkModel
from neglink.predictors.layers import Linear
from neglink.predictors.vgae import divergence
from neglink.registry import component
from neglink.tensors import Tensors


@component
class Autoencoder(Patient):
    """Cross entropy on links and fresh unlabelled pairs, + KL / n², + what deceives an adversary.

    The loss of an epoch is the mean cross entropy over links and as many pairs, an estimate of that
    over all n² pairs; the negative evidence bound divided by n² adds the divergence Σ_u KL(q(z_u) ‖
    N(0, I)) / n² of predictors that have one (vgae, vgnae). With any other predictor this is plain
    training with an early end. Source: Kipf & Welling (2016), eq. 3 and the remark below it, by
    which zeros may be sampled.

    `adversarial` adds a discriminator D that tells the embeddings from draws of N(0, I), and that
    the encoder learns to deceive: min_G max_D E[log D(a)] + E[log(1 − D(z))], a ~ N(0, I). Gives
    ARGA with the predictor gcn, ARGVA with vgae. Source: Pan et al. (2018), algorithm 1.
    """

    kl: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the divergence; 1 is the bound's own."""
    adversarial: bool = False
    """Regularise the embeddings by an adversary."""
    discriminator: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)
    ] = (16, 64)  # fmt: skip
    """Widths of the hidden layers of the adversary (Pan et al., 2018)."""
    discriminator_learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Step size of the adversary's Adam."""
    discriminator_steps: Annotated[int, Field(ge=1)] = 1
    """K: steps of the adversary before each step of the encoder."""
    game: Literal["non-saturating", "minimax"] = "non-saturating"
    """What the encoder minimises against the adversary: −log D(z), of the same fixed point and the
    form in use, or log(1 − D(z)), the equation as written."""

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`."""
        run = replace(run, sampler=self.training_sampler(run.sampler))
        model = run.model()
        return train_patiently(self, run, model, AutoencoderUpdate(self, run, model))


class AutoencoderUpdate:
    """An epoch: for each batch the adversary's steps, then one of the predictor."""

    def __init__(self, settings: Autoencoder, run: Run, model: LinkModel) -> None:
        self.settings, self.run, self.model = settings, run, model
        self.optimiser = adam(model, settings.learning_rate)
        self.generator = run.generator("training pairs")
        self.adversary = Adversary(settings, run, model) if settings.adversarial else None

    def parts(self, found: Tensors | None = None) -> Parts:
        """See `methods.resume.Resumable`."""
        own: dict[str, Any] = {"optimiser": self.optimiser, "generator": self.generator}
        if self.adversary is not None:
            own |= {
                "adversary": self.adversary.model,
                "adversary's optimiser": self.adversary.optimiser,
                "prior": self.adversary.prior,
            }
        return own

    def __call__(self, epoch: int) -> float:
        """Train for one epoch; returns the mean loss of its steps, each before the step."""
        model, losses = self.model, []
        for batch in training_batches(self.run, model, self.settings, self.generator, epoch):
            logits = logits_of(model, batch.graph, batch.z, batch)
            loss = binary_cross_entropy_with_logits(logits, labels_of(batch))
            loss = loss + self.settings.kl * divergence(model) / self.run.graph.n**2
            if self.adversary is not None:
                self.adversary.learn(batch.z.detach())
                loss = loss + self.adversary.against(batch.z)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())


class Discriminator(nn.Module):
    """A perceptron from embeddings [n, d] to logits [n] of having been drawn from N(0, I)."""

    def __init__(self, widths: tuple[int, ...], generator: Generator) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(Linear(*size, generator) for size in pairwise(widths))
        self.last = Linear(widths[-1], 1, generator)

    def forward(self, z: Tensor) -> Tensor:
        """Logits [n]."""
        for layer in self.hidden:
            z = torch.relu(layer(z))
        logits: Tensor = self.last(z)
        return logits.squeeze(-1)


class Adversary:
    """A discriminator with its optimiser and its draws of the prior."""

    def __init__(self, settings: Autoencoder, run: Run, model: LinkModel) -> None:
        with torch.no_grad():
            width = model.encode(run.graph).shape[1]
        if width == 0:
            raise TrainingError(
                "adversarial = true regularises embeddings, and this predictor has none: "
                "take one that has (gcn, vgae), or set adversarial: false"
            )
        device = run.graph.device
        host = run.host_generator("discriminator")
        self.settings = settings
        self.model = Discriminator((width, *settings.discriminator), host).to(device)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.discriminator_learning_rate
        )
        self.prior = run.generator("prior")

    def learn(self, z: Tensor) -> None:
        """Steps on −E[log D(a)] − E[log(1 − D(z))], a ~ N(0, I) drawn anew for each; z is fixed."""
        for _ in range(self.settings.discriminator_steps):
            drawn = torch.randn(z.shape, generator=self.prior, device=z.device)
            loss = softplus(-self.model(drawn)).mean() + softplus(self.model(z)).mean()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()

    def against(self, z: Tensor) -> Tensor:
        """What the encoder minimises; the gradient that it leaves in D is cleared by `learn`."""
        logits: Tensor = self.model(z)
        if self.settings.game == "minimax":
            return -softplus(logits).mean()
        return softplus(-logits).mean()
