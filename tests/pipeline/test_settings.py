"""Settings on their way into the pipeline: suites, wrong values, a third party's sampler."""

import csv

import pytest

from tests.pipeline.conftest import Project

pytestmark = pytest.mark.xdist_group("pipeline")

MODULE = '''
"""A sampler from another package."""

from neglink.registry import component
from neglink.samplers.uniform import Uniform


@component
class Plenty:
    """Uniform negatives, drawn after `wait` draws that are thrown away."""

    wait: int = 0
    """Draws to throw away."""

    def sample(self, context, positives, generator):
        for _ in range(self.wait):
            Uniform().sample(context, positives, generator)
        return Uniform().sample(context, positives, generator)
'''


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("methods.mebns.betta", 0.3, "methods.mebns.betta: unknown key"),
        ("methods.mebns.beta", 1.5, "methods.mebns.beta = 1.5: input should be less than or equal"),
        ("suites.tiny.samplers", ["dnns"], "suites.tiny.samplers: samplers: 'dnns' is not there"),
    ],
)
def test_a_wrong_setting_stops_before_any_job_with_its_path(
    fresh: Project, key: str, value: object, message: str
) -> None:
    fresh.set(key, value)
    said = fresh.snakemake("--cores", "1", fails=True)
    assert message in said
    assert "Traceback" not in said
    assert fresh.files("data/**/*", "results/**/*", "logs/**/*") == {}


def test_a_wrong_override_stops_with_its_path_too(fresh: Project) -> None:
    said = fresh.snakemake("--cores", "1", "--config", "suite=tinny", fails=True)
    assert "suite = 'tinny': no such suite (did you mean 'tiny'?); allowed: heuristic, tiny" in said
    assert "Traceback" not in said


def test_an_override_chooses_the_suite(built: Project) -> None:
    assert built.waiting("--config", "suite=heuristic") == {
        ("suite", "heuristic"),
        ("report", "made-from"),
    }


def test_a_sampler_of_another_package_reaches_the_tables(built: Project) -> None:
    info = built.folder / "src/plenty-1.0.dist-info"  # what `pip install` would leave
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plenty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[neglink.samplers]\nplenty = plenty:Plenty\n")
    (built.folder / "src/plenty.py").write_text(MODULE)
    built.set("samplers.plenty", {"wait": 2})
    suite = built.params["suites"]["tiny"] | {"samplers": ["plenty"], "heuristics": [], "also": []}
    built.set("suites.theirs", suite)
    built.build("--config", "suite=theirs")
    with (built.folder / "results/tables/theirs/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["sampler"] for row in rows} == {"plenty"}
