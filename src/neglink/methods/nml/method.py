"""The recipe: contrastive pre-training, then, if asked for, training on the links."""

from typing import Annotated, Any, Literal

from pydantic import Field

from neglink.methods.base import Checkpoint, MetaData, Run, Step
from neglink.methods.loop import Training, shared_settings, train_epochs
from neglink.methods.nml.pretrain import pretrain
from neglink.methods.plain import Plain
from neglink.registry import component

PRETRAIN = ("epochs", "metric_steps", "pretrain_learning_rate", "weight_decay", "temperature",
            "regularisation", "alpha", "metric", "weights", "metric_input",
            "metric_width", "self_pair", "through_weights", "edge_drop", "feature_mask", "mask",
            "pretrain_select", "validate_every", "snapshots")  # fmt: skip
TUNE = ("epochs", "fine_tune_epochs", "learning_rate", "validate_every", "select", "snapshots",
        "negatives_per_link", "batch_links", "mask_links")  # fmt: skip


@component
class NML(Training):
    """An encoder trained to tell a node's two views from all other nodes, weighted by a network M.

    Every epoch makes two views of the train graph (links dropped, features masked) and encodes them
    as U and V. Then, with ℓ of `contrast.loss.nml_loss`:

    1. `metric_steps` steps of Adam on M, the encoder frozen: M learns which nodes to weigh little
       because they are alike, false negatives above all, held back by α.
    2. One step of Adam on the encoder, the weights of M frozen.

    Neither step sees a link but as a message. `fine_tune_epochs` adds plain training on links and
    the sampler's negatives, from the weights so found. Variants: `metric` names what stands in M's
    place; `uniform` is InfoNCE. Source: Zhao et al. (2025), NML-GCL.
    """

    epochs: Annotated[int, Field(ge=1)] = 200
    """Epochs of the contrastive training."""
    metric_steps: Annotated[int, Field(ge=0, le=100)] = 2
    """T_M: steps on M in every epoch."""
    pretrain_learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Step size of Adam for encoder and M; `learning_rate` is that of the fine-tuning."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of both, added to the gradient."""
    temperature: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    """t of exp(s / t)."""
    regularisation: Annotated[float, Field(ge=0)] = 0.1
    """c of α, which holds W near uniform weights."""
    alpha: Literal["scaled", "plain"] = "scaled"
    """α = (n − 1) c, as stated; or c itself. With a few thousand nodes the stated one is so large
    that W stays uniform to four digits."""
    metric: Literal["network", "cosine", "uniform"] = "network"
    """What W is the softmax of: cos(M(u), M(v)); cos(u, v), M being left out; or nothing,
    W = 1/(n − 1), which is InfoNCE."""
    weights: Literal["similarity", "distance"] = "similarity"
    """Sign of that cosine: as the formula has it, or −cos, a distance, as the source speaks of W.
    One network M sends what is alike to what is alike, so that only a distance can give false
    negatives less weight; under `similarity` the best M can do is to weigh all alike."""
    metric_input: Literal["raw", "unit"] = "raw"
    """Whether M sees embeddings as they are, or divided by their norm, as s does. Small ones (.04
    on Cora) are drowned by M's biases, and every node looks the same to it."""
    metric_width: Annotated[int, Field(ge=1)] = 512
    """Width of both layers of M."""
    self_pair: bool = True
    """Whether the sum over j, and the softmax, hold the node's own pair, as the formula says; false
    leaves it out of both. Under `metric: uniform` it is always left out."""
    through_weights: bool = True
    """Whether the encoder's gradient passes through W too (only M's parameters are frozen), or W
    is a constant of that step."""
    edge_drop: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """Probability that a view lacks a link."""
    feature_mask: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Probability that a view lacks a feature."""
    mask: Literal["columns", "entries"] = "columns"
    """A feature is masked for all nodes together, or each node's by itself (not stated)."""
    pretrain_select: Literal["hits@20", "hits@50", "hits@100", "mrr", "auc", "ap", "last"] = "last"
    """Validation metric that chooses the epoch of the contrastive training whose weights are kept;
    `last`, the source's, keeps the last. `select` does so in the fine-tuning."""
    fine_tune_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs of plain training on links afterwards; 0 leaves the encoder as it is."""

    def steps(self) -> tuple[Step, ...]:
        """Contrastive training, and fine-tuning if there is any."""
        train = Step("train", "checkpoint", settings=PRETRAIN)
        if self.fine_tune_epochs == 0:
            return (train,)
        return train, Step("tune", "checkpoint", ("train",), TUNE)

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Carry out one step; see `methods.base.Method`.

        Raises:
            TrainingError: the predictor has no embeddings, or a loss is not finite.
        """
        if name == "train":
            return pretrain(self, run)
        return self._tune(run, made["train"])

    def _tune(self, run: Run, start: Checkpoint) -> Checkpoint:
        """Plain training from the pre-trained weights; its epochs are counted after theirs."""
        plain = Plain(**shared_settings(self), epochs=self.fine_tune_epochs)
        model = run.model(start.weights)
        update = plain.updates(run, model)
        tuned = train_epochs(run, model, update, plain.epochs, plain, first=self.epochs)
        snapshots = {**start.snapshots, **tuned.snapshots}
        return Checkpoint(tuned.weights, snapshots, tuned.history)
