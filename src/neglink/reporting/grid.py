"""The grid of a suite: what it asks for, and why a cell of it has no run."""

from itertools import product
from typing import Any

from neglink.reporting.inputs import NONE, Inputs, Suite
from neglink.reporting.sheets import Item, amount, metric_title, run_items
from neglink.reporting.statistics import Cell, Results

KINDS = ("dataset", "predictor", "sampler", "method")


def asked_for(suite: Suite) -> dict[Cell, int]:
    """Cells of the suite's grids in its settings, with the seeds asked for; sweeps are not in it.

    Empty where the suite file does not hold its grids.
    """
    suites = suite.settings.get("suites")
    own = suites.get(suite.suite) if isinstance(suites, dict) else None
    if not isinstance(own, dict):
        return {}
    found: dict[Cell, int] = {}
    for grid in (own, *_dicts(own.get("also"))):
        names = [_names(grid.get(f"{kind}s")) for kind in KINDS]
        trained = product(*names) if all(names) else ()
        heuristics = [(d, h, NONE, NONE) for d in names[0] for h in _names(grid.get("heuristics"))]
        for dataset, predictor, sampler, method in (*trained, *heuristics):
            cell = (dataset, predictor, sampler, method)
            found[cell] = max(found.get(cell, 0), int(grid.get("seeds") or 0))
    return found


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def why_not_run(cell: Cell, results: Results) -> str:
    """Why a cell has no run: the first thing about it that no run shares."""
    for kind, name, place in zip(KINDS, cell, range(4), strict=True):
        if not any(run[place] == name for run in results.cells):
            return f"no run has the {kind} {name}"
    dataset, predictor, sampler, method = cell
    if not any(run[:2] == cell[:2] for run in results.cells):
        return f"{predictor} is not run on {dataset}"
    if not any(run[:3] == cell[:3] for run in results.cells):
        return f"{predictor} with {sampler} is not run on {dataset}"
    return f"{method} is not run for {predictor} with {sampler} on {dataset}"


def missing_row(cell: Cell, results: Results, width: int) -> list[Item]:
    """A row of `width` for a cell that the suite asks for and that has no run."""
    items = [*run_items(cell), Item("0", order=0), Item("not run:", why_not_run(cell, results))]
    return [*items, *(Item(NONE) for _ in range(width - len(items)))]


def missing_note(asked: dict[Cell, int], results: Results) -> str:
    """How many of the cells asked for have no run, or fewer seeds; empty where nothing is known."""
    if not asked:
        return ""
    missing = sum(cell not in results.cells for cell in asked)
    fewer = sum(len(results.cells.get(cell, [])) < seeds for cell, seeds in asked.items())
    return (
        f"Not run: {missing:,} of the {len(asked):,} cells that the suite asks for; "
        f"{fewer - missing:,} more have fewer seeds than its grids state."
    )


def why_no_value(results: Results, metric: str) -> str:
    """Why runs have no value of Hits@K: fewer than K negatives; empty where all have one."""
    _, _, k = metric.partition("@")
    short: dict[str, None] = {}
    for result in results.metrics:
        if k and result.test.get(metric) is None:
            count = result.counts.get("test_negatives")
            # where each link has negatives of its own, the count is of all of them
            is_told = isinstance(count, int) and count < int(k)
            short[f"{result.run.dataset} ({count})" if is_told else result.run.dataset] = None
    if not short:
        return ""
    return (
        f"{metric_title(metric)} has no value where fewer than {k} negatives are ranked: "
        f"{', '.join(short)}. Take another of the suite's metrics (and primary), or rank more "
        "negatives (evaluation)."
    )


def effort(inputs: Inputs, results: Results) -> dict[str, str]:
    """What the suite took, by name: seeds, runs, device, time."""
    costs = [result.cost for result in inputs.metrics]
    devices = sorted({cost.device for cost in costs if cost.device})
    threads = sorted({cost.threads for cost in costs if cost.threads})
    seeds = sorted({result.run.seed for result in inputs.metrics})
    training = [cost.train_seconds for cost in costs if cost.train_seconds is not None]
    scoring = [cost.evaluate_seconds for cost in costs if cost.evaluate_seconds is not None]
    each = results.seeds()
    return {
        "runs": f"{len(inputs.metrics):,}",
        "seeds": f"{_ranges(seeds)} ({each} a cell)",
        "device": ", ".join(devices) or "unknown",
        "threads": ", ".join(map(str, threads)) or "unknown",
        "training time": f"{duration(sum(training))} in all" if training else "unknown",
        "evaluation time": f"{duration(sum(scoring))} in all" if scoring else "unknown",
    }


def effort_text(inputs: Inputs, results: Results) -> str:
    """The same as one line, to stand below a table."""
    took = effort(inputs, results)
    where = f"{took['device']}, threads {took['threads']}"
    return (
        f"{took['runs']} runs, seeds {took['seeds']}, on {where}; training {took['training time']} "
        "(summed over runs; a step that several runs share counts in each), evaluation "
        f"{took['evaluation time']}."
    )


def _ranges(seeds: list[int]) -> str:
    """Whole numbers in order, runs of them shortened.

    >>> _ranges([0, 1, 2, 5]), _ranges([3])
    ('0–2, 5', '3')
    """
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in parts)


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best.

    >>> duration(12.5), duration(600), duration(9000)
    ('12.5 s', '10.0 min', '2.50 h')
    """
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{amount(seconds / size)} {unit}"
    return f"{amount(seconds)} s"
