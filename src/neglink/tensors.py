"""Tensors in a file that tells when a single bit of it has changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neglink.errors import DataError
from neglink.files import atomic, canonical

Tensors = dict[str, Tensor]


def write_tensors(path: Path, tensors: Tensors, note: Any = None) -> None:
    """Write tensors and a JSON value as one safetensors file, atomically, with a checksum inside.

    Equal values make equal bytes. Devices are not stored: tensors come back on the CPU.
    """
    stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = canonical(note)
    # one entry alone: safetensors writes several in an order of its own
    seal = {"neglink": json.dumps([_checksum(stored, text), text])}
    with atomic(path) as temporary:
        save_file(stored, temporary, metadata=seal)


def read_tensors(path: Path) -> tuple[Tensors, Any]:
    """Tensors and JSON value that `write_tensors` stored; nothing is unpickled.

    Raises:
        DataError: the file is damaged, or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            seal = (file.metadata() or {}).get("neglink")
        if seal is None:
            raise DataError(f"{path}: has no checksum; delete it and run again")
        checksum, text = json.loads(seal)
        note = json.loads(text)
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it and run again") from None
    if checksum != _checksum(tensors, text):
        raise DataError(
            f"{path}: damaged (its checksum does not fit its content); delete it and run again"
        )
    return tensors, note


def _checksum(tensors: Tensors, text: str) -> str:
    """SHA-256 of names, types, shapes and bytes."""
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(canonical([name, str(value.dtype), list(value.shape)]).encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
