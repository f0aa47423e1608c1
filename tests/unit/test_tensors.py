"""Files of tensors: back as they were, and no flipped bit goes unseen."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from neglink.errors import DataError
from neglink.tensors import read_tensors, write_tensors

TENSORS = {
    "w": torch.arange(6.0).view(2, 3), "deep/name": torch.tensor([True, False]),
    "count": torch.tensor(3), "half": torch.tensor([1.5], dtype=torch.bfloat16),
    "empty": torch.zeros(0, 4),
}  # fmt: skip
NOTE = {"epoch": 3, "loss": [0.5, 0.25], "best": None, "text": "β"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensors") / "t.safetensors"
    write_tensors(path, TENSORS, NOTE)
    return path


def equal(tensors, note) -> bool:
    same = tensors.keys() == TENSORS.keys() and note == NOTE
    return same and all(
        torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in TENSORS.items()
    )


def test_they_come_back_and_equal_values_give_equal_bytes(stored: Path, tmp_path: Path) -> None:
    assert equal(*read_tensors(stored))
    write_tensors(tmp_path / "again.safetensors", dict(reversed(TENSORS.items())), NOTE)
    assert (tmp_path / "again.safetensors").read_bytes() == stored.read_bytes()


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen(stored: Path, tmp_path: Path, place: float, bit: int) -> None:
    content = bytearray(stored.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(content)
    try:
        back = read_tensors(path)
    except DataError as error:
        said = str(error)
    else:
        assert equal(*back)
        return
    assert "flipped.safetensors: " in said
    assert "delete it and run again" in said


def test_every_bit_of_a_weight_counts(stored: Path, tmp_path: Path) -> None:
    content = stored.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    path = tmp_path / "flipped.safetensors"
    for place in range(start, len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DataError, match="its checksum does not fit"):
            read_tensors(path)


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(DataError, match=r"plain\.safetensors: has no checksum"):
        read_tensors(tmp_path / "plain.safetensors")
