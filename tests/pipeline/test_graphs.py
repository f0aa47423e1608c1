"""The pipeline on real Cora, on an edge list of one's own, and on files that are not right."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import MIRROR, needs_mirror
from tests.pipeline.conftest import Project


def rows(project: Project, suite: str) -> list[dict[str, str]]:
    with (project.folder / f"results/tables/{suite}/results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mirror_of_cora(folder: Path) -> Path:
    assert MIRROR
    shutil.copytree(Path(MIRROR) / "Planetoid/Cora", folder / "Planetoid/Cora")
    return folder


@pytest.mark.real
@needs_mirror
def test_plain_training_on_cora_beats_common_neighbours(fresh):
    fresh.set("data.mirror", MIRROR)
    fresh.set("predictors.gcn", {"hidden": 32, "d": 16})
    fresh.set("methods.plain", {"epochs": 40})
    suite = {
        "title": "Cora", "datasets": ["cora"], "predictors": ["gcn"], "heuristics": ["cn"],
        "samplers": ["uniform"], "methods": ["plain"], "seeds": 1, "metrics": ["hits@20", "auc"],
    }  # fmt: skip
    fresh.set("suites.cora", suite)
    fresh.build("--config", "suite=cora")
    auc = {
        row["predictor"]: float(row["mean"])
        for row in rows(fresh, "cora")
        if row["metric"] == "auc"
    }
    assert 0.65 < auc["cn"] < 0.78  # a third of Cora's test links have a common neighbour
    assert 0.82 < auc["gcn"] < 0.95


@pytest.mark.real
@needs_mirror
@pytest.mark.parametrize("fault", ["flipped", "truncated"])
def test_a_damaged_raw_file_stops_the_run_by_name_before_it_is_read(fresh, tmp_path, fault):
    mirror = mirror_of_cora(tmp_path / "mirror")
    file = mirror / "Planetoid/Cora/raw/ind.cora.graph"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content if fault == "flipped" else content[: len(content) // 2])
    fresh.set("data.mirror", str(mirror))
    fresh.set("suites.heuristic.datasets", ["cora"])
    output = fresh.snakemake("--cores", "2", "--config", "suite=heuristic", fails=True)
    assert "ind.cora.graph" in output
    assert "neglink: error" in output
    assert "Traceback" not in output
    assert not fresh.files("data/graphs/*", "data/raw/Planetoid/Cora/raw/ind.cora.graph")


@pytest.mark.real
@needs_mirror
def test_a_raw_file_that_is_damaged_after_it_was_fetched_is_not_read(fresh, tmp_path):
    fresh.set("data.mirror", str(mirror_of_cora(tmp_path / "mirror")))
    fresh.set("suites.heuristic.datasets", ["cora"])
    fresh.build("data", "--config", "suite=heuristic")
    for path in fresh.folder.glob("data/graphs/*"):
        path.unlink()
    raw = fresh.folder / "data/raw/Planetoid/Cora/raw/ind.cora.allx"
    content = bytearray(raw.read_bytes())
    content[-1] ^= 128
    raw.write_bytes(content)
    output = fresh.snakemake("--cores", "2", "data", "--config", "suite=heuristic", fails=True)
    assert re.search(r"neglink: error: cora: \S*ind\.cora\.allx is not the file it should", output)
    assert "Traceback" not in output
    assert not fresh.files("data/graphs/*")


def test_an_edge_list_of_ones_own_becomes_a_row_of_the_table(fresh):
    links = "\n".join(f"{a},{b}" for a in range(60) for b in range(a + 1, 60) if (a * b) % 7 == 3)
    (fresh.folder / "mine.csv").write_text(f"from,to\n{links}\n5,5\n{links.splitlines()[0]}\n")
    fresh.set("data.custom", {"mine": {"links": "mine.csv"}})
    fresh.set("suites.heuristic.datasets", ["mine"])
    fresh.build("--config", "suite=heuristic")
    assert {row["dataset"] for row in rows(fresh, "heuristic")} == {"mine"}
    told = next(iter(fresh.files("data/graphs/mine-*.json").values()))[1].decode()
    assert '"self_loops": 1' in told
    assert '"duplicates": 1' in told


@pytest.mark.slow
def test_dvc_follows_a_graph_of_ones_own_as_it_is_edited_and_put_back(tracked):
    """What `dvc repro` says and what Common Neighbours scores, as the file is one and the other."""
    one, other = (
        "".join(f"{a},{(a + step) % 60}\n" for a in range(60) for step in steps)
        for steps in ((1, 2, 3), (1, 2, 7))
    )
    tracked.set("data.custom", {"mine": {"links": "mine.csv"}})
    tracked.set("suites.heuristic.datasets", ["mine"])
    tracked.set("suite", "heuristic")
    said, means = [], []
    for text in (one, one, other, one):
        (tracked.folder / "mine.csv").write_text(text)
        said.append(tracked.call("dvc", "repro"))
        means.append({row["metric"]: row["mean"] for row in rows(tracked, "heuristic")})
    between = [f"Stage '{stage}' didn't change, skipping" for stage in ("split", "train")]
    assert [[line in text for line in between] for text in said[1:3]] == [[True] * 2, [False] * 2]
    assert "Nothing to be done" in said[1]
    assert means[0] == means[1] == means[3] != means[2]


def test_hard_negatives_are_ranked_for_each_link(fresh):
    fresh.set("evaluation", {"kind": "heart", "per_link": 20, "positives": 30})
    fresh.set("suites.heuristic.metrics", ["hits@10", "mrr"])
    fresh.set("suites.heuristic.primary", "mrr")
    fresh.build("--config", "suite=heuristic")
    mrr = [float(row["mean"]) for row in rows(fresh, "heuristic") if row["metric"] == "mrr"]
    assert 1 / 21 <= mrr[0] < 0.6  # below that of uniform negatives, above the worst


def test_an_edge_list_that_is_missing_is_named_before_any_job(fresh):
    fresh.set("data.custom", {"mine": {"links": "nowhere.csv"}})
    fresh.set("suites.heuristic.datasets", ["mine"])
    output = fresh.snakemake("--cores", "2", "--config", "suite=heuristic", fails=True)
    assert "nowhere.csv" in output
    assert "Traceback" not in output
    assert not fresh.files("data/**/*")
