"""`neglink runs`: packs of finished runs."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from neglink import cli
from neglink.commands.runs import read_pack, write_pack
from neglink.errors import DataError
from neglink.files import read_json, write_json
from neglink.params import read_params
from neglink.plan import Plan, Step
from tests.unit.test_params import values

PACK = Path("results/runs/one.jsonl.gz")
STEP = "results/metrics/cora-gcn-dns-mebns+beta-0.1-s0-0123456789ab.json"
FOLLOW = {"predictor": "gcn", "sampler": "dns", "methods": ["plain"], "epochs": {"planted": [1, 3]}}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A suite of two evaluations and an analysis, in a working folder of its own."""
    told = values(suites__one__migration=FOLLOW)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(told))
    monkeypatch.chdir(tmp_path)
    return Plan(read_params(Path("params.yaml")))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["runs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def finish(*steps: Step, auc: float = 0.1) -> dict[Path, bytes]:
    """Write what these steps would, and give it back."""
    for step in steps:
        content = {"auc": auc, "cost": {"s": 1e-9}, "made_from": json.loads(step.made_from)}
        write_json(Path(step.path), content)
    return {Path(step.path): Path(step.path).read_bytes() for step in steps}


def line(path: Any = STEP, digest: str = "0123456789ab", **more: Any) -> bytes:
    return json.dumps({"path": path, "content": {"made_from": {"digest": digest}}, **more}).encode()


def test_unpacked_runs_are_the_bytes_that_were_packed(plan: Plan) -> None:
    made = finish(*plan.evaluations, *plan.analyses)
    assert f"{PACK}: 3 runs, 0 of the suite's are missing" in run("pack")
    for path in made:
        path.unlink()
    assert "3 written, 0 there already, 0 differ" in run("unpack")
    assert {path: path.read_bytes() for path in made} == made
    assert "0 written, 3 there already, 0 differ" in run("unpack", str(PACK))


def test_equal_runs_make_equal_bytes_whatever_the_times(plan: Plan) -> None:
    made = finish(*plan.evaluations)
    run("pack")
    first = PACK.read_bytes()
    PACK.unlink()
    for path in made:
        os.utime(path, (1, 1))
    run("pack")
    assert PACK.read_bytes() == first
    assert [json.loads(text)["path"] for text in gzip.decompress(first).splitlines()] == sorted(
        map(str, made)
    )


def test_packing_again_keeps_what_is_still_asked_for_and_drops_the_rest(plan: Plan) -> None:
    first, second = plan.evaluations
    more = Plan(read_params(Path("params.yaml"), seeds="2")).evaluations
    finish(*more)
    assert "4 runs, 2 of the suite's are missing" in run("pack", "--seeds", "2")
    Path(first.path).unlink()
    finish(second, auc=0.7)
    told = run("pack")
    assert "2 runs, 1 of the suite's are missing" in told
    assert "1 of them have no file here" in told
    assert "2 others were in the pack" in told
    assert {path: c["auc"] for path, c in read_pack(PACK).items()} == {
        first.path: 0.1, second.path: 0.7,
    }  # fmt: skip


def test_a_file_that_differs_is_named_and_kept(plan: Plan) -> None:
    step = plan.evaluations[0]
    finish(step)
    run("pack")
    write_json(Path(step.path), read_json(Path(step.path)) | {"cost": None, "mrr": 1})
    mine = Path(step.path).read_bytes()
    told = run("unpack")
    assert "0 written, 0 there already, 1 differ" in told
    assert f"{step.path} differs in cost, mrr; not overwritten" in told
    assert Path(step.path).read_bytes() == mine


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", "line 2: no JSON"),
        (b"\xff", "line 2: no JSON"),
        (line(more=float("nan")), "line 2: no JSON"),
        (b"[" * 100_000, "line 2: no JSON"),
        (b"[]", "line 2: expected"),
        (line(more=1), "line 2: expected"),
        (line("results/metrics/../../a-0123456789ab.json"), "is no file of an evaluation"),
        (line("/results/metrics/a-0123456789ab.json"), "is no file of an evaluation"),
        (line("results/metrics/b/a-0123456789ab.json"), "is no file of an evaluation"),
        (line("results/metrics/..-0123456789ab.json"), "is no file of an evaluation"),
        (line("results/metrics/a-0123456789ab.json\n"), "is no file of an evaluation"),
        (line("results/metrics/a.json"), "is no file of an evaluation"),
        (line("results/suites/a-0123456789ab.json"), "is no file of an evaluation"),
        (line(3), "line 2: 3 is no file of an evaluation"),
        (line(digest="ba9876543210"), "holds what was made from ba9876543210"),
        (line(content=[]), "holds what was made from None"),
        (line("results/metrics/first-0123456789ab.json"), "line 2: .*stands there twice"),
    ],
)
def test_a_pack_with_a_wrong_line_is_refused_and_nothing_of_it_written(
    plan: Plan, bad: bytes, message: str
) -> None:
    PACK.parent.mkdir(parents=True)
    first = line("results/metrics/first-0123456789ab.json")
    PACK.write_bytes(gzip.compress(first + b"\n" + bad + b"\n"))
    with pytest.raises(DataError, match=rf"{PACK}, line 2: .*|{message}") as caught:
        run("unpack")
    assert caught.match(message)
    assert caught.match(f"{PACK}, line 2")
    assert not Path("results/metrics").exists()


def test_a_pack_cut_short_or_not_there_is_named(plan: Plan) -> None:
    write_pack(PACK, {STEP: {"made_from": {"digest": "0123456789ab"}}})
    PACK.write_bytes(PACK.read_bytes()[:-9])
    for file in (PACK, Path("none.gz"), Path("params.yaml")):
        with pytest.raises(DataError, match=f"{file}: not readable after line"):
            run("unpack", str(file))


def test_what_is_no_run_is_not_packed(plan: Plan) -> None:
    with pytest.raises(DataError, match="suite one: no run is finished"):
        run("pack")
    path = Path(plan.evaluations[0].path)
    for content in ({}, {"made_from": {"digest": "0123456789ab"}}):
        write_json(path, content)
        with pytest.raises(DataError, match="holds what was made from"):
            run("pack")
