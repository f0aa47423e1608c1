"""What a report is made from: one suite file, and the metrics, tasks of nodes and analyses in it.

Everything is checked as it is read, so the tables, figures and the page can trust it. A file that
is missing or malformed is named, with the first thing that is wrong in it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from neglink.errors import DataError, ReportError
from neglink.files import read_json

UNKNOWN = "unknown"
"""Said of a setting that is not on record."""
NONE = "–"
"""Stands for the sampler and method of a heuristic, which is not trained."""


class Part(BaseModel):
    """A part of an input file: unknown keys are passed over, NaN and infinity are refused."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Sweep(Part):
    """A method with one setting changed: which method, which setting, to what value."""

    method: str
    setting: str
    value: Any = None


class Run(Part):
    """What was trained and evaluated, once."""

    dataset: str
    predictor: str
    sampler: str | None = None
    method: str | None = None
    seed: int
    sweep: Sweep | None = None

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """The run without its seed: (dataset, predictor, sampler, method)."""
        return (self.dataset, self.predictor, self.sampler or NONE, self.method or NONE)

    @property
    def title(self) -> str:
        """The run in one line, for a title."""
        return f"{' · '.join(self.cell)}, seed {self.seed}"


class Protocol(Part):
    """How links were split and which negatives were ranked."""

    split: str
    train: float | None = None
    valid: float | None = None
    test: float | None = None
    ranked: str = "uniform"
    negatives_per_link: float | None = None

    @property
    def text(self) -> str:
        """The protocol in one line."""
        shares = [self.train, self.valid, self.test]
        split = self.split
        if None not in shares:
            split += " " + "/".join(f"{100 * share:g}" for share in shares if share is not None)
        per_link = self.negatives_per_link
        return f"{split} split, {self.ranked} negatives" + (
            f", {per_link:g} per test link" if per_link is not None else ""
        )


class SamplerCheck(Part):
    """How many of the negatives that a sampler drew are hidden links."""

    drawn: int
    false_negatives: int
    share: float


class Planted(Part):
    """What only a planted graph can tell: the best that any predictor can reach."""

    ceiling: dict[str, float | None] = Field(default_factory=dict)
    spearman: float | None = None


class Calibration(Part):
    """How far predicted probabilities are from observed shares."""

    brier: float
    ece: float


class Cost(Part):
    """What a run took."""

    train_seconds: float | None = None
    """Of all steps up to the last one, from the start of each process to its end."""
    loop_seconds: float | None = None
    """Of the same steps, without start-up, reading and writing."""
    evaluate_seconds: float | None = None
    epochs: int | None = None
    peak_memory_mb: float | None = None
    device: str | None = None
    threads: int | None = None


class Iterations(Part):
    """PULL: what each iteration began with and led to."""

    added: list[int]
    """Pairs in the expected graph beside the given links."""
    weight: list[float]
    """Sum of their weights: how many of them are expected to be links."""
    valid_auc: list[float]


class Level(Part):
    """DMNS: the check of one level of generated negatives."""

    t: int
    share: float
    """Of queries whose slope λ lies in (0, 1)."""
    median: float
    """Of their slopes."""
    local_share: float
    """Of single embeddings with a local slope in (0, 1)."""


class Positivity(Part):
    """DMNS: sub-linear positivity of the generated negatives, by level."""

    levels: list[Level] = Field(default_factory=list)
    share: float
    local_share: float
    queries: int | None = None
    samples: int | None = None
    covariance: str | None = None


class History(Part):
    """Checks that a method made while it trained."""

    iterations: Iterations | None = None
    kept_iteration: int | None = None
    positivity: Positivity | None = None


class Metrics(Part):
    """One metrics file: the evaluation of one run."""

    run: Run
    protocol: Protocol
    test: dict[str, float | None]
    valid: dict[str, float | None] = Field(default_factory=dict)
    ties: dict[str, Any] = Field(default_factory=dict)
    counts: dict[str, Any] = Field(default_factory=dict)
    sampler_check: SamplerCheck | None = None
    planted: Planted | None = None
    calibration: Calibration | None = None
    cost: Cost = Cost()
    history: History = History()
    made_from: dict[str, Any] = Field(default_factory=dict)
    unstated: dict[str, Any] = Field(default_factory=dict)
    """The method's settings that runs do not record, as the suite file gives them."""

    def setting(self, name: str) -> Any:
        """What a setting of the run's method was; None where it is not known."""
        settings = self.made_from.get("settings")
        method = settings.get("method") if isinstance(settings, dict) else None
        recorded = method if isinstance(method, dict) else {}
        return recorded.get(name, self.unstated.get(name))

    def tie_ends(self, metric: str) -> tuple[float, float] | None:
        """A test metric with equal scores counted against the link, and for it; None if unknown."""
        ends = self.ties.get(metric)
        if not isinstance(ends, dict):
            return None
        low, high = ends.get("pessimistic"), ends.get("optimistic")
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            return None
        return low, high


class Curve(Part):
    """Loss and AUC by epoch; epochs count on from teacher to student."""

    epoch: list[float]
    loss: list[float]
    valid_epoch: list[float] = Field(default_factory=list)
    valid_auc: list[float] = Field(default_factory=list)
    test_epoch: list[float] = Field(default_factory=list)
    test_auc: list[float] = Field(default_factory=list)


class Step(Part):
    """Movers and migrants between two epochs, one mark per fixed test negative."""

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    mover: list[bool]
    migrant: list[bool]


class Meta(Part):
    """Loss, meta weight and label of the samples that the meta learner weighs."""

    loss: list[float]
    weight: list[float]
    label: list[int]


class Analysis(Part):
    """One analysis file: how the scores of one run moved during training."""

    run: Run
    curve: Curve
    teacher_curve: Curve | None = None
    teacher_epochs: int | None = None
    epochs: list[int] = Field(default_factory=list)
    scores: list[list[float]] = Field(default_factory=list)
    thresholds: list[float] = Field(default_factory=list)
    migration: list[Step] = Field(default_factory=list)
    meta: Meta | None = None

    @field_validator("meta", mode="before")
    @classmethod
    def _of_a_meta_learner(cls, value: Any) -> Any:
        """What other methods record in this place is passed over."""
        if isinstance(value, dict) and not value.keys() & Meta.model_fields.keys():
            return None
        return value


def _in_order(names: dict[str, str]) -> str:
    """Names of parts as tables have them; a file keeps its keys by the alphabet."""
    return " · ".join(names[part] for part in ("predictor", "sampler", "method") if part in names)


class Comparison(Part):
    """Runs to compare by seed: what ours have, and what the others have in its place."""

    ours: dict[str, str]
    """Names of ours, by "predictor", "sampler" and "method"; what is not named may be any."""
    against: dict[str, str]
    """Names that the others have; what is not named is as in ours."""

    @property
    def title(self) -> str:
        """What is compared, in words."""
        return f"{_in_order(self.ours)} against {self.other}"

    @property
    def other(self) -> str:
        """What the others are, in words."""
        return _in_order(self.against)

    def other_of(self, cell: tuple[str, str, str, str]) -> tuple[str, str, str, str] | None:
        """The cell to compare a cell with; None where the comparison is not about it."""
        dataset, *names = cell
        own = dict(zip(("predictor", "sampler", "method"), names, strict=True))
        if any(own[kind] != name for kind, name in self.ours.items()):
            return None
        there = own | self.against
        return dataset, there["predictor"], there["sampler"], there["method"]


class Spread(Part):
    """One metric of a task of nodes over its repeats."""

    mean: float
    std: float = 0.0


class Probe(Part):
    """A linear probe on frozen embeddings."""

    accuracy: Spread
    valid_accuracy: Spread


class Clusters(Part):
    """Agreement of clusters with the classes."""

    nmi: Spread
    ari: Spread
    fmi: Spread


class Weights(Part):
    """Mean weight of pairs of one class over that of pairs of two."""

    ratio: float


class NodeCounts(Part):
    """Nodes on each side of a division."""

    train: int
    valid: int
    test: int


class Nodes(Part):
    """One file of node tasks: the embeddings of one run, judged by the classes of the nodes."""

    run: Run
    probe: Probe
    clusters: Clusters
    counts: NodeCounts
    weights: Weights | None = None
    cost: dict[str, Any] = Field(default_factory=dict)
    made_from: dict[str, Any] = Field(default_factory=dict)

    @property
    def division(self) -> str:
        """How the nodes were divided: public, random, or unknown where it is not on record."""
        return str(self._tasks.get("split", UNKNOWN))

    @property
    def protocol(self) -> str:
        """How the embeddings were judged, in one line."""
        counts, links = self.counts, self._tasks.get("links", UNKNOWN)
        text = f"tasks of nodes, {self.division} division into {counts.train:,} training, "
        text += f"{counts.valid:,} validation and {counts.test:,} test nodes"
        if self.division == "random":
            text += f", {self._tasks.get('repeats', UNKNOWN)} repeats"
        sent = {"whole": "all links", "train": "training links"}.get(str(links), f"{links} links")
        return f"{text}, messages along {sent}"

    @property
    def _tasks(self) -> dict[str, Any]:
        settings = self.made_from.get("settings")
        tasks = settings.get("nodes") if isinstance(settings, dict) else None
        return tasks if isinstance(tasks, dict) else {}

    def as_metrics(self) -> Metrics:
        """The same as metrics of a run: means over the repeats, by side."""
        test: dict[str, float | None] = {
            "accuracy": self.probe.accuracy.mean,
            "nmi": self.clusters.nmi.mean,
            "ari": self.clusters.ari.mean,
            "fmi": self.clusters.fmi.mean,
            "ratio": self.weights.ratio if self.weights else None,
        }
        return Metrics(
            run=self.run,
            protocol=Protocol(split=self.protocol),
            test=test,
            valid={"accuracy": self.probe.valid_accuracy.mean},
            made_from=self.made_from,
        )


class Suite(Part):
    """A suite file: what was compared, what to show, and where the metrics lie."""

    suite: str
    digest: str
    title: str = ""
    description: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    unstated: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By method, the settings that its runs do not record."""
    metrics_shown: list[str] = Field(min_length=1)
    primary: str
    tables: list[str] = Field(default_factory=list)
    figures: list[str] = Field(default_factory=list)
    compare: list[Comparison] = Field(default_factory=list)
    beside: list[Comparison] = Field(default_factory=list)
    metrics: list[Path] = Field(min_length=1)
    nodes: list[Path] = Field(default_factory=list)
    analyses: list[Path] = Field(default_factory=list)
    provenance: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """A suite with everything that it lists, read and checked."""

    suite: Suite
    metrics: list[Metrics]
    analyses: list[Analysis]
    nodes: list[Nodes] = field(default_factory=list)


PartType = TypeVar("PartType", bound=Part)


def read(path: Path, kind: type[PartType]) -> PartType:
    """The content of a JSON file, checked; a ReportError names the file and its first fault."""
    try:
        return kind.model_validate(read_json(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportError(
            f"{path}: cannot be read ({reason}). Run Snakemake again, which makes it."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise ReportError(
            f"{path}: not a valid {kind.__name__.lower()} file, at {where}: {first['msg']}."
        ) from error
    except DataError as error:
        raise ReportError(str(error)) from error


def read_suite(path: Path) -> Inputs:
    """A suite file and everything that it lists; listed paths are relative to the working folder.

    Raises:
        ReportError: a file is missing or malformed, a run comes twice, the seeds of one cell were
            evaluated under different protocols, or the primary metric is not among those shown.
    """
    suite = read(path, Suite)
    if suite.primary not in suite.metrics_shown:
        raise ReportError(f"{path}: primary metric {suite.primary!r} is not in metrics_shown.")
    metrics = [
        result.model_copy(update={"unstated": suite.unstated.get(result.run.method or "", {})})
        for result in (read(file, Metrics) for file in suite.metrics)
    ]
    analyses = [read(file, Analysis) for file in suite.analyses]
    nodes = [read(file, Nodes) for file in suite.nodes]
    refuse_repeats(suite.metrics, metrics)
    refuse_repeats(suite.nodes, [judged.as_metrics() for judged in nodes])
    for file, analysis in zip(suite.analyses, analyses, strict=True):
        check_lengths(file, analysis)
    return Inputs(suite, metrics, analyses, nodes)


def refuse_repeats(files: list[Path], metrics: list[Metrics]) -> None:
    """Raise if a run comes twice, or if the seeds of one cell differ in their protocol."""
    runs: dict[tuple[object, ...], Path] = {}
    cells: dict[tuple[str, ...], tuple[Protocol, Path]] = {}
    for file, result in zip(files, metrics, strict=True):
        run = (*result.run.cell, result.run.seed)
        if run in runs:
            raise ReportError(f"{file} and {runs[run]} hold the same run: {result.run.title}.")
        runs[run] = file
        protocol, first = cells.setdefault(result.run.cell, (result.protocol, file))
        if protocol != result.protocol:
            raise ReportError(
                f"{file} and {first} are seeds of one run but differ in their protocol: "
                f"{result.protocol.text}, against {protocol.text}."
            )


def check_lengths(file: Path, analysis: Analysis) -> None:
    """Raise if series that belong together differ in length."""
    meta = analysis.meta
    curves = {"curve": analysis.curve, "teacher_curve": analysis.teacher_curve or analysis.curve}
    negatives = {len(row) for row in analysis.scores}
    negatives |= {len(marks) for step in analysis.migration for marks in (step.mover, step.migrant)}
    wrong = {
        f"{name}.{x} and {name}.{y}": len(getattr(curve, x)) != len(getattr(curve, y))
        for name, curve in curves.items()
        for x, y in (("epoch", "loss"), ("valid_epoch", "valid_auc"), ("test_epoch", "test_auc"))
    }
    wrong |= {
        "scores, migration.mover and migration.migrant": len(negatives) > 1,
        "epochs, scores and thresholds": not (
            len(analysis.epochs) == len(analysis.scores) == len(analysis.thresholds)
        ),
        "meta.loss, meta.weight and meta.label": meta is not None
        and not (len(meta.loss) == len(meta.weight) == len(meta.label)),
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ReportError(f"{file}: {what} differ in length.")
    for step in analysis.migration:
        if {step.start, step.end} - set(analysis.epochs):
            raise ReportError(f"{file}: migration {step.start} to {step.end} is not in epochs.")
