"""What computed an output: versions, machine, commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from neglink import __version__

PACKAGES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "torch-geometric", "ogb",
            "snakemake", "dvc", "matplotlib")  # fmt: skip


def stamp() -> dict[str, Any]:
    """The versions that a single step's numbers depend on."""
    return {"version": __version__, "python": platform.python_version(), "torch": version("torch")}


def provenance() -> dict[str, Any]:
    """All that a page tells about its making; no time of day, so that equal results stay equal."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "version": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": packages,
    }


def _commit() -> str:
    """The commit of the working folder, with `+changes` if files differ; "unknown" without git."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "params.yaml")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+changes" if changed else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
