"""`neglink runs list | prune`: what is stored, which suites ask for it, what can go."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neglink.commands.options import PARAMS, ParamsFile, console
from neglink.commands.runs import packs, read_pack, runs_of
from neglink.errors import NeglinkError, StoredError

if TYPE_CHECKING:  # they load torch
    from neglink.plan import Plan
    from neglink.stored import Stored

LOCKS = Path(".snakemake/locks")
"""Where Snakemake says that it works on the project's files."""

Too = Annotated[str, typer.Option(help="Ask for these seeds too: 10, or such as 3,ogbl-ddi=1.")]

STANDING = {"step": "can go", "raw": "stays", "report": "git's", "unfinished": "being written",
            "other": "not neglink's, stays"}  # fmt: skip
"""What `list --files` says of a file that nobody asks for, by its kind."""


def list_stored(
    seeds: Too = "",
    files: Annotated[bool, typer.Option(help="List every file and who asks for it.")] = False,
    params: ParamsFile = PARAMS,
) -> None:
    """What is stored, packs and files; which suites ask for it; what can go.

    A suite asks for a run while settings and code are those that made it.
    """
    found = _Found(params, seeds)
    for suite, why in found.unplanned.items():
        typer.echo(
            f"suite {suite} is left out, and what it asks for counts as free to go (prune refuses "
            f"until it can be planned): {why}"
        )
    if files:
        for file in found.inventory.files:
            who = ", ".join(sorted(found.inventory.asked.get(file.path, ())))
            typer.echo(f"{_mb([file]):>9} MB  {file.path}  {who or STANDING[file.kind]}")
    console().print(found.by_suite())
    console().print(found.by_folder())
    _tell_others(found.inventory.others)
    typer.echo(f"asked for: with {found.seeds}, or by a pack; can go: see `neglink runs prune`")


def prune(
    delete: Annotated[bool, typer.Option(help="Delete them; without it they are listed.")] = False,
    seeds: Too = "",
    params: ParamsFile = PARAMS,
) -> None:
    """List files of steps that no suite of params.yaml and no pack asks for, or delete them.

    A pack keeps its runs and what they were made from. What was made with other seeds than
    params.yaml says is kept if --seeds repeats them. What a killed job was writing goes a day
    later. Raw files, reports and files that are not neglink's stay.
    """
    if delete and LOCKS.is_dir() and any(LOCKS.iterdir()):
        raise StoredError(
            f"{LOCKS}: Snakemake is running here; wait for it (or, if it was killed, call "
            "`snakemake --unlock`), then prune"
        )
    found = _Found(params, seeds)
    for suite, why in found.unplanned.items():
        raise StoredError(
            f"suite {suite} cannot be planned, so what it asks for is not known: {why}. Bring that "
            "in order, or take the suite out of the parameter file, then prune"
        )
    free = found.inventory.free
    for file in free:
        typer.echo(file.path)
        if delete:
            _delete(Path(file.path))
    _tell_others(found.inventory.others)
    done, hint = ("deleted: ", "") if delete else ("", "; --delete removes them")
    count = f"{done}{len(free):,} files ({_mb(free)} MB)"
    typer.echo(f"{count} that no suite asks for with {found.seeds}, and no pack{hint}")


class _Found:
    """What the project in the working folder stores, and its suites and packs."""

    def __init__(self, params: Path, seeds: str) -> None:
        from neglink.params import read_params
        from neglink.stored import inventory

        own = read_params(params)
        self.read = [own, read_params(params, seeds=seeds)] if seeds else [own]
        self.packs = {suite: read_pack(file) for suite, file in packs().items()}
        self.inventory = inventory(Path(), self._plans(), self.packs)

    @property
    def seeds(self) -> str:
        """With which seeds suites were asked, in words."""
        return " or ".join(params.seeds_text for params in self.read)

    def _plans(self) -> Iterator["Plan"]:
        """Each suite's plan with its own seeds, and with those given.

        `unplanned` names the suites without one, such as those of a file that is missing.
        """
        from neglink.plan import Plan

        self.asked: dict[str, set[str]] = {}
        self.unplanned: dict[str, str] = {}
        for params in self.read:
            for suite in params.suites:
                try:
                    plan = Plan(params, suite)
                except NeglinkError as error:
                    self.unplanned[suite] = str(error)
                    continue
                self.asked.setdefault(suite, set()).update(runs_of(plan))
                yield plan

    def by_suite(self) -> Table:
        """A row for each suite that has a file or a pack."""
        table = Table("suite", box=None)
        for heading in (
            "its runs", "here", "in pack", "of them its", "files", "MB", "MB no other asks for"
        ):  # fmt: skip
            table.add_column(heading, justify="right")
        for suite, asked in self.asked.items():
            files, pack = self.inventory.of(suite), self.packs.get(suite)
            if not files and pack is None:
                continue
            here = sum(file.path in asked for file in files)
            alone = [file for file in files if self.inventory.asked[file.path] == {suite}]
            held = (f"{len(pack):,}", f"{len(pack.keys() & asked):,}") if pack else ("–", "–")
            counts = (f"{len(asked):,}", f"{here:,}", *held, f"{len(files):,}")
            table.add_row(suite, *counts, _mb(files), _mb(alone))
        for suite in self.packs.keys() - self.asked.keys():
            asks = "not known" if suite in self.unplanned else "no such"
            table.add_row(suite, asks, "–", f"{len(self.packs[suite]):,}", "0")
        return table

    def by_folder(self) -> Table:
        """A row for each folder: its files, those that are asked for, those that can go."""
        table = Table("folder", box=None)
        for heading in ("files", "MB", "asked for", "MB", "can go", "MB"):
            table.add_column(heading, justify="right")
        found = self.inventory
        for folder in sorted({file.folder for file in found.files}):
            files = [file for file in found.files if file.folder == folder]
            asked = [file for file in files if file.path in found.asked]
            free = [file for file in found.free if file.folder == folder]
            counts = [
                text for part in (files, asked, free) for text in (f"{len(part):,}", _mb(part))
            ]
            if all(file.kind == "report" for file in files):
                counts[2:] = ["git's"]
            table.add_row(folder, *counts)
        return table


def _mb(files: Iterable["Stored"]) -> str:
    return f"{sum(file.size for file in files) / 1e6:,.2f}"


def _tell_others(others: Iterable["Stored"]) -> None:
    for file in others:
        typer.echo(f"not neglink's, stays: {file.path}")


def _delete(path: Path) -> None:
    """Remove a file, of a symbolic link the link alone."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoredError(f"{path}: cannot be deleted ({error.strerror})") from None
