"""The one epoch loop that the methods share."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from neglink.errors import TrainingError
from neglink.evaluation import metrics
from neglink.graph import Graph
from neglink.methods.base import Checkpoint, Run, Step
from neglink.methods.resume import Json, Keeper, Kept, Parts, Resumable, inside
from neglink.predictors.base import LinkModel
from neglink.registry import component, settings_of
from neglink.samplers.base import Context, Sampler, remembers_for

log = logging.getLogger("neglink")

Update = Callable[[int], float]
"""One epoch: updates the model's weights, returns the training loss."""

Stop = Callable[[int, int], bool]
"""Whether a training ends after this epoch, which was validated, given the best one so far."""


@component
class Training:
    """Settings of the loop; every method has them, and by default one step with all of them."""

    needs_sampler: ClassVar[bool] = True

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step size of Adam."""
    validate_every: Annotated[int, Field(ge=1)] = 5
    """Epochs between two looks at the validation links."""
    select: Literal["hits@20", "hits@50", "hits@100", "mrr", "auc", "ap", "last"] = "hits@20"
    """Validation metric that chooses the epoch whose weights are kept; `last` keeps the last."""
    snapshots: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Epochs whose weights are stored beside the result, for migration analyses."""
    negatives_per_link: Annotated[int, Field(ge=1, le=100)] = 1
    """Negatives drawn for each training link in every epoch."""
    batch_links: Annotated[int, Field(ge=1)] | None = None
    """Links of one step of the optimiser, with their share of the negatives; none takes all links
    at once. Samples are drawn once an epoch either way."""
    mask_links: bool = False
    """Leave the links of a batch out of the graph that carries messages while they are scored, so
    that no link tells of itself. Needs `batch_links`."""

    def __post_init__(self) -> None:
        if self.mask_links and self.batch_links is None:
            raise ValueError("mask_links needs batch_links: with all links in one batch none is "
                             "left to carry messages")  # fmt: skip

    def steps(self) -> tuple[Step, ...]:
        """One step."""
        return (Step("train", "checkpoint", settings=tuple(settings_of(self))),)

    def training_sampler(self, base: Sampler) -> Sampler:
        """The run's own sampler."""
        return base


def adam(
    part: torch.nn.Module, learning_rate: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Adam in its fused form: one pass over the weights."""
    return torch.optim.Adam(
        part.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )


@dataclass
class Progress:
    """What the loop has found so far."""

    epoch: int
    """The last epoch that was trained."""
    kept: dict[str, Tensor]
    """The best weights."""
    best: float | None = None
    """The selecting metric at these weights."""
    kept_at: int = 0
    losses: list[float] = field(default_factory=list)
    watched: dict[str, list[float]] = field(
        default_factory=lambda: {"epoch": [], "auc": [], "selected_by": []}
    )
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)
    """What is kept beside the best weights."""
    seconds: float = 0.0
    """Time of the epochs before this process took the training up."""
    resumed: list[int] = field(default_factory=list)
    """Epochs after which a killed training was taken up again."""

    def parts(self) -> Parts:
        """Its tensors, to be stored."""
        stored: dict[str, Any] = {"kept": self.kept, "extras": self.extras}
        return stored | {f"snapshots/{epoch}": own for epoch, own in self.snapshots.items()}

    def note(self, seconds: float) -> Json:
        """Its numbers, to be stored."""
        keys = ("epoch", "best", "kept_at", "losses", "watched", "resumed")
        own = {key: getattr(self, key) for key in keys}
        return own | {"snapshots": list(self.snapshots), "seconds": self.seconds + seconds}

    @classmethod
    def found(cls, kept: Kept) -> "Progress":
        """What was stored."""
        note = dict(kept.note)
        snapshots = {e: inside(kept.tensors, f"snapshots/{e}") for e in note.pop("snapshots")}
        note["resumed"] = [*note["resumed"], note["epoch"]]
        weights, extras = (inside(kept.tensors, name) for name in ("kept", "extras"))
        return cls(**note, kept=weights, extras=extras, snapshots=snapshots)


def train_epochs(
    run: Run, model: LinkModel, update: Update, epochs: int, training: Training, first: int = 0,
    *, stop: Stop | None = None, beside: Callable[[], dict[str, Tensor]] | None = None,
) -> Checkpoint:  # fmt: skip
    """Run `update` for some epochs, watch the validation links, keep the best weights.

    With `run.keeper`, and an update and a sampler whose state can be kept, a training that was
    killed goes on where its state was kept last.

    Args:
        run: graph and validation links.
        model: the model that `update` trains.
        update: one epoch.
        epochs: how many, at most.
        training: when to validate, which metric selects, which epochs to store.
        first: epochs trained before (a teacher's), added to the epoch numbers of the history and
            of the snapshots.
        stop: whether the training ends early.
        beside: further tensors to keep with the best weights, as the checkpoint's extras.

    Raises:
        TrainingError: a loss or a score is not finite; says in which epoch.
    """
    require_enough_negatives(run, training.select)
    found = Progress(first, copy_weights(model))
    keeper, every = _keeper(run, update)
    if keeper is not None and (kept := keeper.load()) is not None:
        found = Progress.found(kept)
        kept.restore(_parts(model, update, kept.tensors))
        log.info("goes on after epoch %d", found.epoch)
    started, report_at = time.monotonic(), 0.0
    last = found.epoch == first + epochs or _ended(found, stop)
    while not last:
        epoch = found.epoch + 1
        model.train()
        with _named(run, model, training, epoch):
            found.losses.append(update(epoch - 1))
        model.eval()
        if not math.isfinite(found.losses[-1]):
            raise TrainingError(
                f"the loss is {found.losses[-1]} in epoch {epoch}: lower learning_rate "
                f"(now {training.learning_rate:g}), or look for extreme feature values"
            )
        if epoch in training.snapshots:
            found.snapshots[epoch] = copy_weights(model)
        last = epoch == first + epochs
        found.epoch = epoch
        if last or (epoch - first) % training.validate_every == 0:
            with _named(run, model, training, epoch):
                auc, value = validate(run, model, training.select)
            for key, number in (("epoch", epoch), ("auc", auc), ("selected_by", value)):
                found.watched[key].append(number)
            best = -math.inf if found.best is None else found.best
            if value > best or training.select == "last":
                found.best, found.kept, found.kept_at = value, copy_weights(model), epoch
                found.extras = {} if beside is None else beside()
            last = last or _ended(found, stop)
        if last or time.monotonic() - report_at > 5:
            report_at = time.monotonic()
            log.info("epoch %d/%d  loss %.4f", epoch, first + epochs, found.losses[-1])
        if keeper is not None and epoch % every == 0:
            parts = {**_parts(model, update), **found.parts()}
            keeper.keep(parts, lambda: found.note(time.monotonic() - started))
    history: Json = {
        "loss": found.losses,
        "valid": found.watched,
        "first_epoch": first + 1,
        "kept_epoch": found.kept_at,
        "loop_seconds": found.seconds + time.monotonic() - started,
    }
    if found.resumed:
        history["resumed_after"] = found.resumed
    return Checkpoint(found.kept, found.snapshots, history, found.extras)


@contextmanager
def _named(run: Run, model: LinkModel, training: Training, epoch: int) -> Iterator[None]:
    """Give an error of this epoch its number; say so where its scores are no numbers any more.

    Raises:
        TrainingError: in place of what a sampler or a metric makes of such scores.
    """
    try:
        yield
    except (TrainingError, ValueError, IndexError, RuntimeError) as error:
        model.eval()
        with torch.no_grad():
            scores = model.score(run.graph, run.valid_positives)
        if not bool(torch.isfinite(scores).all()):
            raise TrainingError(
                f"the scores are no numbers in epoch {epoch}: lower learning_rate "
                f"(now {training.learning_rate:g}), or look for extreme feature values"
            ) from error
        if isinstance(error, TrainingError):
            raise TrainingError(f"epoch {epoch}: {error}") from error
        raise


def _ended(found: Progress, stop: Stop | None) -> bool:
    """Whether the last epoch was validated and `stop` ends the training there."""
    validated = found.watched["epoch"][-1:] == [found.epoch]
    return stop is not None and validated and stop(found.epoch, found.kept_at)


def _keeper(run: Run, update: Update) -> tuple[Keeper | None, int]:
    """Where the state is kept, if it can be, and the epochs between two such times."""
    every = remembers_for(run.sampler)
    can = run.keeper is not None and every > 0 and isinstance(update, Resumable)
    return (run.keeper, every) if can else (None, 1)


def _parts(model: LinkModel, update: Update, found: dict[str, Tensor] | None = None) -> Parts:
    assert isinstance(update, Resumable)
    own = None if found is None else inside(found, "update")
    return {"model": model, **{f"update/{k}": p for k, p in update.parts(own).items()}}


def require_enough_negatives(run: Run, select: str) -> None:
    """Refuse a Hits@K whose K exceeds the ranked validation negatives, before any epoch.

    Raises:
        TrainingError: says how many there are and what to set.
    """
    needed = int(select.partition("@")[2] or 1)
    there = run.valid_negatives.shape[-1]
    if there < needed:
        raise TrainingError(
            f"select = {select!r} needs {needed} ranked validation negatives, this split has "
            f"{there}: set select: auc, or raise evaluation.negatives_per_link"
        )


def copy_weights(model: LinkModel) -> dict[str, Tensor]:
    """A copy of the model's weights that later epochs do not touch."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def validate(run: Run, model: LinkModel, select: str) -> tuple[float, float]:
    """Validation AUC, and the metric that selects (the AUC where none does)."""
    negatives = run.valid_negatives
    pairs = torch.cat([run.valid_positives, negatives.flatten(1)], 1)
    scores = model.score(run.graph, pairs).cpu().numpy()
    links = scores[: run.valid_positives.shape[1]]
    others = scores[run.valid_positives.shape[1] :].reshape(tuple(negatives.shape[1:]))
    auc = metrics.auc(links, others)
    return auc, auc if select in {"auc", "last"} else metrics.METRICS[select].function(
        links, others
    )


@dataclass(frozen=True)
class Samples:
    """Training pairs: positives, and negatives with the same centres."""

    positives: Tensor
    """Links [2, p], the centre first, centres ascending: `pair_dot` then works without sorting."""
    links: Tensor
    """Index of each positive in `graph.links`, shape [p]."""
    negatives: Tensor
    """Pairs [2, q], centres ascending."""


@dataclass(frozen=True)
class Batch(Samples):
    """The samples of one step, and the graph they are scored on."""

    graph: Graph
    """Carries the messages: the train graph, without the batch's links under `mask_links`."""
    z: Tensor
    """The model's embeddings on `graph`, with gradient."""
    noise: int
    """Seed of torch's generator before `z` was computed: with it, dropout repeats."""


def training_links(graph: Graph, generator: Generator) -> tuple[Tensor, Tensor]:
    """Every training link once, its centre chosen by a coin: links [2, m], indices [m].

    Centres ascend.
    """
    first = torch.rand(graph.m, generator=generator, device=graph.device) < 0.5
    chosen = first[graph.arc_links] == (graph.arcs[0] < graph.arcs[1])
    return graph.arcs[:, chosen], graph.arc_links[chosen]


def context_of(model: LinkModel, graph: Graph, z: Tensor, epoch: int) -> Context:
    """What a sampler may see while `model`, with embeddings z, is being trained."""
    z = z.detach()

    @torch.no_grad()
    def score(pairs: Tensor) -> Tensor:
        mode = model.training
        model.eval()
        logits = model.decode(graph, z, pairs)
        model.train(mode)
        return logits

    return Context(graph, score, z if z.shape[1] else None, epoch)


def draw_samples(
    graph: Graph, sampler: Sampler, context: Context, generator: Generator, negatives: int = 1
) -> Samples:
    """All training links, and for each `negatives` new negatives."""
    positives, links = training_links(graph, generator)
    repeated = positives.repeat_interleave(negatives, dim=1) if negatives > 1 else positives
    return Samples(positives, links, sampler.sample(context, repeated, generator))


Keep = Callable[[Samples], Samples]


def training_batches(
    run: Run, model: LinkModel, training: Training, generator: Generator, epoch: int,
    keep: Keep | None = None,
) -> Iterator[Batch]:  # fmt: skip
    """The samples of one epoch, drawn at its start by the model as it is then, in batches.

    Each batch is encoded when it is asked for, with the weights as they are then.

    Args:
        run: train graph and sampler.
        model: the model in training.
        training: batch size, masking, negatives per link.
        generator: source of the samples and of their order.
        epoch: number of the epoch, from 0.
        keep: which of the epoch's samples stay; all by default.
    """
    graph = run.graph
    keep = keep or (lambda samples: samples)
    noise = run.number(f"noise of epoch {epoch}")
    torch.manual_seed(noise)
    if training.batch_links is None:
        z = model.encode(graph)
        samples = keep(_draw(run, model, training, generator, epoch, z))
        yield Batch(samples.positives, samples.links, samples.negatives, graph, z, noise)
        return
    model.eval()
    with torch.no_grad():
        z = model.encode(graph)
    model.train()
    samples = keep(_draw(run, model, training, generator, epoch, z))
    parts = max(1, -(-samples.links.numel() // training.batch_links))
    orders = zip(*(
        torch.randperm(count, generator=generator, device=graph.device).tensor_split(parts)
        for count in (samples.links.numel(), samples.negatives.shape[1])
    ), strict=True)  # fmt: skip
    for number, (positive, negative) in enumerate(orders):
        positive, negative = positive.sort().values, negative.sort().values
        links, message = samples.links[positive], graph
        if training.mask_links:
            message = without_links(graph, links)
        torch.manual_seed(noise + number)
        z = model.encode(message)
        yield Batch(samples.positives[:, positive], links, samples.negatives[:, negative],
                    message, z, noise + number)  # fmt: skip


def _draw(
    run: Run, model: LinkModel, training: Training, generator: Generator, epoch: int, z: Tensor
) -> Samples:
    context = context_of(model, run.graph, z, epoch)
    return draw_samples(run.graph, run.sampler, context, generator, training.negatives_per_link)


def without_links(graph: Graph, links: Tensor) -> Graph:
    """The graph without the links of these indices [b]."""
    kept = torch.ones(graph.m, dtype=torch.bool, device=graph.device)
    kept[links] = False
    return graph.thinned(kept)


def labels_of(samples: Samples) -> Tensor:
    """1 for each positive, then 0 for each negative, shape [p + q]."""
    labels = torch.zeros(samples.positives.shape[1] + samples.negatives.shape[1])
    labels[: samples.positives.shape[1]] = 1
    return labels.to(samples.positives.device)


def logits_of(model: LinkModel, graph: Graph, z: Tensor, samples: Samples) -> Tensor:
    """Logits of the positives, then of the negatives, shape [p + q].

    Each part has ascending centres, their union has not.
    """
    parts = (samples.positives, samples.negatives)
    return torch.cat([model.decode(graph, z, pairs) for pairs in parts])


def shared_settings(training: Training, **changes: Any) -> dict[str, Any]:
    """The settings that every method has, with changes, for one method that trains by another."""
    return {f.name: getattr(training, f.name) for f in fields(Training)} | changes
