"""What a suite's steps will cost: from runs that were measured, else by a rule of scaling.

A measured run is one whose data set, predictor and method are those asked for; its seconds are
scaled by the epochs. It tells what a run's trainings took together, so where a method has several
steps, the rule says how these seconds are shared out over them.

The rule, in seconds on one CPU core, for n nodes, m links and b batches an epoch:

    an epoch      w_step (w_predictor b (.005 + 5e-6 n) + c_predictor m)
                  by enclosing subgraphs: w_step · 7e-4 m; NML-GCL's all pairs: 1e-7 n² more
    meta data     its passes count as half an epoch each
    evaluation    .1 + 1e-5 m; personalised PageRank 8e-8 n m
    graph, split  .5 + 2e-6 m
    node tasks    10 + .001 n; migration: ten evaluations

The constants are fitted to this project's own runs on Cora, CiteSeer, PubMed, chameleon and
ogbl-ddi, and lie within a factor of three of them, graph, split and node tasks aside, which are
set by eye. The rule knows neither the width of a predictor nor how early a training ends.
"""

import gzip
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neglink.errors import DataError
from neglink.plan import Plan, Step, memory_mb, size_of

Source = Literal["measured", "scaled", "rule"]

PREDICTOR_WEIGHTS = {"gat": 12.0, "ncn": 2.0, "sage": 1.5}
"""Seconds of a pass over the nodes, over those of GCN; what is not here counts as GCN."""

LINK_SECONDS = {"gae": 2e-5, "ncn": 2e-5}
"""Seconds for each link of an epoch; those that are not here score by an inner product."""

INNER_PRODUCT = 2e-7
SUBGRAPH = 7e-4
PAIR = 1e-7
"""Seconds for each link, by inner product or enclosing subgraph, and for each pair of nodes."""

STEP_WEIGHTS = {"student": 2.5, "metadata": 0.5}
"""Seconds of an epoch over those of plain training."""

EPOCHS = {
    "teacher": ("teacher_epochs",),
    "metadata": ("passes",),
    "student": ("student_epochs",),
    "tune": ("fine_tune_epochs",),
    "train": ("epochs",),
}
"""Settings of a method that say how often a step goes over the links."""

EDGE_CENTRIC = {"seal", "grail"}
"""Predictors that score a pair by its enclosing subgraph."""

UNKNOWN_EPOCHS = 300
"""Of a method that names none."""


@dataclass(frozen=True)
class Cost:
    """What one step is expected to take."""

    seconds: float
    source: Source
    """`measured`: the same data set, predictor and method; `scaled`: another method of this kind
    on the same data set, with the same predictor; `rule`: the rule above."""
    peak_mb: float | None = None
    """Greatest memory that the measured runs held, whole chains; none by the rule."""


@dataclass(frozen=True)
class Record:
    """A finished run, as its metrics tell of it."""

    dataset: str
    predictor: str
    sampler: str | None
    method: str | None
    kind: str | None
    """Kind of its method."""
    epochs: float
    """Epochs that its method's settings ask for."""
    train_seconds: float
    """All trainings of the run."""
    evaluate_seconds: float
    peak_mb: float
    device: str


@dataclass(frozen=True)
class Row:
    """One rule of the pipeline, over the steps that have no file yet."""

    rule: str
    steps: int
    seconds: float
    measured_seconds: float
    """Of these seconds, those of steps whose cost was measured."""
    measured: int
    scaled: int
    by_rule: int
    """Steps by where their cost comes from; see `Cost.source`."""
    asked_mb: int
    """The most memory that one of them asks a scheduler for; 0 where it asks none."""
    peak_mb: float | None
    """The most that the measured runs held."""


# --- the rule ----------------------------------------------------------------------


def epochs_of(method: Mapping[str, Any], kind: str = "train") -> float:
    """How often a step of this kind goes over the links, by its method's settings."""
    if "inner_epochs" in method:
        return float(method.get("iterations", 1) * method["inner_epochs"])
    named = [method[key] for key in EPOCHS.get(kind, ()) if method.get(key)]
    return float(named[0]) if named else float(method.get("epochs") or UNKNOWN_EPOCHS)


def all_epochs_of(method: Mapping[str, Any]) -> float:
    """Epochs of all steps of a method together."""
    names = {name for kind in ("teacher", "student", "tune", "train") for name in EPOCHS[kind]}
    named = [method[name] for name in names if method.get(name)]
    return float(sum(named)) if named else epochs_of(method)


def by_rule(step: Step) -> float:
    """Seconds of a step by the rule of scaling."""
    if step.kind == "fetch":
        return 0.0  # the network's
    if step.kind == "suite":
        return 5 + 0.01 * len(step.inputs)
    nodes, links = size_of(step)
    match step.kind:
        case "graph" | "split":
            return 0.5 + 2e-6 * links
        case "evaluate":
            if step.settings["predictor"]["kind"] == "ppr":
                return 0.1 + 8e-8 * nodes * links
            return 0.1 + 1e-5 * links
        case "nodes":
            return 10 + 1e-3 * nodes
        case "migration":
            return 10 * (0.1 + 1e-5 * links)
    return epochs_of(step.settings["method"], step.kind) * _epoch(step, nodes, links)


def _epoch(step: Step, nodes: int, links: int) -> float:
    kind, method = step.settings["predictor"]["kind"], step.settings["method"]
    weight = STEP_WEIGHTS.get(step.kind, 1.0)
    if kind in EDGE_CENTRIC:
        return weight * SUBGRAPH * links
    batch = method.get("batch_links")
    batches = 1 if not batch else max(1, -(-links // batch))
    seconds = PREDICTOR_WEIGHTS.get(kind, 1.0) * batches * (5e-3 + 5e-6 * nodes)
    seconds += LINK_SECONDS.get(kind, INNER_PRODUCT) * links
    if method["kind"] == "nml" and step.kind == "train":
        seconds += PAIR * nodes**2
    return weight * seconds


# --- measured runs ---------------------------------------------------------------------------


def records(project: Path, datasets: Iterable[str]) -> list[Record]:
    """Runs on these data sets that are in results/runs and results/metrics, each once.

    Raises:
        DataError: a pack is not readable.
    """
    wanted = set(datasets)
    found: dict[str, Record] = {}
    for name, text in _texts(project, wanted):
        if name not in found and (record := _record(text, wanted)) is not None:
            found[name] = record
    return [found[name] for name in sorted(found)]


def _texts(project: Path, datasets: set[str]) -> Iterator[tuple[str, str]]:
    """File name and JSON of every metrics file that may be of these data sets."""
    for pack in sorted(project.glob("results/runs/*.jsonl.gz")):
        try:
            with gzip.open(pack, "rt", encoding="utf-8") as lines:
                for line in lines:
                    path = line.rpartition('"path":"')[2].partition('"')[0]
                    name = path.removeprefix("results/metrics/")
                    if name != path and _may_be(name, datasets):
                        yield name, line
        except (OSError, EOFError) as error:
            raise DataError(f"{pack}: not readable ({error})") from None
    for file in sorted(project.glob("results/metrics/*.json")):
        if _may_be(file.name, datasets):
            yield file.name, file.read_text(encoding="utf-8")


def _may_be(name: str, datasets: set[str]) -> bool:
    return any(name.startswith(f"{dataset}-") for dataset in datasets)


def _record(text: str, datasets: set[str]) -> Record | None:
    """What the metrics say of their cost; none for what is no metrics file of these graphs."""
    try:
        whole = json.loads(text)
        content = whole.get("content", whole)
        run, cost = content["run"], content["cost"]
        settings = content["made_from"]["settings"].get("method") or {}
        if run["dataset"] not in datasets:
            return None
        return Record(
            run["dataset"], run["predictor"], run["sampler"], run["method"],
            settings.get("kind"), all_epochs_of(settings), float(cost["train_seconds"]),
            float(cost["evaluate_seconds"]), float(cost["peak_memory_mb"]), cost["device"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Known:
    """Measured runs, by what they have in common with a run that is asked for."""

    def __init__(self, measured: Iterable[Record], device: str = "cpu") -> None:
        self._by: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
        wanted = "cpu" if device == "auto" else device
        for one in measured:
            if not one.device.startswith(wanted):
                continue
            for key in (
                ("sampler", one.dataset, one.predictor, one.method, one.sampler),
                ("method", one.dataset, one.predictor, one.method),
                ("kind", one.dataset, one.predictor, one.kind),
            ):
                self._by[key].append(one)

    def like(self, run: Mapping[str, Any], kind: str | None) -> tuple[Source, list[Record]]:
        """The nearest measured runs: with the same sampler, with any, of the method's kind."""
        first = run["dataset"], run["predictor"]
        method = run["method"]
        near = self._by.get(("sampler", *first, method, run["sampler"]))
        near = near or self._by.get(("method", *first, method))
        if near:
            return "measured", near
        alike = self._by.get(("kind", *first, kind)) if kind else None
        return ("scaled", alike) if alike else ("rule", [])


# --- a whole plan ----------------------------------------------------------------------------


def chain(step: Step) -> list[Step]:
    """The trainings behind an evaluation, each once; empty for a heuristic."""
    waiting = [s for k, s in step.inputs.items() if k == "checkpoint"]
    found: dict[str, Step] = {}
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            waiting.extend(s for k, s in one.inputs.items() if k not in {"graph", "split"})
    return list(found.values())


def costs(plan: Plan, measured: Iterable[Record]) -> dict[tuple[str, str], Cost]:
    """The expected cost of every step, by kind and name."""
    known = Known(measured, plan.params.device)
    several: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    for judged in plan.evaluations:
        method = judged.settings.get("method") or {}
        source, near = known.like(judged.settings["run"], method.get("kind"))
        if not near:
            continue
        peak = max(one.peak_mb for one in near)
        seconds = statistics.median(one.evaluate_seconds for one in near)
        several["evaluate", judged.name].append(Cost(seconds, source, peak))
        steps = chain(judged)
        whole = sum(map(by_rule, steps))
        if not whole:
            continue
        asked = all_epochs_of(method)
        took = statistics.median(one.train_seconds * asked / one.epochs for one in near)
        for step in steps:
            share = took * by_rule(step) / whole
            several[step.kind, step.name].append(Cost(share, source, peak))
    return {
        (kind, name): _joined(several.get((kind, name), []), step)
        for kind, steps in plan.steps.items()
        for name, step in steps.items()
    }


def _joined(found: list[Cost], step: Step) -> Cost:
    """One cost of a step that several runs share: the mean, as sure as the surest of them."""
    best: list[Cost] = []
    for source in ("measured", "scaled"):
        best = best or [cost for cost in found if cost.source == source]
    if not best:
        return Cost(by_rule(step), "rule")
    peaks = [cost.peak_mb for cost in best if cost.peak_mb is not None]
    return Cost(
        statistics.fmean(cost.seconds for cost in best), best[0].source, max(peaks, default=None)
    )


def left(plan: Plan, project: Path = Path()) -> dict[str, list[Step]]:
    """The steps that are still to be made, by kind in the pipeline's order, by name in each.

    A step whose file is there asks for nothing, so that no training counts whose metrics are there.
    """
    found = plan.needed(lambda step: (project / step.path).exists())
    return {kind: [s for _, s in sorted(found[kind].items())] for kind in sorted(found, key=_order)}


def rows(plan: Plan, measured: Iterable[Record], steps: Mapping[str, list[Step]]) -> list[Row]:
    """The expected cost of these steps of the plan (as from `left`), by rule."""
    expected = costs(plan, measured)
    made = []
    for kind, waiting in steps.items():
        found = [expected[kind, step.name] for step in waiting]
        peaks = [cost.peak_mb for cost in found if cost.peak_mb is not None]
        sources = Counter(cost.source for cost in found)
        made.append(
            Row(
                kind,
                len(waiting),
                sum(cost.seconds for cost in found),
                sum(cost.seconds for cost in found if cost.source == "measured"),
                sources["measured"],
                sources["scaled"],
                sources["rule"],
                0 if kind in LOCAL else max(memory_mb(step) for step in waiting),
                max(peaks, default=None),
            )
        )
    return made


LOCAL = {"fetch", "suite"}
"""Rules that run where Snakemake runs, and ask no scheduler for anything."""

ORDER = ("fetch", "graph", "split", "train", "teacher", "metadata", "student", "tune", "evaluate",
         "nodes", "migration")  # fmt: skip


def _order(kind: str) -> tuple[int, str]:
    return (ORDER.index(kind) if kind in ORDER else len(ORDER), kind)
