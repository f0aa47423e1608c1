"""Several trainings of one model, one after the other, read as one."""

from typing import Any

from torch import Tensor

from neglink.methods.base import Checkpoint
from neglink.methods.resume import Json, Parts, inside
from neglink.tensors import Tensors

NUMBERS = ("epochs", "kept_epoch", "auc", "_best", "_losses", "_watched", "_seconds")


class Joined:
    """Joins the checkpoints that `train_epochs` makes of consecutive epochs.

    The weights kept are those of the part whose selecting metric is best, the earlier one where two
    are equal; under `select: last`, those of the last part.
    """

    def __init__(self, select: str) -> None:
        self.select = select
        self.epochs = 0
        """Epochs trained so far."""
        self.kept_epoch = 0
        """Epoch of the kept weights, counted over all parts."""
        self.auc: float | None = None
        """Validation AUC after the last epoch."""
        self._best: float | None = None
        self._weights: dict[str, Tensor] = {}
        self._snapshots: dict[int, dict[str, Tensor]] = {}
        self._losses: list[float] = []
        self._watched: dict[str, list[float]] = {"epoch": [], "auc": [], "selected_by": []}
        self._seconds = 0.0

    def parts(self) -> Parts:
        """Its tensors, to be stored; see `methods.resume`."""
        snapshots = {f"snapshots/{epoch}": own for epoch, own in self._snapshots.items()}
        return {"weights": self._weights, **snapshots}

    def note(self) -> Json:
        """Its numbers, to be stored."""
        return {name: getattr(self, name) for name in NUMBERS} | {"at": list(self._snapshots)}

    def restore(self, tensors: Tensors, note: Json) -> None:
        """Bring back what was stored."""
        for name in NUMBERS:
            setattr(self, name, note[name])
        self._weights = inside(tensors, "weights")
        self._snapshots = {epoch: inside(tensors, f"snapshots/{epoch}") for epoch in note["at"]}

    def add(self, made: Checkpoint) -> None:
        """Append a part whose `first` was `self.epochs`."""
        history = made.history
        valid, kept = history["valid"], history["kept_epoch"]
        value = valid["selected_by"][valid["epoch"].index(kept)]
        if self._best is None or value > self._best or self.select == "last":
            self._best, self._weights, self.kept_epoch = value, made.weights, kept
        self._snapshots |= made.snapshots
        self._losses += history["loss"]
        for key, values in self._watched.items():
            values += valid[key]
        self._seconds += history["loop_seconds"]
        self.epochs = len(self._losses)
        self.auc = valid["auc"][-1]

    def result(self, extras: dict[str, Tensor] | None = None, **more: Any) -> Checkpoint:
        """One checkpoint of all parts; `more` is added to its history."""
        history = {
            "loss": self._losses,
            "valid": self._watched,
            "first_epoch": 1,
            "kept_epoch": self.kept_epoch,
            "loop_seconds": self._seconds,
        }
        return Checkpoint(self._weights, self._snapshots, history | more, extras or {})
