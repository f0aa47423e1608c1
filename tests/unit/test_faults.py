"""Faults of a machine, injected: kills, full disks, flipped bits, numbers that are none."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neglink import cli, files
from neglink.errors import DataError, OutputError, TrainingError
from neglink.files import (
    DEAD_AFTER,
    UNFINISHED,
    atomic,
    litter,
    read_arrays,
    read_json,
    write_arrays,
    write_json,
    write_text,
)
from neglink.graph import save_graph
from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.samplers import SAMPLERS
from neglink.splits import PROTOCOLS, SPLITS, make_split
from neglink.steps.common import load_checkpoint, save_checkpoint
from neglink.steps.report import run_report
from neglink.tensors import write_tensors
from tests.conftest import random_graph, small_disk
from tests.unit.reporting_data import metrics, suite
from tests.unit.test_mebns import make_run

linux = pytest.mark.skipif(sys.platform != "linux", reason="uses a device or a limit of Linux")


# ── killed between writing and renaming ─────────────────────────────────────────────────────────

WRITER = """
import os, signal, sys
from pathlib import Path
from neglink import files

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

moment, path = sys.argv[1], Path(sys.argv[2])
if moment == "flushing":
    os.fsync = die
elif moment == "renamed":
    files._flush_folder = die
with files.atomic(path) as temporary:
    temporary.write_text("new")
    if moment == "writing":
        die()
"""


@pytest.mark.parametrize(
    ("moment", "content", "left"), [("writing", "old", 1), ("flushing", "old", 1),
                                    ("renamed", "new", 0)]
)  # fmt: skip
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, moment: str, content: str, left: int
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    died = subprocess.run([sys.executable, "-c", WRITER, moment, str(path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert path.read_text() == content
    found = litter([tmp_path], dead_after=-1)
    assert len(found) == left
    assert set(tmp_path.iterdir()) == {path, *found}
    write_text(path, "next")
    assert path.read_text() == "next"


def test_litter_is_what_nobody_has_touched_for_a_day(tmp_path: Path) -> None:
    old = time.time() - DEAD_AFTER - 60
    (tmp_path / "deep").mkdir()
    for name in ("a.txt", ".my-settings.json", "deep/b.npz"):  # not ours, or finished
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (old, old))
    with atomic(tmp_path / "deep/c.npz") as alive:
        dead = [alive.with_name(f"{UNFINISHED}abcdefgh.npz"), tmp_path / f"{UNFINISHED}x.json"]
        for path in dead:
            path.touch()
            os.utime(path, (old, old))
        assert litter([tmp_path]) == sorted(dead)
    assert litter([tmp_path / "none"]) == []


class _KilledError(BaseException):
    """Ends a process as far as this test goes: nothing that catches errors sees it."""


def test_a_report_that_is_killed_has_no_marker_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = suite(tmp_path, [metrics(), metrics(seed=1)], figures=["comparison"])
    tables, figures = tmp_path / "tables", tmp_path / "figures"
    marker = tables / "made-from-x"

    def made() -> dict[Path, bytes]:
        run_report(listed, tables, figures, tmp_path / "page.html", marker)
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    renames: list[Path] = []
    monkeypatch.setattr(files, "_flush_folder", renames.append)
    whole = made()
    assert marker in whole
    count = len(renames)
    for last in (1, count // 2, count - 1):
        renames.clear()

        def until(folder: Path, last: int = last) -> None:
            renames.append(folder)
            if len(renames) == last:
                raise _KilledError

        monkeypatch.setattr(files, "_flush_folder", until)
        with pytest.raises(_KilledError):
            made()
        assert not list(tables.glob("made-from-*"))
        monkeypatch.setattr(files, "_flush_folder", renames.append)
        assert made() == whole


# ── disks that are full, folders that cannot be written ─────────────────────────────────────────


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within, no file grows beyond `size` bytes: the system refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


NUMBERS = np.random.default_rng(0).random(4000)
WRITERS: dict[str, Callable[[Path], None]] = {
    "x.txt": lambda path: write_text(path, "x" * 20_000),
    "x.json": lambda path: write_json(path, NUMBERS.tolist()),
    "x.npz": lambda path: write_arrays(path, {"x": NUMBERS, "y": NUMBERS[:3]}),
    "x.safetensors": lambda path: write_tensors(path, {"x": torch.from_numpy(NUMBERS)}),
}


@linux
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_does_not_fit_is_one_error_and_the_old_one_stays(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_text("old")
    with files_of_at_most(10_000), pytest.raises(OutputError) as caught:
        WRITERS[name](path)
    assert str(caught.value) == (
        f"cannot write {path}: file too large; raise the limit on the size of a file (ulimit -f) "
        "and run again (nothing half written is left, and what was finished stays)"
    )
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    WRITERS[name](path)  # there is room again


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_told_with_the_way_out(tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path, "16k"):
        write_text(tmp_path / "finished", "whole")
        with pytest.raises(OutputError, match=rf"{name}: no space left .*; free some space there"):
            WRITERS[name](tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == ["finished"]
        assert (tmp_path / "finished").read_text() == "whole"


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"),
     (errno.EROFS, "make the folder writable"), (errno.EIO, "look after that disk")],
)  # fmt: skip
def test_a_disk_that_fails_when_flushed_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.json"
    write_json(path, "old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=rf"cannot write .*x\.json: .*{hint}"):
        write_json(path, "new")
    assert read_json(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Within, permissions hold: root is nobody for a while."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    for path in (folder / "x.json", folder / "new/x.json"):
        with (
            unprivileged(),
            pytest.raises(OutputError, match=r"x\.json: permission denied; make .* writable"),
        ):
            write_json(path, 1)
    assert list(folder.iterdir()) == []


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    for path in (tmp_path / "results/x.json", tmp_path / "results/deep/x.json"):
        with pytest.raises(OutputError, match="move away what stands in its place"):
            write_json(path, 1)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="is a directory; move away"):
        write_json(tmp_path / "folder", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "results"]


def test_what_cannot_be_read_while_writing_is_not_called_unwritable(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with (
        pytest.raises(NotADirectoryError),
        atomic(tmp_path / "copy.txt") as temporary,
    ):
        temporary.write_bytes(Path(__file__, "x").read_bytes())


GRAPH = ("--settings", '{"source": {"kind": "planted", "nodes": 60, "features": 0}}')


def said(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:  # fmt: skip
    """What the command says on stderr as it ends with status 2: one line."""
    monkeypatch.setattr(sys, "argv", ["neglink", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("neglink: error: ")
    assert text.count("\n") == 1
    return text


def test_every_error_of_the_system_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    told = said(("graph", "file/g.npz", "file/g.json", *GRAPH), capsys, monkeypatch)
    assert told.startswith("neglink: error: cannot write file/g.npz: ")
    split = json.dumps({"split": {"kind": "random"}, "protocol": {"kind": "uniform"}, "seed": 0})
    told = said(("split", "none.npz", "s.npz", "s.json", "--settings", split), capsys, monkeypatch)
    assert told == "neglink: error: none.npz: No such file or directory\n"
    assert [path.name for path in Path().iterdir()] == ["file"]


@linux
def test_an_error_whose_log_does_not_fit_either_is_said_where_snakemake_shows_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-c", "from neglink.cli import main; main()", "graph", "file/g.npz",
             "file/g.json", *GRAPH],
            cwd=tmp_path, stderr=full, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert run.returncode == 2
    assert run.stdout.startswith("neglink: error: cannot write file/g.npz")


# ── damaged files ───────────────────────────────────────────────────────────────────────────────


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and np.array_equal(one[key], other[key]) for key in one
    )


def arrays_or_error(path: Path) -> dict[str, Any] | str:
    """What a file holds, or the one message that refuses it."""
    try:
        return read_arrays(path)
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 11])
def test_no_flipped_bit_of_an_npz_changes_what_is_read(tmp_path: Path, step: int) -> None:
    path = tmp_path / "a.npz"
    arrays = {"n": np.array(7), "links": np.arange(12).reshape(2, 6), "x": np.eye(3)}
    write_arrays(path, arrays)
    content = path.read_bytes()
    assert equal(read_arrays(path), arrays)
    bits = range(0, 8 * len(content), step)
    refused = 0
    for bit in bits:
        path.write_bytes(flipped(content, bit))
        read = arrays_or_error(path)
        if isinstance(read, str):
            assert read.startswith(f"{path}: damaged ("), bit
            assert read.endswith("delete it and run again"), bit
            refused += 1
        else:
            assert equal(read, arrays), bit
    assert refused > 0.6 * len(bits)  # the rest are times of change and the like


@pytest.mark.parametrize("kind", ["graph", "split"])
def test_a_flipped_bit_of_a_graph_or_split_stops_the_step_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = random_graph()
    save_graph(Path("graph.npz"), graph)
    split = make_split(graph, SPLITS.make("random"), PROTOCOLS.make("uniform"), seed=0)
    split.save(Path("split.npz"))
    path = Path(f"{kind}.npz")
    path.write_bytes(flipped(path.read_bytes(), 4 * path.stat().st_size))
    settings = json.dumps({"run": {"seed": 0}, "predictor": {"kind": "cn"}})
    arguments = ("evaluate", "graph.npz", "split.npz", "m.json", "--settings", settings)
    assert f"{kind}.npz: damaged" in said(arguments, capsys, monkeypatch)
    assert not Path("m.json").exists()


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b'{"a": \xff}'])
def test_damaged_json_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json: damaged .* delete it and run again"):
        read_json(tmp_path / "x.json")


def test_your_own_file_that_changes_after_the_plan_is_not_stored_under_its_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from neglink.datasets import identity

    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("0,1\n1,2\n")
    source = {"kind": "custom", "links": "mine.csv"}
    told = {"name": "mine", "identity": identity(source), "source": source}
    Path("mine.csv").write_text("0,1\n1,3\n")
    arguments = ("graph", "g.npz", "g.json", "--settings", json.dumps(told))
    text = said(arguments, capsys, monkeypatch)
    assert "data set mine: a file of it has changed since this run was planned" in text
    assert not Path("g.npz").exists()


# ── numbers that are none ───────────────────────────────────────────────────────────────────────

EXPLODING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "plain": ("gcn", "uniform", {"epochs": 8}),
    "plain-averaged": ("gcn", "uniform", {"epochs": 8}),
    "plain-averaged-global": ("gcn", "uniform", {"epochs": 8}),
    "plain-global": ("gcn", "fns", {"epochs": 8}),
    "mebns": ("gcn", "dns", {"teacher_epochs": 4}),
    "pull": ("gcn", "uniform", {"iterations": 2, "inner_epochs": 5}),
    "autoencoder": ("vgae", "uniform", {"epochs": 8}),
    "bagging-pu": ("bagged-gcn", "uniform", {"epochs": 8}),
    "nml": ("gcn-rrelu", "uniform", {"epochs": 8, "pretrain_learning_rate": 1e30}),
    "dmns": ("gcn", "uniform", {"epochs": 8}),
}
"""Method → predictor, sampler, settings."""


def explode(name: str, **settings: Any) -> str:
    """What a method says of a training under these settings, which must fail."""
    predictor, sampler, own = EXPLODING[name]
    run = make_run(random_graph(n=40, m=120), predictor)
    run = replace(run, sampler=SAMPLERS.make(sampler))
    with pytest.raises(TrainingError) as caught:
        fit(METHODS.make(name, **{**own, **settings}), run)
    return str(caught.value)


def test_every_method_is_here() -> None:
    assert set(EXPLODING) == set(METHODS.names())


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("name", EXPLODING)
def test_a_loss_or_a_score_that_is_no_number_ends_the_training_with_the_epoch(
    name: str, every: int
) -> None:
    said = explode(name, learning_rate=1e30, validate_every=every)
    assert re.fullmatch(
        r"(the loss is (nan|inf)|the scores are no numbers) in epoch \d+: lower learning_rate "
        r"\(now 1e\+30\), or look for extreme feature values", said,
    )  # fmt: skip


def test_a_student_that_explodes_is_told_with_its_epoch() -> None:
    settings = {"teacher_epochs": 4, "student_epochs": 6, "tau_quantile": 0.8, "passes": 2}
    for every in (1, 5):
        said = explode("mebns", **settings, student_learning_rate=1e30, validate_every=every)
        assert re.search(r"epoch [56]: .*: lower .*rate \(now 1e\+30\)", said)


def test_a_diffusion_that_explodes_is_told_with_the_epoch() -> None:
    said = explode("dmns", diffusion_learning_rate=1e30)
    assert re.match(r"epoch \d+: the diffusion's loss is (nan|inf)", said)


def test_scores_that_are_no_numbers_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = random_graph()
    save_graph(Path("g.npz"), graph)
    split = make_split(graph, SPLITS.make("random"), PROTOCOLS.make("uniform"), seed=0)
    split.save(Path("s.npz"))
    parts = {"predictor": {"kind": "gcn", "hidden": 4, "d": 2}, "sampler": {"kind": "uniform"},
             "method": {"kind": "plain", "epochs": 1, "select": "auc"}}  # fmt: skip
    train = json.dumps({**parts, "seed": 0})
    monkeypatch.setattr(
        sys, "argv", ["neglink", "train", "g.npz", "s.npz", "c.safetensors", "c.json",
                      "--settings", train],
    )  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    stored = load_checkpoint(Path("c.safetensors"))
    stored.weights[next(iter(stored.weights))].fill_(float("nan"))
    save_checkpoint(Path("c.safetensors"), stored)
    told = json.dumps({**parts, "run": {"seed": 0}})
    capsys.readouterr()
    text = said(
        ("evaluate", "g.npz", "s.npz", "m.json", "--checkpoint", "c.safetensors", "--settings",
         told, "--made-from", '{"step": "cora-gcn"}'),
        capsys, monkeypatch,
    )  # fmt: skip
    assert text.startswith("neglink: error: cora-gcn: ")
    assert "are NaN or infinite" in text
    assert not Path("m.json").exists()
