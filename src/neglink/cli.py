"""The command `neglink`: every pipeline step by hand, and the tools around them."""

import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from neglink import __version__
from neglink.commands import data as data_commands
from neglink.commands import predict as predict_command
from neglink.commands import reference as reference_command
from neglink.commands import runs as runs_commands
from neglink.commands import same as same_command
from neglink.commands import stored as stored_commands
from neglink.commands import verify as verify_command
from neglink.commands.expected import show_expected
from neglink.commands.options import PARAMS, ParamsFile, Seeds
from neglink.errors import DataError, NeglinkError, ParamsError, TrainingError
from neglink.files import bring_back, canonical, keep_finished, parse_json

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Negative sampling for graph link prediction. Steps are normally run by Snakemake.",
)
params_app = typer.Typer(no_args_is_help=True, help="Look at params.yaml.")
app.add_typer(data_commands.app, name="data", help="Look at, check and fetch data sets.")
runs_commands.app.command("verify")(verify_command.verify)
runs_commands.app.command("list")(stored_commands.list_stored)
runs_commands.app.command("prune")(stored_commands.prune)
app.add_typer(runs_commands.app, name="runs")
app.add_typer(params_app, name="params")
app.command("predict")(predict_command.predict)
app.command("reference")(reference_command.reference)
app.command("same")(same_command.same)

COMPONENTS = ("split", "protocol", "predictor", "sampler", "method")
"""Keys of --settings that hold a component: its `kind`, and its settings."""

Settings = Annotated[str, typer.Option(help="JSON of the step's settings, or @FILE.json.")]
MadeFrom = Annotated[str, typer.Option(help="JSON that identifies the step, or @FILE.json.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of numerical kernels.")]
Attempt = Annotated[
    int, typer.Option(min=0, help="Which attempt of a batch job this is; from 2, none is repeated.")
]
Raw = Annotated[Path, typer.Option(help="Folder of raw files.")]
Mirror = Annotated[Path | None, typer.Option(help="Folder tried before any download.")]
Made = Annotated[
    list[str], typer.Option("--made", help="STEP=FILE made by an earlier step of the method.")
]


@app.command()
def fetch(
    marker: Path, settings: Settings, made_from: MadeFrom = "{}",
    raw: Raw = Path("data/raw"), mirror: Mirror = None,
) -> None:  # fmt: skip
    """Bring a data set's raw files into data/raw, verified; MARKER lists them."""
    from neglink.steps.graph import run_fetch

    told = _told(settings, source=dict)
    run_fetch(marker, told, _json(made_from, "--made-from"), raw, _mirror(mirror, told))


@app.command()
def graph(
    output: Path, side: Path, settings: Settings, made_from: MadeFrom = "{}",
    raw: Raw = Path("data/raw"), mirror: Mirror = None,
) -> None:  # fmt: skip
    """Read a data set and store it as OUTPUT (npz); SIDE (JSON) tells what it was made from."""
    from neglink.steps.graph import run_graph

    told = _told(settings, source=dict)
    _unchanged(told)
    run_graph(output, side, told, _json(made_from, "--made-from"), raw, _mirror(mirror, told))


@app.command()
def split(
    graph: Path, output: Path, side: Path, settings: Settings, made_from: MadeFrom = "{}"
) -> None:
    """Split GRAPH's links, draw the ranked negatives, check for leaks."""
    from neglink.steps.split import run_split

    told = _told(settings, split=dict, protocol=dict, seed=int)
    run_split(graph, output, side, told, _json(made_from, "--made-from"))


def _training(step: str) -> Any:
    """The command of one training step; they differ in name alone."""

    def command(
        graph: Path, split: Path, output: Path, side: Path, settings: Settings,
        made: Made = [], made_from: MadeFrom = "{}", attempt: Attempt = 0,  # noqa: B006
    ) -> None:  # fmt: skip
        earlier = dict(_named_file(item) for item in made)
        told = _told(settings, predictor=dict, sampler=dict, method=dict, seed=int)
        _use_threads(told.get("threads", 1))
        from neglink.steps.train import run_training

        identity = _json(made_from, "--made-from")
        if attempt > 1 and bring_back(output, side):
            name = identity.get("step", output)
            logging.getLogger("neglink").info("%s: made by an earlier attempt", name)
        else:
            _use_precision(told.get("precision", "highest"))
            run_training(step, graph, split, earlier, output, side, told, identity)
        if attempt:
            keep_finished(output, side)

    return command


for _step, _help in {
    "train": "Train a predictor on SPLIT's training links (methods of one step).",
    "teacher": "Train the teacher of MeBNS.",
    "metadata": "Collect the pairs whose score varies least when links are dropped (MeBNS).",
    "student": "Train the student of MeBNS from its teacher and meta data.",
    "tune": "Train a contrastively trained encoder on links (NML-GCL).",
}.items():
    app.command(_step, help=_help)(_training(_step))


@app.command()
def evaluate(
    graph: Path, split: Path, output: Path, settings: Settings,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights; none for a heuristic.")] = None,
    made_from: MadeFrom = "{}", threads: Threads = 1,
) -> None:  # fmt: skip
    """Rank the validation and test links and write all metrics as JSON."""
    _use_threads(threads)
    from neglink.steps.evaluate import run_evaluation

    told = _told(settings, run=dict, predictor=dict)
    made = _json(made_from, "--made-from")
    with _naming(made.get("step", output)):
        run_evaluation(graph, split, checkpoint, output, told, made)


@app.command()
def nodes(
    graph: Path, split: Path, checkpoint: Path, output: Path, settings: Settings,
    made_from: MadeFrom = "{}", threads: Threads = 1,
) -> None:  # fmt: skip
    """Judge CHECKPOINT's embeddings by the classes of the nodes: probe, clusters, weights."""
    _use_threads(threads)
    from neglink.steps.nodes import run_nodes

    told = _told(settings, run=dict, predictor=dict, method=dict)
    made = _json(made_from, "--made-from")
    with _naming(made.get("step", output)):
        run_nodes(graph, split, checkpoint, output, told, made)


@app.command()
def migration(
    graph: Path, split: Path, checkpoint: Path, output: Path, settings: Settings,
    made_from: MadeFrom = "{}", threads: Threads = 1,
) -> None:  # fmt: skip
    """Follow test negatives between easy and hard over the stored epochs of a run."""
    _use_threads(threads)
    from neglink.steps.migration import run_migration

    told = _told(settings, run=dict, predictor=dict, epochs=list)
    made = _json(made_from, "--made-from")
    with _naming(made.get("step", output)):
        run_migration(graph, split, checkpoint, output, told, made)


@app.command()
def suite(
    output: Path,
    suite: Annotated[str, typer.Option(help="Suite; the one of the parameter file if empty.")] = "",
    params: ParamsFile = PARAMS,
) -> None:
    """Write what a suite's report is made from: its settings and the list of its metrics files."""
    from neglink.params import read_params
    from neglink.plan import Plan

    Plan(read_params(params, suite=suite)).write_suite(output)


@app.command()
def report(suite_file: Path, tables: Path, figures: Path, page: Path, marker: Path) -> None:
    """Make a suite's tables, figures and page; MARKER is written last, other markers go first."""
    from neglink.steps.report import run_report

    run_report(suite_file, tables, figures, page, marker)


@app.command()
def look(
    suite: Annotated[str, typer.Option(help="Suite; the one of the parameter file if empty.")] = "",
    params: ParamsFile = PARAMS,
    seeds: Seeds = "",
) -> None:
    """Make tables, figures and page of what a suite has by now; nothing is trained.

    Runs that are still missing are named in the tables, and figures that need them are left out.
    `snakemake` makes them and the report anew.
    """
    from neglink.errors import ReportError
    from neglink.params import read_params
    from neglink.plan import Plan
    from neglink.steps.report import run_report

    made = Plan(read_params(params, suite=suite, seeds=seeds))
    name, count = made.suite_name, len(made.results)
    there = sum(Path(step.path).is_file() for step in made.results)
    if not any(Path(step.path).is_file() for step in made.evaluations):
        raise ReportError(
            f"suite {name}: none of its {len(made.evaluations)} results is there; run "
            f"`snakemake --cores all --config suite={name}`, or `neglink runs unpack`"
        )
    tables = Path("results/tables") / name
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / f"{name}-unfinished.json"
        made.write_suite(listed, finished=True)
        page = Path(f"results/report/{name}.html")
        marker = tables / f"made-from-{made.report.digest}-unfinished"
        run_report(listed, tables, Path("results/figures") / name, page, marker)
    typer.echo(f"{page}: {there:,} of {count:,} results")


@app.command()
def plan(
    suite: Annotated[str, typer.Option(help="Suite; the one of the parameter file if empty.")] = "",
    params: ParamsFile = PARAMS,
    files: Annotated[bool, typer.Option(help="List every step's main file.")] = False,
    seeds: Seeds = "",
) -> None:
    """Show the steps of a suite, how many have their file, and what is left to do will cost."""
    from neglink.cluster import batch_jobs
    from neglink.expected import left, records, rows
    from neglink.params import read_params
    from neglink.plan import Plan

    made = Plan(read_params(params, suite=suite, seeds=seeds))
    typer.echo(f"suite {made.suite_name}: {len(made.evaluations)} runs")
    for kind in sorted(made.steps):
        steps = made.all(kind)
        there = sum(Path(step.path).exists() for step in steps)
        typer.echo(f"  {kind:10} {len(steps):5} steps, {there:5} with their file")
        if files:
            for step in steps:
                typer.echo(f"    {step.path}")
    if waiting := left(made):
        expected = rows(made, records(Path(), made.datasets), waiting)
        show_expected(expected, batch_jobs(chain.from_iterable(waiting.values())))


@params_app.command("check")
def params_check(params: ParamsFile = PARAMS) -> None:
    """Check every key, name and value of the parameter file."""
    from neglink.params import read_params

    checked = read_params(params)
    typer.echo(f"{params}: {len(checked.suites)} suites, all settings allowed")


@params_app.command("schema")
def params_schema() -> None:
    """Print the JSON schema of the parameter file, for editors."""
    from neglink.params import schema

    typer.echo(json.dumps(schema(), indent=2, sort_keys=True))


def _json(text: str, option: str) -> dict[str, Any]:
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        value = parse_json(text)
    except (OSError, ValueError) as error:
        raise ParamsError(f"{option}: no JSON there ({error})") from None
    if not isinstance(value, dict):
        raise ParamsError(f"{option}: expected a JSON object, got {type(value).__name__}")
    return value


def _unchanged(told: dict[str, Any]) -> None:
    """Refuse your own file if it is another one than when the run was planned.

    Raises:
        DataError: says so; the run would otherwise be stored under the old file's name.
    """
    from neglink.datasets import identity

    source = told.get("source")
    if not source or "identity" not in told:  # a step by hand
        return
    if canonical(identity(source)) != canonical(told["identity"]):
        raise DataError(
            f"data set {told.get('name')}: a file of it has changed since this run was planned; "
            "start Snakemake again"
        )


@contextmanager
def _naming(step: object) -> Iterator[None]:
    """Name the step where its scores are not finite, or cannot be judged."""
    try:
        yield
    except ValueError as error:
        raise TrainingError(f"{step}: {error}") from error


def _told(text: str, **needed: type) -> dict[str, Any]:
    """What --settings says, with the keys that the step reads, each of its type."""
    told = _json(text, "--settings")
    for key, kind in needed.items():
        value = told.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ParamsError(
                f"--settings: {key} is missing or of another type ({kind.__name__} is needed). The "
                "JSON file beside each output holds the settings that it was made with"
            )
        if key in COMPONENTS and not isinstance(told[key].get("kind"), str):
            raise ParamsError(f"--settings: {key}.kind is missing or no name")
    if not isinstance(told.get("mirror"), str | None):
        raise ParamsError("--settings: mirror is no text")
    threads = told.get("threads", 1)
    if not isinstance(threads, int) or threads < 1:
        raise ParamsError("--settings: threads is no number from 1 on")
    return told


def _named_file(item: str) -> tuple[str, Path]:
    name, equals, path = item.partition("=")
    if not equals:
        raise ParamsError(f"--made {item}: expected STEP=FILE")
    return name, Path(path)


def _mirror(option: Path | None, told: dict[str, Any]) -> Path | None:
    from neglink.datasets import mirror_folder

    return option or mirror_folder(told.get("mirror"))


def _use_precision(precision: str) -> None:
    """Precision of products of float32 matrices: `highest`, or `medium` (bfloat16 factors)."""
    import torch

    torch.set_float32_matmul_precision(precision)


def _use_threads(threads: int) -> None:
    import torch

    from neglink.memory import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(threads)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 2.

    An error of the system (no such file, no permission, a disk that fails) is one too.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except NeglinkError as error:
        _fail(str(error))
    except OSError as error:
        parts = [str(part) for part in (error.filename, error.strerror) if part]
        _fail(": ".join(parts) or str(error))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        reason = str(error).splitlines()[0] if str(error) else "MemoryError"
        _fail(f"not enough memory ({reason}); take a smaller graph, smaller widths or batch_links")


_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory", re.IGNORECASE)
"""In the texts of torch's errors, on the CPU and on a GPU."""


def _fail(message: str) -> NoReturn:
    text = f"neglink: error: {message}\n"
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # a log on the disk that is full
        # Python tries what is left in the old stream once more at exit, and then ends with 120
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        sys.stdout.write(text)
    sys.exit(2)
