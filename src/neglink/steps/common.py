"""What the steps share: cost, devices, provenance, checkpoints on disk."""

import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neglink.errors import ParamsError
from neglink.files import read_json, write_json
from neglink.methods.base import Checkpoint
from neglink.steps.provenance import stamp
from neglink.tensors import read_tensors, write_tensors

Json = dict[str, Any]


def pick_device(wanted: str) -> torch.device:
    """The device to train on; `auto` takes a GPU where there is one.

    Raises:
        ParamsError: cuda is asked for and not there.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ParamsError("device = 'cuda': no CUDA device is visible; use device: cpu or auto")
    return torch.device(wanted)


class Clock:
    """Time and peak memory of a step."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.started = time.perf_counter()

    def cost(self) -> Json:
        """Seconds since the start, peak resident memory of this process in MB, where it ran."""
        scale = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB on Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / 2**20
        return {
            "seconds": time.perf_counter() - self.started,
            "peak_memory_mb": peak,
            "device": self.device.type,
            "threads": torch.get_num_threads(),
        }


def write_made_from(path: Path, made_from: Json, settings: Json, **more: Any) -> None:
    """Write what an output was made from, beside it, so that the file can be explained alone."""
    write_json(path, {**made_from, "settings": settings, **stamp(), **more})


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights, snapshots and extras as one file with a checksum."""
    tensors = {f"weights/{k}": v for k, v in checkpoint.weights.items()}
    for epoch, weights in checkpoint.snapshots.items():
        tensors |= {f"snapshots/{epoch}/{k}": v for k, v in weights.items()}
    tensors |= {f"extras/{k}": v for k, v in checkpoint.extras.items()}
    write_tensors(path, tensors)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote, and the history from the JSON file beside it.

    Raises:
        DataError: the file is damaged.
    """
    tensors, _ = read_tensors(path)
    weights: dict[str, Tensor] = {}
    extras: dict[str, Tensor] = {}
    snapshots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        if part == "weights":
            weights[rest] = value
        elif part == "extras":
            extras[rest] = value
        else:
            epoch, _, key = rest.partition("/")
            snapshots.setdefault(int(epoch), {})[key] = value
    history = read_json(path.with_suffix(".json"))["history"]
    return Checkpoint(weights, dict(sorted(snapshots.items())), history, extras)
