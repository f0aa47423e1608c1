"""Edge lists and features from a stranger: a clean graph, or one line that names the file."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neglink.datasets import build_graph
from neglink.errors import DataError, ParamsError
from tests.unit.test_hostile_files import objects, raw_pickle, text, torch_pickle

CELLS = st.sampled_from(
    ["0", "1", "2", "7", "-1", "+3", "01", "1.5", "1e3", "nan", "inf", "", " ", "a", "é", "0x1",
     "999999999999999999", "99999999999999999999", '"1"', '"', "'", "#", "%", "\0", "1\x0b2", "٣"]
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=6)
quick = settings(max_examples=120, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edges")


def check(links: Path, **told: Any) -> str:
    """What is said of a file that is refused; "" for a graph, which must be a clean one."""
    try:
        graph, report = build_graph({"kind": "custom", "links": links, **told}, Path("nowhere"))
    except (DataError, ParamsError) as error:
        said = str(error)
        assert "\n" not in said.replace(str(links), "")
        assert links.name in said or "data." in said or str(told.get("features", "\n")) in said
        return said
    low, high = graph.links.numpy()
    assert graph.m >= 1
    assert (low < high).all()
    assert (low >= 0).all()
    assert high.max() < graph.n
    assert graph.n <= max(1_000_000, 1000 * 2 * graph.m)
    assert report["cleaning"]["links"] == graph.m
    return ""


def check_text(folder: Path, name: str, content: bytes, **told: Any) -> str:
    (folder / name).write_bytes(content)
    return check(folder / name, **told)


@quick
@given(
    ROWS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans(),
    st.sampled_from([None, True, False]), st.sampled_from(["a.csv", "a.tsv", "a.txt"]),
)  # fmt: skip
def test_any_table_is_read_or_refused_by_its_name(
    folder: Path, rows: list[list[str]], end: str, bom: bool, names: bool, header: bool | None,
    name: str,
) -> None:  # fmt: skip
    between = {".csv": ",", ".tsv": "\t", ".txt": " "}[Path(name).suffix]
    content = end.join(between.join(row) for row in rows)
    told = {"ids": "any"} if names else {}
    check_text(folder, name, ("\ufeff" * bom + content).encode(), header=header, **told)


@quick
@given(st.binary(max_size=60), st.sampled_from(["a.csv", "a.edges", "a.mtx", "a.npz"]))
def test_any_bytes_are_read_or_refused_by_their_name(
    folder: Path, content: bytes, name: str
) -> None:
    check_text(folder, name, content)


@quick
@given(st.text(alphabet="0123 \n%M-.٣", max_size=40))
@example("3 3 1\n99999999999999999999 1\n")
@example("9" * 5000 + " 3 1\n2 1\n")
@example("1000000000000 1000000000000 1\n2 1\n")
def test_any_coordinate_list_is_read_or_refused_by_its_name(folder: Path, content: str) -> None:
    check_text(folder, "a.mtx", content.encode())


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def sparse(**arrays: Any) -> bytes:
    return npz(data=np.ones(1), **arrays)


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


BOMB = b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (2, 10**12), }"
BOMB = BOMB.replace(b"10**12", b"1000000000000").ljust(127) + b"\n"
"""A header that promises 16 terabytes."""
FAR = np.array([10**12, 10**12])
PAIRS = npz(links=np.array([[0, 1, 2], [1, 2, 3]]))
MATRIX = io.BytesIO()
scipy.sparse.save_npz(MATRIX, scipy.sparse.csr_array(np.eye(4)[::-1]))


@quick
@given(st.sampled_from([PAIRS, MATRIX.getvalue()]), st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    st.floats(0, 1))  # fmt: skip
def test_a_damaged_npz_is_read_or_refused_by_its_name(
    folder: Path, whole: bytes, changes: list[tuple[float, int]], keep: float
) -> None:
    content = bytearray(whole)
    for where, value in changes:
        content[int(where * len(content))] = value
    check_text(folder, "a.npz", bytes(content if keep > 0.1 else content[: int(keep * 900)]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy(np.array([[0, 1]])), "np.save writes .npy, np.savez .npz"),
        (zipped(**{"links.npy": BOMB}), "Unable to allocate"),
        (npz(links=np.array([[0, 10**18], [1, 2]])), "set ids: any"),
        (npz(links=np.array([[0, 2**64 - 1]], dtype=np.uint64)), "an id is -1"),
        (npz(links=np.zeros((2, 0), dtype=int)), "holds no links"),
        (npz(format=np.array(5)), "not a sparse matrix"),
        (sparse(format=b"coo", row=[5], col=[6], shape=FAR), "at most 100,000,000 rows"),
        (sparse(format=b"coo", row=[5], col=[6], shape=FAR // 10**5), "only 2 of them have a link"),
        (sparse(format=b"csr", indices=[-1], indptr=[0, 1], shape=[1, 1]), "must be >= 0"),
        (sparse(format=b"csr", indices=[0], indptr=[0, 1], shape=[1.5, 1]), "not a sparse matrix"),
    ],
)  # fmt: skip
def test_arrays_beyond_any_graph_are_refused_without_room_for_them(
    folder: Path, content: bytes, said: str
) -> None:
    assert said in check_text(folder, "a.npz", content)


@pytest.mark.parametrize(
    ("content", "told", "said"),
    [
        ("0,nan\n1,2\n", {}, "the first line begins with ['0', 'nan'], neither two integer ids"),
        ("0,1e3\n1,2\n", {}, "the first line begins with ['0', '1e3']"),
        ("0,1\n" * 3000 + "y" * 200_000 + ",1\n", {}, "row 3001 of the data has an id of 200000"),
        ("a,b\0\n", {"ids": "any", "header": False}, "or with a null character"),
        (
            "0,1\n",
            {"nodes": 10**15},
            "data.custom.<name>.nodes = 1000000000000000: input should be less",
        ),
        ("0,1\n", {"nodes": 10**8}, "100000000 nodes, and only 2 of them have a link"),
    ],
)
def test_what_would_be_lost_or_fill_the_memory_is_refused(
    folder: Path, content: str, told: dict[str, Any], said: str
) -> None:
    assert said in check_text(folder, "a.csv", content.encode(), **told)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("f.npy", npy(np.full((2, 2), 1e300)), "4 values are NaN or infinite, or too large"),
        ("f.csv", b"1e39,1\n2,2\n", "1 values are NaN or infinite, or too large"),
        ("f.csv", b"nan,1\n2,2\n", "1 values are NaN or infinite"),
        ("f.npy", npy(np.ones((2, 2), dtype=complex)), "numbers [nodes, features] needed"),
        ("f.npy", npz(a=np.ones((2, 2))), "np.save writes .npy"),
        ("f.npz", npy(np.ones((2, 2))), "np.savez .npz"),
        ("f.npy", BOMB, "Unable to allocate"),
        ("f.npy", b"", "not a numpy file"),
        ("f.npz", sparse(format=b"coo", row=[5], col=[6], shape=FAR), "at most 100,000,000 rows"),
        ("f.csv", b"a\n" + b"y" * 1_000_000 + b"\n", "a feature is no number"),
    ],
)
def test_features_that_are_no_finite_numbers_are_refused(
    folder: Path, name: str, content: bytes, said: str
) -> None:
    (folder / name).write_bytes(content)
    told = check_text(folder, "a.csv", b"0,1\n", features=folder / name)
    assert said in told
    assert len(told) < 600


@quick
@given(st.lists(st.tuples(st.integers(0, 159), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_features_are_read_or_refused_by_their_name(
    folder: Path, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(npy(np.ones((2, 2))))
    for where, value in changes:
        content[where] = value
    (folder / "f.npy").write_bytes(bytes(content))
    check_text(folder, "a.csv", b"0,1\n", features=folder / "f.npy")


@pytest.mark.parametrize("write", [objects, raw_pickle, torch_pickle, text])
def test_features_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("f.npz"))
    Path("f.npz").rename("f.npy")
    assert "f.npy" in check_text(tmp_path, "a.csv", b"0,1\n", features=Path("f.npy"))
    assert not Path("harm").exists()


def test_a_name_too_long_for_a_file_is_told(tmp_path: Path) -> None:
    assert "cannot be read" in check(tmp_path / ("x" * 300 + ".csv"))
