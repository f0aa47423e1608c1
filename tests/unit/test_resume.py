"""A killed training goes on where its state was kept, and ends as if nothing had happened."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from neglink.methods import METHODS
from neglink.methods.base import Run, fit
from neglink.methods.resume import Keeper
from neglink.samplers import SAMPLERS
from neglink.samplers.base import remembers_for
from tests.conftest import random_graph
from tests.unit.test_mebns import make_run

SMALL = {"validate_every": 2, "snapshots": [2, 5]}
MEBNS = {"teacher_epochs": 4, "student_epochs": 5, "passes": 2, "tau_quantile": 0.8, **SMALL}

FAMILIES = {
    "plain": ("gcn", "dns", "plain", {"epochs": 7, **SMALL}),
    "batches": ("gae", "uniform", "plain",
                {"epochs": 7, "batch_links": 30, "mask_links": True, **SMALL}),
    "averaged": ("gcn", "pns", "plain-averaged",
                 {"epochs": 7, "batch_links": 30, "final_rate": 0.1, **SMALL}),
    "memory": ("gcn", {"kind": "mcns", "refresh": 3, "nearest": 3}, "plain",
               {"epochs": 8, **SMALL}),
    "fuzzy": ("gcn", {"kind": "fns", "refresh": 2, "space": "embeddings"}, "plain",
              {"epochs": 7, **SMALL}),
    "subgraphs": ("seal", "uniform", "plain", {"epochs": 3, "batch_links": 30, **SMALL}),
    "variational": ("vgae", "uniform", "autoencoder",
                    {"epochs": 7, "least_epochs": 3, "patience": 2, "adversarial": True}),
    "bags": ("bagged-gcn", "uniform", "bagging-pu", {"epochs": 6, "least_epochs": 6}),
    "mebns": ("gcn", "uniform", "mebns", MEBNS),
    "mebns of batches": ("gcn", "dns", "mebns", {**MEBNS, "batch_links": 30, "meta_batch": 8}),
    "dmns": ("dmns-gcn", "uniform", "dmns",
             {"epochs": 6, "patience": 3, "diffusion_steps": 2, "validate_every": 1}),
    "pull": ("gcn", "uniform", "pull",
             {"iterations": 4, "inner_epochs": 3, "patience": None, "store_selected": True}),
    "pull on expected": ("gcn", "uniform", "pull",
                         {"iterations": 4, "inner_epochs": 3, "patience": 1, "carry": "none",
                          "score_on": "expected", "selection": "sampled"}),
    "nml": ("gcn-rrelu", "uniform", "nml", {"epochs": 5, "fine_tune_epochs": 4, **SMALL}),
}  # fmt: skip


class Killed(Exception):  # noqa: N818
    """In place of a signal."""


class Mortal(Keeper):
    """Keeps the state whenever it may, and dies with the process right after."""

    def __init__(self, path: Path, lives: int) -> None:
        super().__init__(path, seconds=0)
        self.lives = lives

    def keep(self, parts, note) -> None:
        super().keep(parts, note)
        self.lives -= 1
        if self.lives == 0:
            raise Killed


def run_of(family: str) -> tuple[Run, str, dict]:
    predictor, sampler, method, settings = FAMILIES[family]
    run = make_run(random_graph(n=40, m=120), predictor)
    kind, own = (sampler, {}) if isinstance(sampler, str) else (sampler["kind"], dict(sampler))
    own.pop("kind", None)
    return replace(run, sampler=SAMPLERS.make(kind, **own)), method, settings


def fit_with_kills(run: Run, method, folder: Path, lives: int) -> tuple[dict, int]:
    """What each step makes when it dies after every `lives` times of keeping; and all deaths."""
    made, deaths = {}, 0
    for step in method.steps():
        path = folder / f"{step.name}.state"
        for _ in range(50):
            keeper = Mortal(path, lives)
            try:
                made[step.name] = method.fit_step(step.name, replace(run, keeper=keeper), made)
                break
            except Killed:
                deaths += 1
        keeper.clear()
        assert not path.exists()
    return made, deaths


@pytest.mark.parametrize("lives", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_are_those_of_an_undisturbed_training(
    family: str, lives: int, tmp_path: Path
) -> None:
    run, name, settings = run_of(family)
    method = METHODS.make(name, **settings)
    whole = fit(method, run)
    made, deaths = fit_with_kills(run, method, tmp_path, lives)
    resumed = made[method.steps()[-1].name]
    assert deaths >= 1
    assert resumed.history["resumed_after"]
    for there, here in (
        (whole.weights, resumed.weights),
        (whole.extras, resumed.extras),
        *((whole.snapshots[epoch], resumed.snapshots[epoch]) for epoch in whole.snapshots),
    ):
        assert there.keys() == here.keys()
        assert all(torch.equal(there[key], here[key]) for key in there)
    assert whole.snapshots.keys() == resumed.snapshots.keys()
    for key in ("loss", "valid", "kept_epoch", "first_epoch"):
        assert resumed.history[key] == whole.history[key]


def test_no_epoch_is_trained_twice(tmp_path: Path) -> None:
    run, name, settings = run_of("plain")
    method = METHODS.make(name, **settings)
    made, deaths = fit_with_kills(run, method, tmp_path, lives=1)
    assert made["train"].history["resumed_after"] == list(range(1, settings["epochs"] + 1))
    assert deaths == settings["epochs"]


def test_a_damaged_state_means_a_training_from_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, name, settings = run_of("plain")
    method, path = METHODS.make(name, **settings), tmp_path / "train.state"
    with pytest.raises(Killed):
        method.fit_step("train", replace(run, keeper=Mortal(path, 3)), {})
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    again = method.fit_step("train", replace(run, keeper=Keeper(path)), {})
    assert "train.state: damaged" in caplog.text
    assert "resumed_after" not in again.history
    whole = fit(method, run)
    assert all(torch.equal(whole.weights[key], again.weights[key]) for key in whole.weights)


def test_the_state_is_kept_once_in_so_many_seconds(tmp_path: Path) -> None:
    run, name, settings = run_of("plain")
    path = tmp_path / "train.state"
    METHODS.make(name, **settings).fit_step("train", replace(run, keeper=Keeper(path, 3600)), {})
    assert not path.exists()


@pytest.mark.parametrize(
    ("sampler", "epochs"),
    [("uniform", 1), ("mcns", 10), ("nml", 0), ("diffusion", 0), ({"kind": "std"}, 1),
     ({"kind": "std", "base": {"kind": "mcns", "refresh": 4}}, 4),
     ({"kind": "std", "base": "nml"}, 0)],
)  # fmt: skip
def test_samplers_tell_how_long_they_remember(sampler, epochs: int) -> None:
    own = {"kind": sampler} if isinstance(sampler, str) else dict(sampler)
    assert remembers_for(SAMPLERS.make(own.pop("kind"), **own)) == epochs


def test_no_state_is_kept_of_a_sampler_that_always_remembers(tmp_path: Path) -> None:
    run, name, settings = run_of("plain")
    run = replace(run, sampler=SAMPLERS.make("nml"), keeper=Mortal(tmp_path / "train.state", 1))
    made = METHODS.make(name, **settings).fit_step("train", run, {})
    assert len(made.history["loss"]) == settings["epochs"]
