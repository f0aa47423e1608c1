"""What a step computes between reading and writing."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neglink import registry
from neglink.errors import DataError, ParamsError, TrainingError
from neglink.files import read_json, write_json
from neglink.graph import Graph, load_graph
from neglink.methods.base import Checkpoint
from neglink.registry import component
from neglink.samplers.base import Context, remembers_for
from neglink.samplers.std import STD
from neglink.samplers.uniform import Uniform
from neglink.splits import LinkSplit
from neglink.steps.common import load_checkpoint, pick_device, save_checkpoint
from neglink.steps.draws import checked
from neglink.steps.evaluate import run_evaluation
from neglink.steps.graph import run_graph
from neglink.steps.migration import analyse, migration
from neglink.steps.report import run_report
from neglink.steps.split import run_split
from neglink.steps.train import run_training

GCN = {"kind": "gcn", "hidden": 16, "d": 8}
PLAIN = {"kind": "plain", "epochs": 30, "snapshots": [10, 20]}
RUN = {"dataset": "planted", "predictor": "gcn", "sampler": "uniform", "method": "plain", "seed": 0}
TRAIN = {"predictor": GCN, "sampler": {"kind": "uniform"}, "method": PLAIN, "seed": 0}


# ── migration ───────────────────────────────────────────────────────────────────────────────────


def test_a_migrant_moves_far_and_from_easy_to_hard_or_back() -> None:
    # threshold 0.5 at both epochs; of those below, the lower half is easy
    before = np.array([0.1, 0.1, 0.9, 0.9, 0.4, 0.4])
    after = np.array([0.9, 0.2, 0.1, 0.65, 0.8, 0.45])
    #                 easy→hard, stays easy, hard→easy, not far enough, from middle, stays
    found = migration([before, after], [0.5, 0.5])
    assert found["mover"] == [True, False, True, False, True, False]
    assert found["migrant"] == [True, False, True, False, False, False]
    assert (found["negatives"], found["movers"], found["migrants"]) == (6, 3, 2)


def test_a_change_of_exactly_the_gap_is_no_move() -> None:
    found = migration([np.array([0.0, 0.0]), np.array([0.3, 0.31])], [0.2, 0.2])
    assert found["mover"] == [False, True]


def test_where_all_negatives_are_hard_none_is_easy() -> None:
    found = migration([np.array([0.9, 0.8]), np.array([0.1, 0.9])], [0.5, 0.0])
    assert found["migrants"] == 0
    assert found["movers"] == 1


def test_an_analysis_compares_each_epoch_with_the_next() -> None:
    def logits(links: list[float], negatives: list[float]) -> tuple[Any, ...]:
        return np.array(links), np.array(negatives)

    scores = {
        1: logits([3.0, 2.0], [-3.0, 1.0]),
        2: logits([3.0, 2.0], [1.0, -3.0]),
        3: logits([3.0, 2.0], [1.0, -3.0]),
    }
    history = {
        "loss": [0.7, 0.6, 0.5], "first_epoch": 11, "valid": {"epoch": [13], "auc": [0.9]}
    }  # fmt: skip
    weights = {"a": torch.ones(2)}
    found = analyse(Checkpoint(weights, {}, history, {"meta": torch.ones(2)}), scores, [1, 2, 3])
    assert [(m["from"], m["to"], m["movers"]) for m in found["migration"]] == [(1, 2, 2), (2, 3, 0)]
    assert found["curve"]["test_auc"] == [1.0, 1.0, 1.0]
    assert found["curve"]["epoch"] == [11, 12, 13]
    assert found["meta"] == {"meta": [1.0, 1.0]}
    json.dumps(found, allow_nan=False)


# ── checkpoints ─────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    weights = {"w1": torch.randn(3, 2), "deep/name": torch.randn(4)}
    snapshots = {20: {"w1": torch.zeros(3, 2)}, 3: {"w1": torch.ones(3, 2)}}
    extras = {"meta/weights": torch.arange(5.0)}
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, Checkpoint(weights, snapshots, {}, extras))
    write_json(tmp_path / "c.json", {"history": {"loss": [0.5]}})
    back = load_checkpoint(path)
    assert list(back.snapshots) == [3, 20]
    assert back.history == {"loss": [0.5]}
    for one, other in [(weights, back.weights), (extras, back.extras),
                       (snapshots[20], back.snapshots[20])]:  # fmt: skip
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("keep", [0.0, 0.05, 0.5, 0.99])
def test_a_cut_off_checkpoint_is_told_by_its_name(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, Checkpoint({"w": torch.randn(100)}))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=r"c\.safetensors: damaged .* delete it and run again"):
        load_checkpoint(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there_is_told() -> None:
    assert pick_device("auto").type == "cpu"
    with pytest.raises(ParamsError, match="no CUDA device is visible; use device: cpu or auto"):
        pick_device("cuda")


# ── the chain on a planted graph ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """graph, split, train and two evaluations on a planted graph of 300 nodes."""
    here = tmp_path_factory.mktemp("chain")
    graph, split = here / "graph.npz", here / "split.npz"
    source = {"kind": "planted", "nodes": 300, "features": 60}
    run_graph(graph, here / "graph.json", {"source": source}, {}, here, None)
    halves = {"split": {"kind": "random"}, "protocol": {"kind": "uniform"}, "seed": 0}
    run_split(graph, split, here / "split.json", halves, {"step": "split"})
    weights = here / "train.safetensors"
    run_training("train", graph, split, {}, weights, here / "train.json", TRAIN, {"step": "t"})
    told = {"run": RUN, "predictor": GCN, "sampler": {"kind": "uniform"}, "method": PLAIN}
    run_evaluation(graph, split, weights, here / "trained.json", told, {"step": "e"})
    cn = {"run": RUN | {"predictor": "cn", "sampler": None, "method": None},
          "predictor": {"kind": "cn"}}  # fmt: skip
    run_evaluation(graph, split, None, here / "cn.json", cn, {"step": "h"})
    return here


def test_no_predictor_beats_the_true_probabilities(folder: Path) -> None:
    for name in ("trained", "cn"):
        found = read_json(folder / f"{name}.json")
        assert 0.5 < found["test"]["auc"] < found["planted"]["ceiling"]["auc"]
        assert found["test"]["ap"] < found["planted"]["ceiling"]["ap"]
        assert 0 < found["planted"]["spearman"] < 1


def test_the_sampler_check_counts_one_epoch_of_negatives(folder: Path) -> None:
    check = read_json(folder / "trained.json")["sampler_check"]
    split = LinkSplit.load(folder / "split.npz")
    assert check["drawn"] % split.train.shape[1] == 0
    assert check["share"] == check["false_negatives"] / check["drawn"]
    assert check["share"] < 0.1  # the hidden 30 % of 1,500 links, among 45,000 pairs
    assert read_json(folder / "cn.json")["sampler_check"] is None


def test_metrics_tell_what_they_were_made_from(folder: Path) -> None:
    found = read_json(folder / "trained.json")
    assert found["made_from"]["step"] == "e"
    assert found["made_from"]["settings"]["method"] == PLAIN
    assert found["protocol"]["split"] == "random"
    assert found["protocol"]["ranked"] == "uniform"
    graph = load_graph(folder / "graph.npz")
    assert (found["counts"]["nodes"], found["counts"]["links"]) == (graph.n, graph.m)
    assert found["cost"]["epochs"] == 30
    assert found["cost"]["train_seconds"] > 0


def test_a_training_keeps_the_snapshots_that_were_asked_for(folder: Path) -> None:
    stored = load_checkpoint(folder / "train.safetensors")
    assert list(stored.snapshots) == [10, 20]
    assert len(stored.history["loss"]) == 30
    assert stored.history["loss"][-1] < stored.history["loss"][0]


@component
class Theirs:
    """A sampler as of another package: uniform negatives, or what a fault makes of them."""

    fault: Any = None

    def sample(self, context: Context, positives: torch.Tensor, generator: torch.Generator) -> Any:
        drawn = Uniform().sample(context, positives, generator)
        return drawn if self.fault is None else self.fault(drawn, positives)


def changed_at(row: int, place: int, value: Any) -> Any:
    """A fault: one node of the negatives is another; `value` is a number or a place."""

    def fault(drawn: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
        drawn[row, place] = value(positives) if callable(value) else value
        return drawn

    return fault


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", f"{__name__}:Theirs", "neglink.samplers")
    monkeypatch.setattr(registry, "_entry_points", lambda group: (point,) * (point.group == group))


WRONG = r"returned torch\.{} of shape \[{}\] on cpu; expected torch\.int64 of shape \[2, \d+\]"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda drawn, links: None, r"returned NoneType; expected a torch\.Tensor"),
        (lambda drawn, links: drawn.numpy(), r"returned ndarray; expected a torch\.Tensor"),
        (lambda drawn, links: drawn.T, WRONG.format("int64", r"\d+, 2")),
        (lambda drawn, links: drawn[:, :3], WRONG.format("int64", "2, 3")),
        (lambda drawn, links: drawn.double(), WRONG.format("float64", r"2, \d+")),
        (lambda drawn, links: links, r"drew \((\d+, \d+)\) for the link \(\1\): a link of the"),
        (lambda drawn, links: drawn.flip(0), "has to begin with the link's first node"),
        (changed_at(1, 4, 300), r"drew \(\d+, 300\) for .*: nodes are 0 to 299"),
        (changed_at(1, 4, -1), r"drew \(\d+, -1\) for .*: nodes are 0 to 299"),
        (changed_at(1, 4, lambda links: links[0, 4]), r"drew \((\d+), \1\) .* with itself"),
    ],
)
@pytest.mark.parametrize("method", [PLAIN, {"kind": "mebns", "delta": 0.5}])
@pytest.mark.usefixtures("theirs")
def test_what_a_sampler_of_another_package_draws_first_is_checked(
    folder: Path, tmp_path: Path, method: dict[str, Any], fault: Any, says: str
) -> None:
    settings = TRAIN | {"sampler": {"kind": "theirs", "fault": fault}, "method": method}
    step = "train" if method is PLAIN else "teacher"
    with pytest.raises(TrainingError, match=rf"sampler 'theirs' \({__name__}:Theirs\) .*{says}"):
        run_training(step, folder / "graph.npz", folder / "split.npz", {},
                     tmp_path / "t.safetensors", tmp_path / "t.json", settings, {})  # fmt: skip


@pytest.mark.usefixtures("theirs")
def test_the_check_of_a_first_draw_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "t.safetensors"
    settings = TRAIN | {"sampler": {"kind": "theirs"}}
    run_training("train", folder / "graph.npz", folder / "split.npz", {}, weights,
                 tmp_path / "t.json", settings, {})  # fmt: skip
    assert weights.read_bytes() == (folder / "train.safetensors").read_bytes()
    uniform = Uniform()
    assert checked("uniform", uniform) is uniform
    assert remembers_for(checked("theirs", Theirs())) == 1


@pytest.mark.usefixtures("theirs")
def test_the_base_of_a_mixture_is_checked_too() -> None:
    graph = Graph(4, torch.tensor([[0, 1], [1, 2]]))
    generator = torch.Generator().manual_seed(0)
    their = {"kind": "theirs", "fault": lambda drawn, links: links}
    mixed = checked("std", STD(base=their, delta=0.0))
    with pytest.raises(TrainingError, match=r"sampler 'theirs' .* a link of the train graph"):
        mixed.sample(Context(graph), graph.links, generator)
    own = checked("std", STD(base="pns"))
    assert own.sample(Context(graph), graph.links, generator).shape == (2, 2)


def test_a_training_repeated_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    run_training(
        "train", folder / "graph.npz", folder / "split.npz", {}, again, tmp_path / "again.json",
        TRAIN, {},
    )  # fmt: skip
    assert again.read_bytes() == (folder / "train.safetensors").read_bytes()
    other = tmp_path / "other.safetensors"
    run_training(
        "train", folder / "graph.npz", folder / "split.npz", {}, other, tmp_path / "other.json",
        TRAIN | {"seed": 1}, {},
    )  # fmt: skip
    assert other.read_bytes() != again.read_bytes()


def test_an_error_in_a_training_names_the_step_and_leaves_no_file(
    folder: Path, tmp_path: Path
) -> None:
    rate = {**PLAIN, "learning_rate": 1e30}
    with pytest.raises(TrainingError, match=r"^planted-x: "):
        run_training(
            "train", folder / "graph.npz", folder / "split.npz", {}, tmp_path / "x.safetensors",
            tmp_path / "x.json", TRAIN | {"method": rate}, {"step": "planted-x"},
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_fails_leaves_no_marker(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "made-from-old").touch()
    write_json(tmp_path / "suite.json", {"suite": "x"})
    with pytest.raises(Exception, match=r"suite\.json"):
        run_report(tmp_path / "suite.json", tables, tmp_path / "figures", tmp_path / "page.html",
                   tables / "made-from-new")  # fmt: skip
    assert list(tables.glob("made-from-*")) == []
