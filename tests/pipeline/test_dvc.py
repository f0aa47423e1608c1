"""DVC over the same files: stages, another clone, metrics."""

import json
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project

pytestmark = pytest.mark.xdist_group("pipeline")


def test_a_clone_that_pulls_has_nothing_to_do(built: Project, tmp_path: Path) -> None:
    built.call("git", "init", "--quiet")
    built.call("dvc", "init", "--quiet")
    built.call("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    first = built.call("dvc", "repro")
    assert "Running stage 'report'" in first
    assert "didn't change, skipping" in built.call("dvc", "repro")
    built.call("git", "add", "--all")
    built.call("git", "commit", "--quiet", "--message", "results")
    built.call("dvc", "push")

    clone = Project(tmp_path / "clone", built.home)
    built.call("git", "clone", "--quiet", str(built.folder), str(clone.folder))
    assert not (clone.folder / "results/metrics").exists()
    clone.call("dvc", "pull")
    assert not (clone.folder / ".snakemake").exists()
    assert clone.waiting() == set()
    assert "up to date" in clone.call("dvc", "status")
    shown = json.loads(clone.call("dvc", "metrics", "show", "--json"))
    tables = json.loads((clone.folder / "results/tables/tiny/metrics.json").read_text())
    assert shown[""]["data"]["results/tables/tiny/metrics.json"]["data"] == tables
    clone.call("dvc", "plots", "show", "--out", "plots")
    assert "results/tables/tiny/plots.csv" in (clone.folder / "plots/index.html").read_text()

    clone.set("methods.mebns.beta", 0.25)
    assert clone.waiting() == {
        ("student", "planted-gcn-dns-s0"),
        ("evaluate", "planted-gcn-dns-mebns-s0"),
        ("suite", "tiny"),
        ("report", "made-from"),
    }
