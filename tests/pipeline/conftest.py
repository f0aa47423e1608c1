"""A copy of the project with a suite small enough to run in a test, and one finished run of it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]

PARTS = ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore", "workflow", "profiles", "src",
         "requirements/lock.txt")  # fmt: skip
"""What the pipeline is made of; src too, so that a test can edit the code."""

TINY: dict[str, Any] = {
    "suite": "tiny",
    "seeds": None,
    "data": {"planted": {"nodes": 120, "mean_degree": 8, "features": 30}},
    "split": {"kind": "random", "train": 0.7, "valid": 0.1, "test": 0.2},
    "evaluation": {"kind": "uniform"},
    "predictors": {"gcn": {"hidden": 8, "d": 8}},
    "samplers": {"uniform": {}, "dns": {"candidates": 3}},
    "methods": {
        "plain": {"epochs": 4},
        "mebns": {"teacher_epochs": 3, "student_epochs": 3, "tau_quantile": 0.5, "passes": 3},
    },
    "suites": {
        "tiny": {
            "title": "Tiny",
            "datasets": ["planted"],
            "predictors": ["gcn"],
            "heuristics": ["cn"],
            "samplers": ["uniform"],
            "methods": ["plain"],
            "seeds": 1,
            "metrics": ["hits@20", "auc"],
            "also": [
                {"datasets": ["planted"], "predictors": ["gcn"], "samplers": ["dns"],
                 "methods": ["mebns"], "seeds": 1},
            ],
        },
        "heuristic": {
            "title": "Heuristic", "datasets": ["planted"], "heuristics": ["cn"], "seeds": 1,
            "metrics": ["hits@20", "auc"],
        },
    },
}  # fmt: skip

Jobs = set[tuple[str, str]]


@dataclass(frozen=True)
class Project:
    """A project folder, and its commands as a user would call them."""

    folder: Path
    home: Path
    """Where tools keep their caches, so that no test reads or leaves anything in the real ones."""
    packages: Path | None = None
    """Where packages of others are installed."""

    @property
    def environment(self) -> dict[str, str]:
        packages = filter(None, (self.folder / "src", self.packages))
        own = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "NEGLINK_"))}
        return own | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org",
        }  # fmt: skip

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def call(self, *command: str, fails: bool = False, limit: int = 300) -> str:
        """Output of a command that succeeds, or that fails, within so many seconds."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=limit)
        assert (process.returncode != 0) == fails, output
        return output

    def snakemake(self, *arguments: str, fails: bool = False, limit: int = 300) -> str:
        return self.call(sys.executable, "-m", "snakemake", *arguments, fails=fails, limit=limit)

    def neglink(self, *arguments: str, fails: bool = False) -> str:
        return self.call("neglink", *arguments, fails=fails)

    def build(self, *arguments: str) -> str:
        return self.snakemake("--cores", "2", *arguments)

    def waiting(self, *arguments: str) -> Jobs:
        """(rule, step without digest) of every job that a dry run lists."""
        return jobs_of(self.snakemake("--dry-run", *arguments))

    @property
    def params(self) -> dict[str, Any]:
        values: dict[str, Any] = yaml.safe_load((self.folder / "params.yaml").read_text())
        return values

    def set(self, path: str, value: Any) -> None:
        """Write one key of params.yaml, as a.b.c."""
        values = self.params
        *sections, key = path.split(".")
        place = values
        for section in sections:
            place = place[section]
        place[key] = value
        (self.folder / "params.yaml").write_text(yaml.safe_dump(values))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file where it stands once."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def files(self, *patterns: str) -> dict[str, tuple[int, bytes]]:
        """Path → time of change and content."""
        found = [path for pattern in patterns for path in self.folder.glob(pattern)]
        return {
            str(path.relative_to(self.folder)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(found)
            if path.is_file()
        }

    def with_package(self, folder: Path, name: str, source: str, group: str) -> "Project":
        """With a package of one module, laid out in `folder` as an installer would.

        Its class is the module's name with a capital; `group` is where it is entered.
        """
        about = folder / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"{name}.py").write_text(source)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        entry = f"[{group}]\n{name} = {name}:{name.capitalize()}\n"
        (about / "entry_points.txt").write_text(entry)
        return replace(self, packages=folder)

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder)
        return Project(folder, self.home)


def jobs_of(output: str) -> Jobs:
    """Jobs of a dry run: the rule, and the stem of its first output without the digest."""
    jobs = re.findall(r"^(?:local)?rule (\w+):$(.*?)(?=^\[|^Job stats)", output, re.M | re.S)
    found = set()
    for rule, text in jobs:
        output_line = re.search(r"^    output: ([^,\n]+)", text, re.M)
        if output_line:  # rules without output only collect others
            found.add((rule, re.sub(r"-[0-9a-f]{12}$", "", Path(output_line[1]).stem)))
    return found


@pytest.fixture(scope="session")
def fresh_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with the tiny suite, nothing built. Copy it, do not change it."""
    folder = tmp_path_factory.mktemp("fresh") / "project"
    for part in PARTS:
        source, target = REPOSITORY / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)
    (folder / "params.yaml").write_text(yaml.safe_dump(TINY))
    return Project(folder, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def built_project(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with its suite built once. Copy it, do not change it."""
    project = fresh_project.copy(tmp_path_factory.mktemp("built") / "project")
    project.build()
    return project


@pytest.fixture
def fresh(fresh_project: Project, tmp_path: Path) -> Project:
    """A copy of its own of the project before any run."""
    return fresh_project.copy(tmp_path / "project")


@pytest.fixture
def built(built_project: Project, tmp_path: Path) -> Project:
    """A copy of its own of the project after a run."""
    return built_project.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def tracked_project(built_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The built project in git, what it made left out, ready for DVC. Copy it, do not change it."""
    project = built_project.copy(tmp_path_factory.mktemp("tracked") / "project")
    for command in ("git init --quiet", "dvc init --quiet", "git add --all :!results",
                    "git commit --quiet --message Project"):  # fmt: skip
        project.call(*command.split())
    return project


@pytest.fixture
def tracked(tracked_project: Project, tmp_path: Path) -> Project:
    """A copy of its own of the project under git and DVC."""
    return tracked_project.copy(tmp_path / "project")
