"""The pages of docs/how-to: what they show must run."""

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from neglink import registry
from neglink.datasets.build import read
from neglink.evaluation import metrics
from neglink.graph import Graph
from neglink.methods import METHODS
from neglink.methods.base import Run, fit
from neglink.params import check_params
from neglink.plan import Plan
from neglink.predictors import PREDICTORS
from neglink.samplers import SAMPLERS, Context
from neglink.splits import PROTOCOLS, SPLITS, make_split
from tests.conftest import random_graph, seeded
from tests.unit.documents import add_to_params, carry_out, merged, only, own_params, run_line

Install = Callable[[str], dict[str, Any]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a page's class into a package, as the page says, and give the page's params.yaml."""

    def of(page: str) -> dict[str, Any]:
        groups = tomllib.loads(only(page, "toml")[0])["project"]["entry-points"]
        points = [EntryPoint(name, value, group) for group, named in groups.items()
                  for name, value in named.items()]  # fmt: skip
        package, module = points[0].module.split(".")
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / f"{module}.py").write_text(only(page, "python")[0])
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(
            registry, "_entry_points", lambda group: tuple(p for p in points if p.group == group)
        )
        return merged(own_params(), yaml.safe_load(only(page, "yaml")[0]))

    yield of
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def run_of(predictor: str = "gcn", **settings: Any) -> Run:
    """Two groups of thirty nodes, links within a group."""
    rng = np.random.default_rng(0)
    upper = torch.triu_indices(60, 60, 1)
    within = upper[:, upper[0] // 30 == upper[1] // 30]
    kept = torch.from_numpy(np.sort(rng.permutation(within.shape[1])[:400]))
    graph = Graph(60, within[:, kept])
    split = make_split(graph, SPLITS.make("random"), PROTOCOLS.make("uniform"), seed=0)
    valid = split.ranked["valid"]
    part: Any = PREDICTORS.make(predictor, **settings)
    return Run(split.train_graph(graph), valid.positives, valid.negatives, part,
               SAMPLERS.make("uniform"), seed=0)  # fmt: skip


def auc(run: Run, weights: dict[str, torch.Tensor]) -> float:
    model = run.model(weights).eval()
    with torch.no_grad():
        pairs = (run.valid_positives, run.valid_negatives)
        return metrics.auc(*(model.score(run.graph, each).numpy() for each in pairs))


def suite_runs(params: dict[str, Any], suite: str) -> list[str]:
    """Labels of the runs of a page's suite, which the project's params.yaml allows."""
    return [step.label for step in Plan(check_params({**params, "suite": suite})).evaluations]


def test_a_sampler_is_added_as_the_page_says(install: Install) -> None:
    params = install("how-to/add-a-sampler.md")
    graph = random_graph()
    isolated = Graph(4, torch.tensor([[0], [1]]))
    for where, share in ((graph, 0.0), (graph, 1.0), (isolated, 1.0)):
        sampler = SAMPLERS.make("two-steps", share=share)
        positives = where.arcs.repeat(1, 20)
        negatives = sampler.sample(Context(where), positives, seeded())
        assert torch.equal(negatives[0], positives[0])
        assert not where.has_links(negatives).any()
        assert (negatives[0] != negatives[1]).all()
    near = SAMPLERS.make("two-steps", share=1.0).sample(Context(graph), graph.arcs, seeded())
    steps = graph.scipy @ graph.scipy
    assert sum(steps[u, v] > 0 for u, v in near.T.tolist()) > 0.8 * near.shape[1]
    assert "planted-gcn-two-steps-plain-s0" in suite_runs(params, "walks")


def test_a_predictor_is_added_as_the_page_says(install: Install) -> None:
    params = install("how-to/add-a-predictor.md")
    assert "planted-near-uniform-plain-s0" in suite_runs(params, "distances")
    run = run_of("near", d=8, embedding=16)
    trained = fit(METHODS.make("plain", epochs=60, learning_rate=0.05, select="auc"), run)
    assert auc(run, trained.weights) > 0.8


def test_a_method_is_added_as_the_page_says(install: Install) -> None:
    params = install("how-to/add-a-method.md")
    assert "planted-gcn-dns-smoothed-s0" in suite_runs(params, "labels")
    run = run_of("gcn", hidden=8, d=8, embedding=16)
    plain = fit(METHODS.make("plain", epochs=40, select="auc"), run)
    same = fit(METHODS.make("smoothed", epochs=40, select="auc", smoothing=0), run)
    assert same.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-4)
    settings = {"epochs": 40, "select": "auc", "batch_links": 64, "mask_links": True}
    trained = fit(METHODS.make("smoothed", **settings), run)
    assert auc(run, trained.weights) > 0.8


def test_a_data_set_is_added_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "how-to/add-a-data-set.md"
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    rows = ["1\t2", "2\t3", "3\t4", "4\t1", "2\t1"]
    Path("data/papers.tsv").write_text("\n".join(["citing\tcited", *rows]) + "\n")
    np.save("data/papers.npy", np.eye(4))
    own, sides, catalog = only(page, "python")
    scope: dict[str, Any] = {}
    exec(own, scope)
    assert capsys.readouterr().out == "4 nodes, 4 links, 1 rows dropped as repeated\n"
    params = merged(own_params(), yaml.safe_load(only(page, "yaml")[0]))
    assert "papers-ra-s0" in suite_runs(params, "papers")

    def write(name: str, *rows: str) -> None:
        Path(f"data/papers-{name}.tsv").write_text("\n".join(["citing\tcited", *rows]) + "\n")

    write("valid", "1\t2")
    write("test", "5\t30", "6\t30")
    exec(sides, scope)
    assert capsys.readouterr().out == "3 links to train on, 2 to test\n"
    write("valid-negatives", *(f"1\t{v}" for v in range(10, 19)))
    write("test-negatives", *(f"{u}\t{v}" for u in (5, 6) for v in range(10, 19)))
    np.save("data/papers.npy", np.eye(30))
    params = merged(params, yaml.safe_load(only(page, "yaml")[1]))
    plan = Plan(check_params({**params, "suite": "papers-dmns", "seeds": 1}))
    heuristic = next(step for step in plan.evaluations if "ppr" in step.label)
    carry_out(heuristic)
    assert json.loads(Path(heuristic.path).read_text())["counts"]["test_negatives"] == 18
    exec(catalog, scope)
    banner = "%%MatrixMarket matrix coordinate pattern symmetric"
    Path("edges.mtx").write_text(f"{banner}\n4 4 3\n2 1\n3 2\n4 1\n")
    graph, _ = read(scope["ENTRY"], {"edges": Path("edges.mtx")})
    assert graph.m == 3


def test_a_device_is_chosen_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "how-to/gpu.md"
    monkeypatch.chdir(tmp_path)
    tiny = {
        "data": {"planted": {"nodes": 200}},
        "predictors": {"gcn": {"hidden": 8, "d": 4}},
        "methods": {"plain": {"epochs": 3}},
        "suites": {"quickstart": {
            "title": "Tiny", "datasets": ["planted"], "predictors": ["gcn"], "seeds": 1,
            "samplers": ["uniform"], "methods": ["plain"], "metrics": ["hits@20", "auc"],
        }},
    }  # fmt: skip
    Path("params.yaml").write_text(yaml.safe_dump(tiny))
    chosen = yaml.safe_load(only(page, "yaml")[0])
    plans = [Plan(check_params({**tiny, **device})) for device in ({}, chosen)]
    assert plans[0].marker == plans[1].marker
    add_to_params(chosen)
    for line in only(page, "bash")[0].splitlines():
        run_line(line)
    assert Path("missing.csv").read_text().count("\n") == 11
