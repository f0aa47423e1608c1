"""Pages of the documentation, carried out as a reader would: block by block, in a folder."""

import copy
import functools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from neglink import cli
from neglink.params import read_params
from neglink.plan import Plan, Step
from neglink.steps.evaluate import run_evaluation
from neglink.steps.graph import run_graph
from neglink.steps.report import run_report
from neglink.steps.split import run_split
from neglink.steps.train import run_training

ROOT = Path(__file__).parents[2]


BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str | Path) -> list[tuple[str, str]]:
    """(language, text) of each block of a page, by its place below docs/ or its whole path."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert "\n```" not in BLOCK.sub("", text), f"{page}: a fence without its twin"
    return BLOCK.findall(text)


def only(page: str | Path, language: str) -> list[str]:
    return [text for found, text in blocks(page) if found == language]


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`base` with the sections of `more` added to its own, as an editor would."""
    result = dict(base)
    for key, value in more.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old, value) if both else value
    return result


def own_params() -> dict[str, Any]:
    """The project's params.yaml."""
    return copy.deepcopy(_own_params())


@functools.cache
def _own_params() -> dict[str, Any]:
    """The same, read once, as that takes half a second. Copy it, do not change it."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return values


def add_to_params(more: dict[str, Any]) -> None:
    """Add to params.yaml of the working folder."""
    path = Path("params.yaml")
    values = merged(yaml.safe_load(path.read_text(encoding="utf-8")), more)
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def carry_out(step: Step) -> None:
    """Do a step and all that it reads, in this process; Snakemake would call its commands."""
    for earlier in step.inputs.values():
        carry_out(earlier)
    made, told = json.loads(step.made_from), json.loads(step.told)
    paths = [Path(path) for path in step.paths.values()]
    read = {key: Path(earlier.path) for key, earlier in step.inputs.items()}
    if all(path.exists() for path in paths):
        return
    if step.kind == "graph":
        run_graph(*paths, told, made, Path("data/raw"), None)
    elif step.kind == "split":
        run_split(read["graph"], *paths, told, made)
    elif step.kind == "evaluate":
        run_evaluation(read["graph"], read["split"], read.get("checkpoint"), *paths, told, made)
    else:
        earlier = {key: path for key, path in read.items() if key not in {"graph", "split"}}
        run_training(step.kind, read["graph"], read["split"], earlier, *paths, told, made)


def build(**config: str) -> None:
    """What `snakemake --cores all --config …` does, in this process."""
    plan = Plan(read_params(Path("params.yaml"), **config))
    for step in plan.evaluations:
        carry_out(step)
    suite, marker = Path(plan.report.path), Path(plan.marker)
    plan.write_suite(suite)
    figures = Path(f"results/figures/{plan.suite_name}")
    run_report(
        suite, marker.parent, figures, Path(f"results/report/{plan.suite_name}.html"), marker
    )


def run_line(line: str) -> str:
    """What a line of a shell block says, run in the working folder."""
    program, *arguments = shlex.split(line, comments=True)
    if program == "neglink":
        result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout
    if program == "snakemake":
        cores, number, config, *settings = arguments
        assert (cores, config) == ("--cores", "--config")
        assert number == "all" or number.isdecimal()
        build(**dict(setting.split("=") for setting in settings))
        return ""
    if program == "cat":
        return Path(*arguments).read_text(encoding="utf-8")
    if program == "echo":
        text, into, file = arguments
        assert into == ">"
        Path(file).write_text(f"{text}\n", encoding="utf-8")
        return ""
    raise AssertionError(f"no test can run {line!r}")
