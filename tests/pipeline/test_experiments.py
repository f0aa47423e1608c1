"""docs/how-to/experiments.md, and what remotes.md says of pruning, on the tiny suite."""

import json

import pytest
import yaml

from neglink.params import check_params
from neglink.plan import Plan
from tests.pipeline.conftest import Project
from tests.unit.documents import merged, only, own_params

PAGE = "how-to/experiments.md"
BEGIN, TRY, SHOW, COMPARE, BACK, KEEP = only(PAGE, "bash")
LOOK, PRUNE = only("how-to/remotes.md", "bash")[-2:]


def follow(project: Project, text: str) -> str:
    return project.call("bash", "-ec", text)


def test_the_suite_of_the_page_is_allowed() -> None:
    params = merged(own_params(), yaml.safe_load(only(PAGE, "yaml")[0]))
    assert len(Plan(check_params(params)).evaluations) == 6


@pytest.mark.slow
def test_an_experiment_is_compared_left_and_kept_as_the_page_says(tracked: Project) -> None:
    follow(tracked, BEGIN)
    before = tracked.files("results/[cm]*/**/*")
    assert "Ran experiment(s): ten" in follow(tracked, TRY)
    # the settings of one sampler: its trainings alone
    new = tracked.files("results/[cm]*/**/*").keys() - before.keys()
    assert len(new) == 7
    assert all("-gcn-dns-" in path for path in new)
    heading, _, *rows = [line.split("|")[1:-1] for line in follow(tracked, SHOW).splitlines()
                         if line.startswith("|")]  # fmt: skip
    assert heading[-1].strip() == "samplers.dns.candidates"
    shown = {row[0].strip().split()[-1]: row[-1].strip() for row in rows}
    assert shown == {"workspace": "10", "master": "3", "[ten]": "10"}

    told = follow(tracked, COMPARE)
    assert "results/tables/tiny/metrics.json  planted.gcn.dns.mebns.hits@20" in told
    assert "params.yaml  samplers.dns.candidates  3       10" in told
    assert "results/tables/tiny/plots.csv" in (tracked.folder / "dvc_plots/index.html").read_text()
    metrics = json.loads(tracked.call("dvc", "metrics", "show", "--json"))[""]["data"]
    table = tracked.folder / "results/tables/tiny/metrics.json"
    assert metrics["results/tables/tiny/metrics.json"]["data"] == json.loads(table.read_text())

    follow(tracked, BACK)
    assert tracked.files("results/[cm]*/**/*").keys() == before.keys() | new
    apply, build = KEEP.splitlines()
    follow(tracked, apply)
    assert tracked.params["samplers"]["dns"]["candidates"] == 10
    tracked.set("samplers.dns.candidates", 3)  # whose marker lies there, with other tables
    assert tracked.waiting() == {("report", "made-from")}
    assert build == "snakemake --cores all"

    # seven files of the experiment and the list of its report are left, which no suite asks for
    assert "8 files" in follow(tracked, LOOK)
    copies = len(tracked.files(".dvc/cache/files/md5/*/*"))
    follow(tracked, PRUNE)
    assert tracked.files("results/[cm]*/**/*").keys() == before.keys()
    assert len(tracked.files(".dvc/cache/files/md5/*/*")) < copies
    assert "didn't change, skipping" in tracked.call("dvc", "repro", "evaluate")
