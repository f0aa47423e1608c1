"""Files are whole or absent."""

from pathlib import Path

import numpy as np
import pytest

from neglink.errors import DataError
from neglink.files import (
    atomic,
    bring_back,
    canonical,
    digest_of,
    forget_finished,
    keep_finished,
    read_arrays,
    read_json,
    sha256,
    write_arrays,
    write_json,
    write_text,
)


class _BrokenError(Exception):
    pass


def half_written(path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise _BrokenError


@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before)
    with pytest.raises(_BrokenError):
        half_written(path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_the_file_appears_under_its_name_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.npz"
    with atomic(path) as temporary:
        temporary.write_text("x")
        assert temporary.suffix == ".npz"
        assert not path.exists()
    assert path.read_text() == "x"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": -float("inf")}]])
def test_json_without_a_number_is_refused_and_nothing_is_written(
    tmp_path: Path, value: object
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of(value)


def test_json_comes_back_and_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "1.json", tmp_path / "2.json"
    write_json(one, {"b": [1.5, None], "a": "é"})
    write_json(other, {"a": "é", "b": [1.5, None]})
    assert read_json(one) == {"a": "é", "b": [1.5, None]}
    assert one.read_bytes() == other.read_bytes()


def test_keys_that_are_no_strings_do_not_upset_the_checksum(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {10: "a", 9: ("b",)})
    assert read_json(tmp_path / "x.json") == {"10": "a", "9": ["b"]}


def test_no_flipped_bit_of_a_json_file_changes_a_value(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    value = {"auc": 0.8437, "hits": [13, None], "run": {"seed": 3}}
    write_json(path, value)
    whole, unseen = path.read_bytes(), 0
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = read_json(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: damaged")  # noqa: PT017
        else:  # white space, or the key of the checksum
            unseen += 1
            assert {key: found.get(key) for key in value} == value
    assert unseen < 0.1 * 8 * len(whole)


def test_a_json_file_for_others_has_no_checksum(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1}, sealed=False)
    assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
    assert read_json(tmp_path / "x.json") == {"a": 1}


def test_arrays_come_back_and_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6).reshape(2, 3), "y": np.array(["a", "b"])}
    for name in ("1", "2"):
        write_arrays(tmp_path / f"{name}.npz", arrays)
    back = read_arrays(tmp_path / "1.npz")
    assert set(back) == {"x", "y"}
    assert (back["x"] == arrays["x"]).all()
    assert (back["y"] == arrays["y"]).all()
    assert sha256(tmp_path / "1.npz") == sha256(tmp_path / "2.npz")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.99])
def test_a_cut_off_npz_is_told_by_its_name(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "graph.npz"
    write_arrays(path, {"x": np.random.default_rng(0).random(500)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataError, match=r"graph\.npz: damaged .* delete it and run again"):
        read_arrays(path)


def test_an_npz_with_a_changed_byte_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    write_arrays(path, {"x": np.random.default_rng(0).random(500)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"graph\.npz: damaged"):
        read_arrays(path)


def test_pickled_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays(tmp_path / "x.npz", {"x": objects})
    np.savez(tmp_path / "y.npz", x=objects)
    with pytest.raises(DataError, match=r"y\.npz: damaged"):
        read_arrays(tmp_path / "y.npz")


def test_kept_files_are_brought_back_together_until_they_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "train"
    paths = [folder / "a.safetensors", folder / "a.json"]
    assert not bring_back(*paths)
    for path in paths:
        write_text(path, path.suffix)
    keep_finished(*paths)
    keep_finished(*paths)  # a third attempt follows the second
    for path in paths:
        path.unlink()
    assert bring_back(*paths)
    assert [path.read_text() for path in paths] == [".safetensors", ".json"]
    keep_finished(paths[0])
    assert not bring_back(*paths)
    forget_finished([tmp_path])
    assert sorted(folder.iterdir()) == sorted(paths)


def test_digests_depend_on_values_alone() -> None:
    assert canonical({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})
    assert len(digest_of(None)) == 12
