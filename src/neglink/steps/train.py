"""One step of a method: a checkpoint or meta data."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neglink.errors import NeglinkError, TrainingError
from neglink.files import read_arrays, read_json, write_arrays
from neglink.graph import load_graph
from neglink.methods import METHODS
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.resume import Keeper
from neglink.predictors import PREDICTORS
from neglink.samplers import SAMPLERS
from neglink.splits import LinkSplit
from neglink.steps.common import (
    Clock,
    load_checkpoint,
    pick_device,
    save_checkpoint,
    write_made_from,
)
from neglink.steps.draws import checked

log = logging.getLogger("neglink")
Json = dict[str, Any]


def run_training(
    step: str, graph: Path, split: Path, made: dict[str, Path], output: Path, side: Path,
    settings: Json, made_from: Json,
) -> None:  # fmt: skip
    """Carry out one step of a method and store what it makes.

    Args:
        step: its name, such as "train" or "teacher".
        graph: the graph's npz.
        split: the split's npz; of it, only training and validation links are used.
        made: what earlier steps made, by step name.
        output: safetensors for a checkpoint, npz for meta data.
        side: JSON file with history, cost and origin.
        settings: predictor, sampler, method, seed; device, and the seconds after which a
            training's state is stored again beside `output`, to go on from if it is killed.
        made_from: identity of the step.
    """
    device = pick_device(settings.get("device", "cpu"))
    clock = Clock(device)
    keeper = Keeper(output.with_suffix(".state"), settings.get("resume_seconds", 60))
    run = replace(load_run(graph, split, settings, device), keeper=keeper)
    recipe = dict(settings["method"])
    method = METHODS.make(recipe.pop("kind"), **recipe)
    loaded = {name: _load(path) for name, path in made.items()}
    begun = time.perf_counter()
    try:
        result = method.fit_step(step, run, loaded)
    except (
        NeglinkError,
        ValueError,
    ) as error:  # a sampler or metric that cannot work on this graph
        raise TrainingError(f"{made_from.get('step', step)}: {error}") from error
    cost = _add_up({**clock.cost(), "fit_seconds": time.perf_counter() - begun}, made)
    if isinstance(result, MetaData):
        arrays = {"pairs": result.pairs.cpu().numpy(), "labels": result.labels.cpu().numpy()}
        write_arrays(output, arrays)
        write_made_from(side, made_from, settings, cost=cost, summary=result.summary)
    else:
        save_checkpoint(output, result)
        write_made_from(side, made_from, settings, cost=cost, history=result.history)
    keeper.clear()
    log.info("%s: %.1f s", made_from.get("step", step), cost["seconds"])


def load_run(graph: Path, split: Path, settings: Json, device: torch.device) -> Run:
    """The run that these files and settings describe, without any test link."""
    whole = load_graph(graph)
    sides = LinkSplit.load(split)
    ranked = sides.ranked["valid"]
    predictor, sampler = dict(settings["predictor"]), dict(settings["sampler"])
    kind = sampler.pop("kind")
    return Run(
        graph=sides.train_graph(whole).to(device),
        valid_positives=ranked.positives.to(device),
        valid_negatives=ranked.negatives.to(device),
        predictor=PREDICTORS.make(predictor.pop("kind"), **predictor),  # type: ignore[arg-type]
        sampler=checked(kind, SAMPLERS.make(kind, **sampler)),
        seed=settings["seed"],
    )


def _load(path: Path) -> Checkpoint | MetaData:
    if path.suffix == ".safetensors":
        return load_checkpoint(path)
    arrays = read_arrays(path)
    return MetaData(torch.from_numpy(arrays["pairs"]), torch.from_numpy(arrays["labels"]))


def _add_up(own: Json, made: dict[str, Path]) -> Json:
    """This step's cost, and that of all steps up to it (each step's needs name all of them)."""
    earlier = [read_json(path.with_suffix(".json"))["cost"] for path in made.values()]
    return {
        **own,
        "chain_seconds": own["seconds"] + sum(cost["seconds"] for cost in earlier),
        "chain_fit_seconds": own["fit_seconds"] + sum(cost["fit_seconds"] for cost in earlier),
        "chain_peak_memory_mb": max(cost["peak_memory_mb"] for cost in [own, *earlier]),
    }
