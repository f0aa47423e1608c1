"""Every command that stands in a block of README, CONTRIBUTING or docs/ is carried out or checked.

A command that no test knows fails here: add it to a page whose blocks are run, or to `check`.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dvc.cli.parser
import pytest
import yaml
from packaging.requirements import Requirement

from neglink.params import check_params
from tests.unit.documents import ROOT, blocks, build, own_params, run_line

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

RUN_BY = {
    "docs/tutorial.md": ("tests/unit/test_tutorial.py", "tutorial.md"),
    "docs/how-to/experiments.md": ("tests/pipeline/test_experiments.py", "how-to/experiments.md"),
    "docs/how-to/faults.md": ("tests/pipeline/test_faults.py", "how-to/faults.md"),
    "docs/how-to/gpu.md": ("tests/unit/test_how_to.py", "how-to/gpu.md"),
    "docs/how-to/remotes.md": ("tests/pipeline/test_remotes.py", "how-to/remotes.md"),
}
"""Pages whose bash blocks a test carries out from first to last, and how it names them."""

SHOWN = ("expected  steps", "$ snakemake", "$ squeue", "message: Error in group")
"""How blocks begin that show what a command printed."""

CODE = {"python", "yaml", "toml", "json", "text"}
"""Languages of blocks that are no commands; test_how_to, test_readme and others run them. `text` is
what a command printed."""

TINY: dict[str, Any] = {
    "title": "Tiny", "datasets": ["planted"], "heuristics": ["cn"], "seeds": 1,
    "metrics": ["hits@20", "auc"],
}  # fmt: skip


def commands() -> Iterator[tuple[str, str]]:
    """(page, line) of every command that this module has to check."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for language, text in blocks(page):
            if language in CODE or (language == "bash" and name in RUN_BY):
                continue
            if text.strip().startswith(SHOWN):
                text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
            for line in text.splitlines():
                if line.strip():
                    yield name, line


COMMANDS = list(dict.fromkeys(commands()))


@pytest.mark.parametrize("page", RUN_BY)
def test_a_page_that_is_run_is_run_by_the_test_that_says_so(page: str) -> None:
    test, named = RUN_BY[page]
    assert f'"{named}"' in (ROOT / test).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where every suite that the pages name is a small one, and `mine` is finished.

    The commands build on each other, in the pages' order.
    """
    folder = tmp_path_factory.mktemp("documented")
    suites = dict.fromkeys({*own_params()["suites"], "NAME"}, TINY)
    suites["mine"] = TINY | {
        "datasets": ["my-graph"], "predictors": ["gcn"], "samplers": ["uniform"],
        "methods": ["plain"],
    }  # fmt: skip
    params = {
        "data": {"planted": {"nodes": 200}, "custom": {"my-graph": {"links": "my-graph.csv"}}},
        "predictors": {"gcn": {"hidden": 8, "d": 4}},
        "methods": {"plain": {"epochs": 2}},
        "suites": suites,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    rows = [f"{u},{(u + step) % 50}\n" for u in range(50) for step in range(1, 11)]
    (folder / "my-graph.csv").write_text("".join(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build(suite="mine")
        yield folder


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_documented_command_works(
    project: Path, monkeypatch: pytest.MonkeyPatch, page: str, line: str
) -> None:
    monkeypatch.chdir(project)
    check(line)


def check(line: str) -> None:
    """Carry a command out on the small project; or check its words, where it would install,
    submit, or train for hours."""
    program, *words = shlex.split(line, comments=True)
    if words[:2] == ["runs", "verify"]:
        assert words[2:] == ["--runs", "20"]
        assert '"runs", "verify", "--runs"' in (ROOT / "tests/pipeline/test_runs.py").read_text()
    elif program == "neglink" or (program == "snakemake" and words[0] == "--cores"):
        run_line(line)
    elif program == "snakemake":
        check_snakemake(words)
    elif program == "make":
        check_make(words)
    elif program == "dvc":
        dvc.cli.parser.get_main_parser().parse_args(words)  # test_graphs.py runs `dvc repro`
        if "-S" in words:
            check_config([words[words.index("-S") + 1]])
    elif program == "pip":
        install, option, file = words
        assert (install, option) == ("install", "-r")
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        assert [Requirement(one) for one in lines if not one.startswith("#")]
    elif program == "git":
        assert words[0] == "add"
        assert all((ROOT / path).exists() for path in words[1:])
    elif program == "python":
        assert words[0] == "examples/pyg_loop.py"
        assert "pyg_loop" in (ROOT / "tests/unit/test_examples.py").read_text(encoding="utf-8")
    elif program == "squeue":
        assert "how-to/cluster.md" in (ROOT / "tests/cluster/test_slurm.py").read_text("utf-8")
    elif program == ".":
        folder, _, rest = words[0].partition("/")
        assert rest == "bin/activate"
        assert f"VENV ?= {folder}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    else:
        raise AssertionError(f"no test knows the command {line!r}")


def check_snakemake(words: list[str]) -> None:
    """A call with a profile: its folder, the settings, the rule."""
    assert words[0] == "--workflow-profile"
    assert (ROOT / words[1] / "config.yaml").is_file()
    if words[2] == "--config":
        check_config(words[3:])
    else:
        rules = "".join(p.read_text("utf-8") for p in (ROOT / "workflow/rules").glob("*.smk"))
        assert words[2] == "--"
        assert all(f"\nrule {name}:\n" in rules for name in words[3:])


def check_config(settings: list[str]) -> None:
    """Settings as --config has them, over the project's own params.yaml."""
    check_params(own_params() | dict(setting.split("=", 1) for setting in settings))


def check_make(words: list[str]) -> None:
    """A target: what it would call, without calling it."""
    target, *variables = words
    assert re.search(rf"^{target}:.*##", (ROOT / "Makefile").read_text("utf-8"), re.M), target
    if target != "results":
        return
    done = subprocess.run(
        ["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    (called,) = [line for line in done.stdout.splitlines() if "snakemake --cores" in line]
    _, _, config = called.partition("--config ")
    assert bool(config) == bool(variables)
    check_config(shlex.split(config))
