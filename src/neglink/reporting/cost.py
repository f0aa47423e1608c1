"""Cost: how many times as much time and memory a method takes as plain training (κ of MeBNS).

Plain training is `plain`, or what stands for it (`statistics.base_of`).
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from neglink.naming import BASE, SYSTEM, base_of, removed
from neglink.reporting.inputs import NONE, Inputs, Metrics
from neglink.reporting.published import KAPPA, KAPPA_BOUND
from neglink.reporting.sheets import (
    RUN,
    Item,
    Sheet,
    Table,
    amount,
    records,
    tidy,
)
from neglink.reporting.statistics import Cell, Results

QUANTITIES = {"train_seconds": "s", "seconds_per_epoch": "s", "peak_memory_mb": "MB"}
"""What is compared, with its unit."""
TITLES = {
    "train_seconds": "training time",
    "seconds_per_epoch": "time per epoch",
    "peak_memory_mb": "peak memory",
}
SHORT = {
    "train_seconds": "in time",
    "seconds_per_epoch": "in time per epoch",
    "peak_memory_mb": "in memory",
}
PUBLISHED_ON = "pubmed"
COLUMNS = [
    *(*RUN, "against", "quantity", "unit", "n", "against_mean", "mean"),
    *("ratio", "ratio_min", "ratio_max", "published_kappa"),
]


@dataclass(frozen=True)
class Ratios:
    """What one cell took over what another took, by seed."""

    cell: Cell
    against: Cell
    quantity: str
    pairs: dict[int, tuple[float, float]]
    """By seed: this cell's amount and the other's."""

    @property
    def values(self) -> list[float]:
        """The ratio of each seed."""
        return [ours / other for ours, other in self.pairs.values()]

    @property
    def mean(self) -> float:
        """The mean ratio."""
        return math.fsum(self.values) / len(self.pairs)


def mean(values: Iterable[float]) -> float | None:
    """The mean; None of nothing."""
    kept = list(values)
    return math.fsum(kept) / len(kept) if kept else None


def by_predictor(found: Iterable[Ratios]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """The ratios of each predictor and method by quantity, over data sets, samplers and seeds."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for ratio in found:
        of = groups.setdefault((ratio.cell[1], ratio.cell[3]), {})
        of.setdefault(ratio.quantity, []).extend(ratio.values)
    return groups


def with_range(values: Iterable[float]) -> tuple[str, str]:
    """The mean of some ratios, and their range in brackets.

    >>> with_range([2.0, 4.0])
    ('3.00', '[2.00, 4.00]')
    """
    kept = list(values)
    return amount(mean(kept)), f"[{amount(min(kept))}, {amount(max(kept))}]"


def has_loops(results: Results) -> bool:
    """Whether every trained run says how long its epochs took, without start-up."""
    trained = [result for result in results.metrics if result.run.method is not None]
    return all(result.cost.loop_seconds is not None for result in trained)


def ratios(results: Results) -> list[Ratios]:
    """Each trained method over plain training, for every quantity, where both ran alike.

    Seeds count that both have, on the same device with the same number of threads. Swept runs and
    runs that only remove easy negatives are left out.
    """
    loops, found = has_loops(results), []
    for cell in results.unswept:
        base = (*cell[:3], base_of(other[3] for other in results.unswept if other[:3] == cell[:3]))
        if cell[3] == NONE or removed(cell[3]) is not None or base not in results.cells:
            continue
        if cell == base:
            continue
        for quantity in QUANTITIES:
            found.append(Ratios(cell, base, quantity, _pairs(results, cell, base, quantity, loops)))
    return [ratio for ratio in found if ratio.pairs]


def _pairs(
    results: Results, cell: Cell, base: Cell, quantity: str, loops: bool
) -> dict[int, tuple[float, float]]:
    plain = {result.run.seed: result for result in results.cells[base]}
    found = {}
    for result in sorted(results.cells[cell], key=lambda result: result.run.seed):
        other = plain.get(result.run.seed)
        if other is None or _where(result) != _where(other):
            continue
        a, b = (_amount(of, quantity, loops) for of in (result, other))
        if a is not None and b:
            found[result.run.seed] = (a, b)
    return found


def _where(result: Metrics) -> tuple[Any, ...]:
    return result.cost.device, result.cost.threads


def _amount(result: Metrics, quantity: str, loops: bool) -> float | None:
    cost = result.cost
    if quantity == "peak_memory_mb":
        return cost.peak_memory_mb
    return seconds_of(result, quantity, loops)


def seconds_of(result: Metrics, quantity: str, loops: bool) -> float | None:
    """Seconds of a run's training, or of each of its epochs; `loops`: see `has_loops`."""
    cost = result.cost
    if quantity == "train_seconds":
        return cost.train_seconds
    seconds = cost.loop_seconds if loops else cost.train_seconds
    return seconds / cost.epochs if seconds is not None and cost.epochs else None


# --- the table --------------------------------------------------------------------------------


def cost_table(inputs: Inputs, results: Results) -> Table | None:
    """κ by predictor, and what each method took; None where nothing can be compared."""
    found = ratios(results)
    if not found:
        return None
    frame = tidy([_row(ratio) for ratio in found], columns=COLUMNS)
    sheets = [_by_predictor(found), _by_cell(records(frame))]
    bases = dict.fromkeys(ratio.against[3] for ratio in found)
    return Table(
        "cost", f"Cost over {' or '.join(bases)} training", frame, sheets, _notes(results, bases)
    )


def _notes(results: Results, bases: Collection[str]) -> list[str]:
    basis = (
        "the epochs alone, without start-up, reading and writing"
        if has_loops(results)
        else "the whole training, start-up included, which weighs most on small graphs"
    )
    observed = ", ".join(f"{value:g} with {name.upper()}" for name, value in KAPPA.items())
    stated = (
        "MeBNS, section 3.4.2: an iteration of the teacher costs what one of the baseline costs, "
        "the student adds the second gradient on the meta data, and the whole is linear in the "
        f"baseline's time with a constant κ of at most, or about, {KAPPA_BOUND:g}. On PubMed it "
        f"reports κ = {observed}. Read as a ratio, a κ below 1 would make MeBNS cheaper than the "
        "training that it contains; the paper does not say whether it means the ratio or what is "
        "added. Ours is the ratio."
    )
    return [
        f"κ: a method's amount over that of {' or '.join(bases)}, by seed; its mean, and in "
        "brackets the lowest and the highest. Training time is that of all steps of a run "
        f"(teacher, meta data, student); time per epoch is of {basis}, over teacher's and "
        "student's epochs together.",
        *([stated] if BASE in bases else []),
        "Compared are runs of one seed on the same device with the same number of threads. A "
        "step that several runs share is timed once and counted in each.",
    ]


def _row(ratio: Ratios) -> dict[str, Any]:
    is_time = ratio.quantity != "peak_memory_mb"
    return {
        **dict(zip(RUN, ratio.cell, strict=True)),
        "against": ratio.against[3],
        "quantity": ratio.quantity,
        "unit": QUANTITIES[ratio.quantity],
        "n": len(ratio.pairs),
        "against_mean": mean(other for _, other in ratio.pairs.values()),
        "mean": mean(ours for ours, _ in ratio.pairs.values()),
        "ratio": ratio.mean,
        "ratio_min": min(ratio.values),
        "ratio_max": max(ratio.values),
        "published_kappa": published_kappa(ratio.cell) if is_time else None,
    }


def _by_predictor(found: list[Ratios]) -> Sheet:
    """κ over all data sets, samplers and seeds of a predictor and method."""
    datasets: dict[tuple[str, str], set[str]] = {}
    for ratio in found:
        datasets.setdefault((ratio.cell[1], ratio.cell[3]), set()).add(ratio.cell[0])
    rows = []
    for (predictor, method), pooled in by_predictor(found).items():
        runs = max(map(len, pooled.values()))
        rows.append(
            [
                *(Item(name) for name in (predictor, method)),
                Item(", ".join(sorted(datasets[predictor, method]))),
                Item(str(runs), order=runs),
                *(_ratio_item(pooled.get(name, [])) for name in QUANTITIES),
                _published_item(KAPPA.get(predictor) if method == SYSTEM else None),
            ]
        )
    heads = ["predictor", "method", "datasets", "pairs of runs"]
    heads += [f"κ of {TITLES[name]}" for name in QUANTITIES]
    return Sheet("κ by predictor", [*heads, "MeBNS on PubMed"], rows, frozenset(range(3, 8)))


def _published_item(value: float | None) -> Item:
    return Item(NONE if value is None else f"{value:g}", order=value)


def _ratio_item(values: list[float]) -> Item:
    if not values:
        return Item(NONE)
    return Item(*with_range(values), order=mean(values))


def _by_cell(rows: list[dict[str, Any]]) -> Sheet:
    """What each cell took beside plain: one row with all quantities."""
    groups: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in RUN), {})[row["quantity"]] = row
    heads = [*RUN, "seeds"]
    for name, unit in QUANTITIES.items():
        heads += [f"{TITLES[name]} ({unit})", f"κ of {TITLES[name]}"]
    shows_published = any(map(published_kappa, groups))
    items = []
    for cell, of in groups.items():
        seeds = max(int(row["n"]) for row in of.values())
        line = [*map(Item, cell), Item(str(seeds), order=seeds)]
        for name in QUANTITIES:
            line += _amounts(of.get(name))
        if shows_published:
            line.append(_published_item(published_kappa(cell)))
        items.append(line)
    heads += ["MeBNS's κ of time"] * shows_published
    return Sheet("What each method took", heads, items, frozenset(range(4, len(heads))))


def published_kappa(cell: Sequence[str]) -> float | None:
    """The κ of time that MeBNS reports for such runs: of its method, on PubMed."""
    dataset, predictor, _, method = cell
    return KAPPA.get(predictor) if (dataset, method) == (PUBLISHED_ON, SYSTEM) else None


def _amounts(row: dict[str, Any] | None) -> list[Item]:
    if row is None:
        return [Item(NONE)] * 2
    span = f"[{amount(row['ratio_min'])}, {amount(row['ratio_max'])}]"
    return [
        Item(amount(row["mean"]), f"{row['against']} {amount(row['against_mean'])}", row["mean"]),
        Item(amount(row["ratio"]), span, row["ratio"]),
    ]


# --- what it found ----------------------------------------------------------------------------


def cost_findings(results: Results) -> list[str]:
    """One sentence: how many times as long as plain training MeBNS takes, by predictor."""
    parts = []
    for (predictor, method), of in by_predictor(ratios(results)).items():
        if method != SYSTEM:
            continue
        said = [
            " ".join([*with_range(values), words])
            for name, words in SHORT.items()
            if (values := of.get(name))
        ]
        parts.append(f"{predictor}: {', '.join(said)}")
    if not parts:
        return []
    return [
        f"Cost of {SYSTEM} as a multiple of {BASE} (mean and range over runs). {'; '.join(parts)}. "
        f"MeBNS states a constant of at most, or about, {KAPPA_BOUND:g} for time."
    ]
