"""The command line, as a user meets it."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from neglink import __version__, cli
from neglink.files import write_json
from neglink.params import read_params
from neglink.plan import Plan
from tests.unit.reporting_data import RANDOM, metrics
from tests.unit.test_params import values

COMMANDS = ("fetch", "graph", "split", "train", "teacher", "metadata", "student", "evaluate",
            "migration", "report", "look", "plan", "predict", "reference", "data", "runs",
            "params")  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small params.yaml."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> str:
    """What stands on stderr when the program ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["neglink", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_help_lists_every_command() -> None:
    text = run("--help")
    assert [command for command in COMMANDS if f" {command} " not in text] == []


def test_version_is_the_packages() -> None:
    assert run("--version").strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("params", "check", "--params", "none.yaml"), "none.yaml: no such file"),
        (("plan", "--suite", "too"), "suite = 'too': no such suite"),
        (("graph", "g.npz", "g.json", "--settings", "{"), "--settings: no JSON there"),
        (("graph", "g.npz", "g.json", "--settings", "[1]"), "--settings: expected a JSON object"),
        (("graph", "g.npz", "g.json", "--settings", "@none.json"), "--settings: no JSON there"),
        (("train", "g", "s", "o", "j", "--settings", "{}", "--made", "teacher"),
         "--made teacher: expected STEP=FILE"),
    ],
)  # fmt: skip
def test_an_expected_error_is_one_line_and_status_2(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    text = failure(capsys, monkeypatch, *arguments)
    assert text.startswith(f"neglink: error: {message}")
    assert text.count("\n") == 1


def test_params_check_tells_what_it_checked(project: Path) -> None:
    assert "1 suites, all settings allowed" in run("params", "check")


def test_params_schema_is_json() -> None:
    assert json.loads(run("params", "schema"))["$schema"].startswith("https://json-schema.org")


def test_look_shows_what_is_there_and_names_what_is_not(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = failure(capsys, monkeypatch, "look")
    assert "suite one: none of its 2 results is there" in text
    trained, heuristic = Plan(read_params(Path("params.yaml"))).evaluations
    content = metrics("planted", "gcn", "dns", "plain", protocol=RANDOM | {"split": "mine"})
    write_json(Path(trained.path), content)
    assert "1 of 2 results" in run("look")
    table = Path("results/tables/one/results.md").read_text()
    assert "not run" in table
    (marker,) = Path("results/tables/one").glob("made-from-*")
    assert marker.name.endswith("-unfinished")
    assert not Path(heuristic.path).exists()
    assert Path("results/report/one.html").is_file()


def test_look_leaves_out_a_figure_whose_runs_are_missing(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = values(suites__one__methods=["plain", "mebns"], suites__one__figures=["ablation"])
    Path("params.yaml").write_text(yaml.safe_dump(own))
    plain = Plan(read_params(Path("params.yaml"))).evaluations[0]
    content = metrics("planted", "gcn", "dns", "plain", protocol=RANDOM | {"split": "mine"})
    write_json(Path(plain.path), content)
    assert "1 of 3 results" in run("look")
    said = "Figure ablation needs runs of two methods with hits@20."
    assert f"left out: {said}" in caplog.text
    assert f"Left out. {said}" in Path("results/report/one.html").read_text()
    assert Path("results/tables/one/results.md").is_file()
    assert list(Path("results/figures/one").iterdir()) == []


def test_plan_counts_steps_and_files(project: Path) -> None:
    plan = Plan(read_params(Path("params.yaml")))
    graph = project / plan.all("graph")[0].path
    graph.parent.mkdir(parents=True)
    graph.touch()
    lines = [line.split() for line in run("plan").splitlines()]
    assert lines[0] == ["suite", "one:", "2", "runs"]
    assert ["graph", "1", "steps,", "1", "with", "their", "file"] in lines
    assert ["evaluate", "2", "steps,", "0", "with", "their", "file"] in lines
    assert plan.all("split")[0].path in run("plan", "--files")
    assert "suite one: 6 runs" in run("plan", "--seeds", "all=2,planted=3")


def test_a_step_by_hand_writes_its_two_files(project: Path) -> None:
    settings = {"source": {"kind": "planted", "nodes": 60, "features": 0}}
    Path("told.json").write_text(json.dumps(settings))
    run("graph", "g.npz", "g.json", "--settings", "@told.json", "--made-from", '{"step": "mine"}')
    side = json.loads(Path("g.json").read_text())
    assert side["step"] == "mine"
    assert side["settings"] == settings
    assert side["version"] == __version__
    assert Path("g.npz").stat().st_size > 0


def test_a_training_has_the_precision_that_it_was_told_and_the_next_one_the_highest(
    project: Path,
) -> None:
    planted = {"source": {"kind": "planted", "nodes": 60, "features": 0}}
    run("graph", "g.npz", "g.json", "--settings", json.dumps(planted))
    sides = {"split": {"kind": "random"}, "protocol": {"kind": "uniform"}, "seed": 0}
    run("split", "g.npz", "s.npz", "s.json", "--settings", json.dumps(sides))
    told = {"predictor": {"kind": "mlp"}, "sampler": {"kind": "uniform"},
            "method": {"kind": "plain", "epochs": 1}, "seed": 0}  # fmt: skip
    found = []
    for precision in ({"precision": "medium"}, {}):
        settings = json.dumps({**told, **precision})
        run("train", "g.npz", "s.npz", "c.safetensors", "c.json", "--settings", settings)
        found.append(torch.get_float32_matmul_precision())
    assert found == ["medium", "highest"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. can't allocate memory: 4000"),
            True,
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_too_little_memory_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    told: bool,
) -> None:
    def app() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit if told else RuntimeError):
        cli.main()
    assert ("neglink: error: not enough memory" in capsys.readouterr().err) is told
