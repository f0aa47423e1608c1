"""What lies in data/ and results/, who asks for it, and what can go."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from neglink.datasets import entry, names
from neglink.errors import DataError, StoredError
from neglink.files import FINISHED, UNFINISHED, litter, read_json
from neglink.plan import CHECKPOINT, PATHS, STATE, Plan, Step

ROOTS = ("data", "results")
"""All that neglink stores is below these folders of the project."""

RAW = "data/raw"

REPORTS = ("results/tables", "results/figures", "results/report", "results/runs")
"""Folders that are git's."""

Kind = Literal["step", "raw", "report", "unfinished", "other"]
"""`step`: of a step, of any settings, or left by one that was killed while it wrote; `raw`: of a
data set of the catalog; `report`: below `REPORTS`; `unfinished`: a step may be writing it, or need
it for its next attempt; `other`: not neglink's."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*-[0-9a-f]{12}"
"""A step's name: label and digest."""


@dataclass(frozen=True)
class Stored:
    """A file below one of `ROOTS`."""

    path: str
    """From the project's folder, with slashes."""
    size: int
    """Bytes; of a symbolic link, its own."""
    kind: Kind

    @property
    def stem(self) -> str:
        """The file's name without its suffix: the step's name."""
        return PurePosixPath(self.path).stem

    @property
    def folder(self) -> str:
        """The folder that it is counted under, such as results/metrics."""
        return "/".join(self.path.split("/")[:-1][:2]) or self.path


@dataclass(frozen=True)
class Inventory:
    """All stored files, and who asks for each."""

    files: tuple[Stored, ...]
    """By path."""
    asked: Mapping[str, frozenset[str]]
    """Path → suites that ask for it; where none does, packs that hold or need it ("pack NAME")."""

    def of(self, suite: str) -> list[Stored]:
        """Files that a suite asks for."""
        return [file for file in self.files if suite in self.asked.get(file.path, ())]

    @cached_property
    def free(self) -> list[Stored]:
        """Files of steps that nobody asks for: they can go."""
        return [file for file in self.files if file.kind == "step" and file.path not in self.asked]

    @cached_property
    def others(self) -> list[Stored]:
        """Files that are not neglink's: they stay."""
        return [file for file in self.files if file.kind == "other"]


def inventory(
    project: Path, plans: Iterable[Plan], packs: Mapping[str, Mapping[str, Any]]
) -> Inventory:
    """What a project stores.

    Args:
        project: its folder; nothing outside is looked at, no symbolic link is followed.
        plans: whose steps are asked for, with the raw files of their data sets.
        packs: suite → path → content of the runs of its pack. They are kept, and so is all that
            they say they were made from.
    """
    files = tuple(stored_files(project))
    asked: dict[str, set[str]] = {}
    for plan in plans:
        for steps in plan.steps.values():
            for path in (path for step in steps.values() for path in _files_of(step)):
                asked.setdefault(path, set()).add(plan.suite_name)
    left: dict[str, list[str]] = {}  # by the step's name
    for file in files:
        if file.kind == "step" and file.path not in asked:
            left.setdefault(file.stem, []).append(file.path)
    free = {path for paths in left.values() for path in paths}
    for suite, runs in packs.items():
        for path in free.intersection(_needed(project, runs, left)):
            asked.setdefault(path, set()).add(f"pack {suite}")
    return Inventory(files, {path: frozenset(who) for path, who in asked.items()})


def stored_files(project: Path) -> list[Stored]:
    """Every file below data/ and results/, by path.

    A symbolic link is a file like any other, whatever it points at: a folder behind one is not
    entered.
    """
    found = (file for root in ROOTS for file in _below(project, root))
    dead = {path.relative_to(project).as_posix() for path in litter(project / r for r in ROOTS)}
    files = (Stored(path, size, "step" if path in dead else _kind(path)) for path, size in found)
    return sorted(files, key=lambda file: file.path)


def _below(project: Path, place: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of the file at a place, or of all files below the folder there."""
    path = project / place
    try:
        if path.is_symlink() or not path.is_dir():
            yield place, path.lstat().st_size
            return
        inside = sorted(one.name for one in path.iterdir())
    except FileNotFoundError:  # a job may move its file into place meanwhile
        return
    except OSError as error:
        raise StoredError(f"{place}: not readable ({error.strerror})") from None
    for name in inside:
        yield from _below(project, f"{place}/{name}")


def _pattern(pattern: str) -> str:
    """Regular expression of a file of steps."""
    folder, _, file = pattern.rpartition("/")
    suffix = re.escape(file.removeprefix("{name}"))
    folder = re.escape(folder).replace(re.escape("{kind}"), "[A-Za-z0-9._+-]+")
    return rf"{folder}/{_NAME}{suffix}"


_FILES = {text for paths in (*PATHS.values(), CHECKPOINT) for text in paths.values()} | {STATE}
_STEPS = re.compile("|".join(map(_pattern, sorted(_FILES))))
_CATALOG = {f"{RAW}/{file.path}" for name in names() for file in entry(name).files}


def _kind(path: str) -> Kind:
    if PurePosixPath(path).name.startswith((FINISHED, UNFINISHED)):
        return "unfinished"
    if _STEPS.fullmatch(path):
        return "step"
    if path in _CATALOG:
        return "raw"
    return "report" if path.startswith(tuple(f"{folder}/" for folder in REPORTS)) else "other"


def _files_of(step: Step) -> Iterator[str]:
    """Files that a step makes or brings."""
    yield from step.paths.values()
    if step.kind not in PATHS:
        yield STATE.format(kind=step.kind, name=step.name)
    if step.kind == "fetch":
        yield from (f"{RAW}/{file.path}" for file in entry(step.settings["name"]).files)


def _needed(
    project: Path, runs: Mapping[str, Any], by_name: Mapping[str, list[str]]
) -> Iterator[str]:
    """Files of the runs of a pack, and of the steps that they were made from, one by one back."""
    yield from runs
    waiting = [name for content in runs.values() for name in _inputs(content.get("made_from"))]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in by_name.get(name, ()):
            yield path
            if path.endswith(".json"):
                waiting += _inputs(_side(project / path))


def _inputs(made_from: Any) -> list[str]:
    """Names of the steps that something was made from."""
    inputs = made_from.get("inputs") if isinstance(made_from, dict) else None
    values = inputs.values() if isinstance(inputs, dict) else ()
    return [name for name in values if isinstance(name, str)]


def _side(path: Path) -> Any:
    """What a JSON file beside a step's output says; nothing where it is damaged."""
    try:
        content = read_json(path)
    except (OSError, DataError):
        return None
    return content.get("made_from", content) if isinstance(content, dict) else None
