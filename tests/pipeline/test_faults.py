"""The pipeline when things go wrong: what is said, what stays, what the next run does."""

import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import small_disk
from tests.pipeline.conftest import Project
from tests.unit.documents import only

(KEEP_GOING, LOOK), (UNLOCK,) = (
    [shlex.split(line) for line in block.splitlines()] for block in only("how-to/faults.md", "bash")
)
"""What docs/how-to/faults.md tells to call."""

LOCKED = "Directory cannot be locked"
STORED = ("data/splits/*", "results/checkpoints/*/*", "results/metadata/*", "results/metrics/*")


def contents(project: Project, *patterns: str) -> dict[str, bytes]:
    return {path: content for path, (_, content) in project.files(*patterns).items()}


# ── two pipelines in one folder ─────────────────────────────────────────────────────────────────


def test_a_second_pipeline_is_refused_and_after_a_kill_unlock_lets_the_next_one_in(
    built: Project,
) -> None:
    whole = contents(built, *STORED)
    for path in built.folder.glob("data/splits/*"):
        path.unlink()
    kept = built.files(*STORED)
    first = built.start(sys.executable, "-m", "snakemake", "--cores", "1", "splits", "evaluations")
    locks = built.folder / ".snakemake/locks"
    end = time.monotonic() + 60
    while not (locks.is_dir() and any(locks.iterdir())):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < end, "no lock came"
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGSTOP)  # it is alive, and stays where it is
    try:
        said = built.snakemake("--cores", "1", "splits", fails=True)
        assert LOCKED in said
        assert "no other Snakemake process is trying to create the same files" in said
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=60)
    after_kill = built.snakemake("--cores", "1", "splits", fails=True)
    assert LOCKED in after_kill
    assert "--unlock" in after_kill
    built.call(*UNLOCK)
    built.build("splits")
    after = built.files(*STORED)
    assert {path: after[path] for path in kept} == kept
    assert contents(built, "data/splits/*.npz") == {
        path: content for path, content in whole.items() if re.fullmatch("data/splits/.*npz", path)
    }


def test_equal_steps_at_the_same_time_leave_whole_files(built: Project) -> None:
    split = next(built.folder.glob("data/splits/*.npz"))
    graph = next(built.folder.glob("data/graphs/*.npz"))
    whole = split.read_bytes()
    told = json.loads(split.with_suffix(".json").read_text())
    split.unlink()
    command = ("neglink", "split", str(graph), str(split), str(split.with_suffix(".json")),
               "--settings", json.dumps(told["settings"]),
               "--made-from", json.dumps({"step": told["step"]}))  # fmt: skip
    steps = [built.start(*command) for _ in range(3)]
    said = [step.communicate(timeout=300)[0] for step in steps]
    assert [step.returncode for step in steps] == [0, 0, 0], said
    assert split.read_bytes() == whole
    assert json.loads(split.with_suffix(".json").read_text())["step"] == told["step"]
    assert not [path for path in split.parent.iterdir() if path.name.startswith(".")]


# ── a disk that is full ─────────────────────────────────────────────────────────────────────────


def test_a_file_in_the_place_of_a_folder_is_told_by_name(built: Project) -> None:
    folder = built.folder / "results/checkpoints"
    shutil.rmtree(folder)
    folder.touch()
    said = built.snakemake("--cores", "1", "--forceall", fails=True)
    assert "cannot make the folder results/checkpoints" in said
    assert "move away what stands in its place" in said
    assert "Traceback" not in said
    assert "failed:" not in said  # no job was begun


@pytest.mark.parametrize("place", ["results", "results/tables", "logs"])
def test_a_file_in_the_place_of_a_folder_above_is_told_before_snakemake_looks_into_it(
    fresh: Project, place: str
) -> None:
    (fresh.folder / place).parent.mkdir(exist_ok=True)
    (fresh.folder / place).touch()
    for arguments in (("--cores", "1"), ("--dry-run",)):
        said = fresh.snakemake(*arguments, fails=True)
        assert f"neglink: error: cannot make the folder {place}: not a directory; move away" in said
        assert "Traceback" not in said
    assert not (fresh.folder / "data").exists()


@pytest.fixture
def disk(built: Project, tmp_path: Path) -> Iterator[Path]:
    """The checkpoints on a disk of one MB, with what was there."""
    folder = built.folder / "results/checkpoints"
    folder.rename(tmp_path / "before")
    folder.mkdir()
    with small_disk(folder, "1m"):
        shutil.copytree(tmp_path / "before", folder, dirs_exist_ok=True)
        yield folder


def test_a_full_disk_stops_the_step_by_name_and_with_room_the_next_run_goes_on(
    built: Project, disk: Path
) -> None:
    whole = contents(built, *STORED)
    for path in (disk / "student").iterdir():
        path.unlink()
    kept = built.files(*STORED)
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2**21))
    said = built.snakemake("--cores", "1", "trainings", fails=True)
    assert re.search(
        r"neglink: error: cannot write results/checkpoints/student/planted-\S+\.safetensors: "
        r"no space left on device; free some space there and run again", said,
    )  # fmt: skip
    assert re.search(
        r"neglink: 1 job failed:\n  student planted-\S+: cannot write .*: no spa", said
    )
    assert "Traceback" not in said
    assert built.files(*STORED) == kept
    filler.unlink()
    built.build("trainings")
    after = contents(built, *STORED)
    assert after.keys() == whole.keys()
    weights = next(path for path in whole if "/student/" in path and path.endswith("tensors"))
    assert after[weights] == whole[weights]


# ── a loss that is no number ────────────────────────────────────────────────────────────────────


def test_a_run_whose_loss_is_no_number_is_named_and_all_others_finish(built: Project) -> None:
    built.set("methods.wild", {"kind": "plain", "epochs": 4, "learning_rate": 1e30})
    built.set("suites.tiny.methods", ["plain", "wild"])
    shutil.rmtree(built.folder / "results/metrics")
    said = built.call(*KEEP_GOING, "--config", "seeds=2", fails=True)
    assert "neglink: 2 jobs failed:\n  train planted-gcn-uniform-s0-" in said
    for seed in (0, 1):
        step = rf"planted-gcn-uniform-s{seed}-[0-9a-f]{{12}}"
        assert re.search(rf"neglink: error: {step}: the loss is nan in epoch 2: lower learn", said)
    assert "Traceback" not in said
    assert not built.files("results/**/*wild*")
    there = {re.sub(r"-[0-9a-f]{12}\.json$", "", path) for path in built.files("results/metrics/*")}
    finished = ("planted-gcn-uniform-plain", "planted-gcn-dns-mebns", "planted-cn")
    assert there == {f"results/metrics/{run}-s{seed}" for run in finished for seed in (0, 1)}
    assert "6 of 8 results" in built.call(*LOOK, "--seeds", "2")
    tables = built.folder / "results/tables/tiny"
    rows = [line for line in (tables / "results.md").read_text().splitlines() if "wild" in line]
    assert rows
    assert all("not run" in row for row in rows)
    for path in [*tables.iterdir(), built.folder / "results/report/tiny.html"]:
        assert not re.search(r"\bnan\b", path.read_text(), re.IGNORECASE), path
