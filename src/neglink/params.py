"""The typed view of params.yaml, put together from what each component declares on itself."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neglink import datasets
from neglink.datasets.custom import FILES, Custom
from neglink.datasets.planted import Planted
from neglink.datasets.share import Share
from neglink.errors import ParamsError, TrainingError
from neglink.evaluation.nodes import NodeTasks
from neglink.figure_needs import Asked, lacks
from neglink.methods import METHODS
from neglink.predictors import PREDICTORS, Heuristic
from neglink.registry import (
    Registry,
    adapter,
    explain,
    settings_of,
    suggest,
    telling_settings,
    true_for_numbers,
)
from neglink.samplers import SAMPLERS
from neglink.samplers.std import STD
from neglink.splits import PROTOCOLS, SPLITS
from neglink.splits.links import OfficialSplit
from neglink.splits.official import Official
from neglink.values import read_values, shown, strange_values

LONGEST_LINE = 2000
"""Letters of a message about one setting; values in the middle are left out."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
"""A name that can be part of a file name on any system."""

Entry = dict[str, Any]
"""Settings of one named component: `kind` (the name by default), `per_dataset`, in a method also
`per_predictor`, the rest."""


def _seeds(value: Any) -> Any:
    """A number of seeds, or text such as "3,ogbl-ddi=1", as a mapping by data set."""
    texts = value.split(",") if isinstance(value, str) else []
    parts = [text.strip().rpartition("=") for text in texts]
    is_wrong = isinstance(value, bool | float | list)
    if is_wrong or not all(number.strip().isdecimal() for _, _, number in parts):
        raise ValueError("expected a number, or such as 3,cora=5 (3, and 5 on cora)")
    if isinstance(value, str):
        names = [name.strip() if equals else "all" for name, equals, _ in parts]
        if len({*names}) < len(names):
            raise ValueError(
                "expected how many seeds, once for each data set, not which: 3 for seeds 0, 1 and "
                "2, or such as 3,ogbl-ddi=1"
            )
        return {name: int(number) for name, (_, _, number) in zip(names, parts, strict=True)}
    return {"all": value} if isinstance(value, int) else value


MOST_SEEDS = 10_000
"""Of one grid: a number mistyped is refused before its runs are listed."""

Count = Annotated[int, Field(ge=0, le=MOST_SEEDS)]
Seeds = Annotated[
    dict[Name, Count] | None,
    BeforeValidator(_seeds, json_schema_input_type=Count | str | dict[Name, Count] | None),
]
"""Number of seeds by data set; under `all`, for every other one; 0 leaves a data set out."""


Scalar = bool | int | float | str | None


class Strict(BaseModel):
    """A section of params.yaml: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataParams(Strict):
    """Where data sets come from."""

    mirror: str | None = None
    """Folder with raw files in the layout of data/raw, tried before any download. The environment
    variable NEGLINK_MIRROR does the same."""
    hashes: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}
    """SHA-256 that you trust for a raw file (by its path in data/raw) that has no published one."""
    planted: Entry = {}
    """Settings of the planted graph."""
    custom: dict[Name, Entry] = {}
    """Your own graphs: name → `links` (csv, tsv, txt, mtx or npz), `features`, …"""
    shares: dict[Name, Entry] = {}
    """Data sets that are a share of another one's links: name → `of`, `share`, …"""


class MigrationParams(Strict):
    """Which runs are followed over their epochs."""

    predictor: Name
    """Predictor of the followed runs."""
    sampler: Name
    """Sampler of the followed runs."""
    methods: tuple[Name, ...]
    """Methods of the followed runs."""
    seeds: Annotated[int, Field(ge=1)] = 1
    """How many seeds, from the suite's first; `seeds` of the parameters stands in its place."""
    epochs: dict[
        Name, Annotated[tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], Field(min_length=2)]
    ]
    """For each data set, the epochs whose scores of the test negatives are compared."""
    every: Annotated[int, Field(ge=1)] = 25
    """Epochs between two points of the test curve."""


class Grid(Strict):
    """A product of data sets, predictors, samplers, methods and seeds."""

    datasets: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of data sets."""
    predictors: tuple[Name, ...] = ()
    """Names under `predictors`."""
    samplers: tuple[Name, ...] = ()
    """Names under `samplers`."""
    methods: tuple[Name, ...] = ()
    """Names under `methods`."""
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = 3
    """Number of seeds; each has its own split."""
    first_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """The first of them. Settings are chosen on seeds from 100, so that results from 0 are fair."""
    sweep: dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]] = {}
    """Settings of the grid's methods, varied one at a time: setting → values. Each method also
    runs as it is."""


Part = Literal["predictor", "sampler", "method"]


class ComparisonParams(Strict):
    """Runs to compare by seed; what neither side names is the same on both."""

    ours: Annotated[dict[Part, Name], Field(min_length=1)]
    """Names of ours; other parts may be any."""
    against: Annotated[dict[Part, Name], Field(min_length=1)]
    """Names that the others have in place of ours."""


class SuiteParams(Grid):
    """A named grid of runs, with the tables and figures made of it."""

    title: str
    """Heading of the page."""
    description: str = ""
    """What the suite is for."""
    heuristics: tuple[Name, ...] = ()
    """Names under `predictors` that need no training; run once for each data set and seed."""
    also: tuple[Grid, ...] = ()
    """Further grids of the same suite."""
    migration: MigrationParams | None = None
    """Runs followed over their epochs, for the migration figures."""
    precision: Literal["highest", "medium"] = "highest"
    """Of products of matrices in training: `medium` rounds their factors to bfloat16, which is
    several times faster where the processor has such products. Part of a training's identity."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """Threads of each training. Part of its identity: with another number sums are taken in another
    order, and what is chosen by them may differ."""
    nodes: Entry | None = None
    """Settings of the tasks of nodes (`split: public`, `links: whole`, …; `{}` for the defaults),
    with changes under `per_dataset`: every trained run is judged by the classes of the nodes too.
    Every data set needs classes, every predictor embeddings. None: no such tasks."""
    split: Entry = {}
    """Changes to `split` for this suite."""
    evaluation: Entry = {}
    """Changes to `evaluation` for this suite."""
    ranked: Entry = {}
    """Negatives to rank at the end in place of those of `evaluation`, by which epochs are still
    chosen: so suites that differ in `ranked` alone share their trainings."""
    compare: tuple[ComparisonParams, ...] = ()
    """What the paired table compares; without it each method is compared with plain training."""
    beside: tuple[ComparisonParams, ...] = ()
    """Published figures to set beside other runs than their own: `against` names the published
    run, `ours` the runs, or the heuristic, that it stands beside; what neither names is the same in
    both."""
    metrics: tuple[Literal[
        "hits@1", "hits@10", "hits@20", "hits@30", "hits@50", "hits@100", "mrr", "auc", "ap",
        "ndcg", "precision", "recall", "f1"
    ], ...] = ("hits@20", "hits@30", "auc", "mrr")  # fmt: skip
    """Metrics that the tables show; all are stored."""
    primary: str = "hits@20"
    """Metric that the page's findings speak of; one of `metrics`."""
    tables: tuple[
        Literal[
            "results", "published", "paired", "planted", "sweep", "nodes", "cost", "ranking",
            "iterations", "positivity",
        ], ...
    ] = ("results", "paired")  # fmt: skip
    """Tables to make."""
    figures: tuple[Literal[
        "comparison", "learning_curves", "migration", "meta_weights", "easy_negatives", "ablation",
        "sensitivity", "cost", "ranking", "false_negatives", "iterations", "scaling",
    ], ...] = ("comparison",)  # fmt: skip
    """Figures to make."""


class Params(Strict):
    """All of params.yaml."""

    suite: str = "quickstart"
    """The suite that is built."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where trainings run; no part of any digest."""
    resume_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Seconds between two times that a training's state is stored, so that it goes on there if it
    is killed; no part of any digest."""
    seeds: Seeds = None
    """Seeds in place of what the chosen suite's grids say: a number; or, by data set,
    `{all: 3, ogbl-ddi: 1}`, for which `3,ogbl-ddi=1` is short."""
    data: DataParams = DataParams()
    """Where data sets come from."""
    split: Entry = {}
    """How links are split: `kind` and its settings."""
    evaluation: Entry = {}
    """Which negatives are ranked: `kind` and its settings."""
    predictors: dict[Name, Entry] = {}
    """Predictors by name."""
    samplers: dict[Name, Entry] = {}
    """Samplers by name."""
    methods: dict[Name, Entry] = {}
    """Methods by name."""
    suites: dict[Name, SuiteParams]
    """Suites by name."""

    @property
    def chosen(self) -> SuiteParams:
        """The suite that is built."""
        return self.suites[self.suite]

    @property
    def seeds_text(self) -> str:
        """What `seeds` says, as a person would write it."""
        if self.seeds is None:
            return "its own seeds"
        texts = (f"{name}={n}" if name != "all" else str(n) for name, n in self.seeds.items())
        return f"seeds={','.join(texts)}"

    def seeds_of(self, grid: Grid, dataset: str, count: int | None = None) -> range:
        """The seeds of a grid on a data set; `count` in place of the grid's own number.

        `seeds` of the parameters stands in place of both.
        """
        wanted = self.seeds or {}
        number = wanted.get(dataset, wanted.get("all", count or grid.seeds))
        return range(grid.first_seed, grid.first_seed + number)


def read_params(path: Path, **changes: Any) -> Params:
    """params.yaml, checked; with `changes` in place of its own keys, unless they are empty.

    Raises:
        ParamsError: the file is not what `values.read_values` reads, or a setting is not allowed.
    """
    values = read_values(path)
    return check_params(values | {key: value for key, value in changes.items() if value})


def check_params(values: Mapping[str, Any]) -> Params:
    """Parameters from plain values (params.yaml, or Snakemake's config), all of them checked.

    Raises:
        ParamsError: an unknown key or name, a wrong type or range; every offender on a line.
    """
    _refuse(strange_values(values))
    try:
        params = Params.model_validate(dict(values))
    except pydantic.ValidationError as error:
        _refuse(explain(error, "params").splitlines())
    _refuse(true_for_numbers(values, params, "params"))
    _refuse(_problems(params))
    return params


def in_yaml(text: str) -> str:
    """Lines about settings in the words of YAML, where pydantic has those of Python.

    >>> print(in_yaml("a.datasets = 'cora': input should be a valid tuple"))
    a.datasets = 'cora': expected a list, such as [cora]
    >>> print(in_yaml("gcn = None: input should be a valid dictionary"))
    gcn = None: expected a mapping, such as {name: value}, or {} for none
    """
    return "\n".join(map(_line_in_yaml, text.split("\n")))


def _line_in_yaml(line: str) -> str:
    told, _, kind = line.rpartition(": input should be a valid ")
    if kind.startswith("dictionary"):
        return f"{told}: expected a mapping, such as {{name: value}}, or {{}} for none"
    if kind not in {"tuple", "list"}:
        return line
    one = re.fullmatch(r"'?([A-Za-z0-9._+-]+)'?", told.partition(" = ")[2])
    example = one[1] if one and one[1] != "None" else "a, b"
    return f"{told}: expected a list, such as [{example}]"


def _refuse(problems: Iterable[str]) -> None:
    """Raise what is told of settings, if anything is."""
    if lines := [shown(in_yaml(line), LONGEST_LINE) for line in problems]:
        raise ParamsError("\n".join(lines))


@dataclass(frozen=True)
class Sweep:
    """A method with one setting changed."""

    method: str
    setting: str
    value: Scalar
    """As the method has it: a whole number given for a fraction is one."""

    @property
    def name(self) -> str:
        """Name of the changed method in files and tables.

        >>> Sweep("mebns", "beta", 0.1).name, Sweep("mebns", "meta_learner", False).name
        ('mebns+beta-0.1', 'mebns+meta_learner-false')
        >>> Sweep("mebns", "tau", 8e-6).name, Sweep("mebns", "virtual_rate", None).name
        ('mebns+tau-8e-06', 'mebns+virtual_rate-null')
        """
        value = self.value
        if isinstance(value, bool) or value is None:
            text = json.dumps(value)
        elif isinstance(value, float):
            short = f"{value:g}"
            text = short if float(short) == value else repr(value)
        else:
            text = re.sub(r"[^A-Za-z0-9._+-]", "_", str(value))
        return f"{self.method}+{self.setting}-{text}"


class Resolver:
    """Named entries of params.yaml as components, changes for data set and predictor applied."""

    def __init__(self, params: Params) -> None:
        self.params = params

    def predictor(self, name: str, dataset: str) -> Any:
        """The predictor called `name`, as set for this data set."""
        return self._component(PREDICTORS, "predictors", name, dataset)

    def sampler(self, name: str, dataset: str) -> Any:
        """The sampler called `name`, as set for this data set."""
        return self._component(SAMPLERS, "samplers", name, dataset)

    def method(self, name: str, dataset: str, predictor: str) -> Any:
        """The method called `name`, as set for this data set and predictor."""
        return self._component(METHODS, "methods", name, dataset, predictor)

    def part(self, what: str, name: str) -> Any:
        """The predictor, sampler or method called `name`, without changes."""
        if what == "method":
            return self.method(name, "", "")
        return getattr(self, what)(name, "")

    def sweeps(
        self, grid: Grid, method: str, dataset: str, predictor: str, where: str = "sweep"
    ) -> Iterator[Sweep]:
        """A grid's changes to the method called `method`, with values as the method has them."""
        own = self.method(method, dataset, predictor)
        for setting in grid.sweep:
            if setting not in (known := settings_of(own)):
                hint = suggest(setting, known)
                raise ParamsError(f"{where}.{setting}: no setting of method {method!r}{hint}")
            for value in grid.sweep[setting]:
                made = settings_of(changed(own, {setting: value}, where))
                yield Sweep(method, setting, made[setting])

    def split(self, suite: SuiteParams, dataset: str) -> Any:
        """How this data set is split."""
        entry = merge(self.params.split, suite.split)
        return make_entry(SPLITS, "split", "random", entry, dataset)

    def protocol(self, suite: SuiteParams, dataset: str) -> Any:
        """Negatives by which epochs are chosen, and which are ranked unless `ranked` differs."""
        entry = merge(self.params.evaluation, suite.evaluation)
        return make_entry(PROTOCOLS, "evaluation", "uniform", entry, dataset)

    def ranked(self, suite: SuiteParams, dataset: str) -> Any:
        """Which negatives are ranked at the end on this data set."""
        if not suite.ranked:
            return self.protocol(suite, dataset)
        return make_entry(PROTOCOLS, "ranked", "uniform", suite.ranked, dataset)

    def nodes(self, suite: SuiteParams, dataset: str) -> NodeTasks | None:
        """How runs on this data set are judged on nodes; None where the suite does not ask."""
        if suite.nodes is None:
            return None
        settings, where = _without(suite.nodes, "per_dataset"), "nodes"
        for path, changes in _changes("nodes", suite.nodes, "per_dataset", dataset):
            settings, where = merge(settings, changes), path
        made: NodeTasks = _validated(NodeTasks, where, settings)
        if (
            made.split == "public"
            and dataset in dataset_names(self.params)
            and dataset not in PUBLIC
        ):
            raise ParamsError(
                f"{where}.split = 'public' on {dataset}: Planetoid divides {', '.join(PUBLIC)} "
                f"alone; set nodes.per_dataset.{dataset}: {{split: random}}"
            )
        return made

    def source(self, dataset: str) -> Entry:
        """Where a data set comes from, as `datasets.build_graph` takes it."""
        data = self.params.data
        if dataset == "planted":
            return {"kind": "planted", **data.planted}
        if dataset in data.custom:
            return {"kind": "custom", **data.custom[dataset]}
        if dataset in data.shares:
            share = data.shares[dataset]
            return {"kind": "share", **share, "source": self.source(share["of"])}
        return {"kind": "catalog", "name": dataset, "hashes": data.hashes}

    def _component(
        self, registry: Registry[Any], section: str, name: str, dataset: str,
        predictor: str | None = None,
    ) -> Any:  # fmt: skip
        entries: dict[str, Entry] = getattr(self.params, section)
        if name not in entries and name not in registry.names():
            known = {*entries, *registry.names()}
            raise ParamsError(f"{section}: {name!r} is not there{suggest(name, known)}")
        entry = entries.get(name, {})
        return make_entry(registry, f"{section}.{name}", name, entry, dataset, predictor)


def changed(method: Any, changes: Mapping[str, Any], where: str) -> Any:
    """A method with some settings changed."""
    entry = with_kind(METHODS.name_of(method), method) | dict(changes)
    return METHODS.make(entry.pop("kind"), where=where, **entry)


def make_entry(
    registry: Registry[Any], where: str, kind: str, entry: Entry, dataset: str | None,
    predictor: str | None = None,
) -> Any:  # fmt: skip
    """The component an entry describes, with its changes for one data set and predictor."""
    settings: Entry = {"kind": kind}
    for path, changes in _layers(registry, where, entry, dataset, predictor):
        settings, where = merge(settings, changes), path
    kind = settings.pop("kind")
    if not isinstance(kind, str):
        raise ParamsError(f"{where}.kind = {kind!r}: expected a name")
    if "where" in settings:  # no component's setting, but an argument of `make`
        raise ParamsError(f"{where}.where: unknown key")
    made = registry.make(kind, where=where, **settings)
    if isinstance(made, STD) and not isinstance(made.base, str | dict):
        raise ParamsError(f"{where}.base = {made.base!r}: expected a name, or kind and settings")
    return made


def _layers(
    registry: Registry[Any], where: str, entry: Entry, dataset: str | None, predictor: str | None
) -> Iterator[tuple[str, Entry]]:
    """An entry's settings and the changes to lay over them, in order, each with its path."""
    if registry is not METHODS:
        yield where, _without(entry, "per_dataset")
        yield from _changes(where, entry, "per_dataset", dataset)
        return
    yield where, _without(entry, "per_dataset", "per_predictor")
    yield from _changes(where, entry, "per_dataset", dataset)
    for path, changes in _changes(where, entry, "per_predictor", predictor):
        yield path, _without(changes, "per_dataset")
        yield from _changes(path, changes, "per_dataset", dataset)


CHANGED_BY = {"per_dataset": "data sets", "per_predictor": "predictors"}

PUBLIC = ("cora", "citeseer", "pubmed")
"""Data sets of the catalog whose nodes have Planetoid's division."""


def _validated(kind: type[Any], where: str, settings: Entry) -> Any:
    """Settings as the class that declares them, with an error for each wrong one."""
    try:
        return adapter(kind).validate_python(settings)
    except pydantic.ValidationError as error:
        raise ParamsError(explain(error, where)) from None


def _changes(where: str, entry: Entry, key: str, name: str | None) -> Iterator[tuple[str, Entry]]:
    """The changes that an entry holds under `key` for `name`, if any, with their path."""
    changes = entry.get(key, {})
    if not isinstance(changes, dict) or not all(isinstance(v, dict) for v in changes.values()):
        raise ParamsError(f"{where}.{key}: expected {CHANGED_BY[key]} with their settings")
    if name is not None and name in changes:
        yield f"{where}.{key}.{name}", changes[name]


def _without(entry: Entry, *keys: str) -> Entry:
    return {key: value for key, value in entry.items() if key not in keys}


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Entry:
    """`base` with `changes` laid over it; another `kind` drops the base's settings."""
    if changes.get("kind", base.get("kind")) != base.get("kind"):
        return {**changes}
    return {**base, **changes}


def _problems(params: Params) -> Iterator[str]:
    """One line for each wrong entry, name or combination."""
    if params.suite not in params.suites:
        yield f"suite = {params.suite!r}: no such suite{suggest(params.suite, params.suites)}"
    for section, registry in (
        ("predictors", PREDICTORS), ("samplers", SAMPLERS), ("methods", METHODS)
    ):  # fmt: skip
        for name, entry in getattr(params, section).items():
            yield from _entry_problems(registry, f"{section}.{name}", name, entry, params)
    yield from _entry_problems(SPLITS, "split", "random", params.split, params)
    yield from _entry_problems(PROTOCOLS, "evaluation", "uniform", params.evaluation, params)
    yield from _data_problems(params)
    for name in {*(params.seeds or {})} - {"all", *dataset_names(params)}:
        yield f"seeds.{name}: no such data set{suggest(name, {'all', *dataset_names(params)})}"
    if params.suite in params.suites and not any(
        params.seeds_of(params.chosen, dataset) for dataset in params.chosen.datasets
    ):
        yield f"seeds = {params.seeds}: leaves out every data set of suite {params.suite!r}"
    for name, suite in params.suites.items():
        yield from _suite_problems(params, name, suite)


def _entry_problems(
    registry: Registry[Any], where: str, kind: str, entry: Entry, params: Params
) -> Iterator[str]:
    try:
        make_entry(registry, where, kind, entry, None)
        predictors = entry.get("per_predictor", {})
        places = [
            (where, entry),
            *((f"{where}.per_predictor.{p}", predictors[p]) for p in predictors),
        ]
        for place, changes in places:
            list(_changes(place, changes, "per_dataset", None))  # refuses what is no mapping
    except ParamsError as error:
        yield str(error)
        return
    named = {dataset for _, changes in places for dataset in changes.get("per_dataset", {})}
    wrong = [
        *(line for p in predictors for line in _predictor_problems(params, where, p)),
        *(line for place in places for line in _dataset_problems(params, *place)),
    ]
    yield from wrong
    if not wrong:
        yield from _first_refusal(
            partial(make_entry, registry, where, kind, entry, dataset, predictor)
            for predictor in (None, *predictors)
            for dataset in (None, *sorted(named))
        )


def _first_refusal(makes: Iterable[Callable[[], Any]]) -> Iterator[str]:
    """What the first of these says that raises; the later ones would mostly repeat it."""
    for make in makes:
        try:
            make()
        except ParamsError as error:
            yield str(error)
            return


def _dataset_problems(params: Params, where: str, entry: Entry) -> Iterator[str]:
    try:
        list(_changes(where, entry, "per_dataset", None))  # refuses what is no mapping
    except ParamsError as error:
        yield str(error)
        return
    known = dataset_names(params)
    for dataset in entry.get("per_dataset", {}):
        if dataset not in known:
            hint = suggest(str(dataset), known)
            yield f"{where}.per_dataset.{dataset}: no such data set{hint}"


def _predictor_problems(params: Params, where: str, name: Any) -> Iterator[str]:
    known = {*params.predictors, *PREDICTORS.names()}
    at = f"{where}.per_predictor.{name}"
    if name not in known:
        yield f"{at}: no such predictor{suggest(str(name), known)}"
        return
    try:
        if isinstance(Resolver(params).predictor(name, ""), Heuristic):
            yield f"{at}: {name!r} has nothing to train"
    except ParamsError:
        pass  # told where the predictor itself is checked


def _data_problems(params: Params) -> Iterator[str]:
    for name in params.data.custom:
        if name in datasets.names() or name == "planted":
            yield f"data.custom.{name}: the name is taken by a data set of the catalog"
        elif name == "all":
            yield "data.custom.all: the name stands for every data set; take another"
    yield from _settings_problems(Planted, "data.planted", _without(params.data.planted, "seed"))
    for name, entry in params.data.custom.items():
        yield from _settings_problems(Custom, f"data.custom.{name}", entry)
        named: dict[str, str] = {}
        for key in FILES:
            file = Path(entry[key]).name if isinstance(entry.get(key), str) else None
            if file in named:  # a digest tells files apart by name
                yield (
                    f"data.custom.{name}.{key}: {file!r} is also the name of the file at "
                    f"{named[file]}; rename one"
                )
            elif file is not None:
                named[file] = key
    for name, entry in params.data.shares.items():
        yield from _share_problems(params, name, entry)


def _share_problems(params: Params, name: str, entry: Entry) -> Iterator[str]:
    where, wholes = f"data.shares.{name}", {"planted", *datasets.names(), *params.data.custom}
    if name in wholes or name == "all":
        yield f"{where}: the name is taken; take another"
    of = entry.get("of")
    if isinstance(of, str) and of not in wholes:
        yield f"{where}.of = {of!r}: no such data set{suggest(of, wholes)}"
    yield from _settings_problems(Share, where, entry)


def _settings_problems(kind: type[Any], where: str, settings: Entry) -> Iterator[str]:
    try:
        _validated(kind, where, settings)
    except ParamsError as error:
        yield str(error)


def _suite_problems(params: Params, name: str, suite: SuiteParams) -> Iterator[str]:
    where = f"suites.{name}"
    resolver = Resolver(params)
    if suite.primary not in suite.metrics:
        yield f"{where}.primary = {suite.primary!r}: not among its metrics {list(suite.metrics)}"
    grids = (suite, *suite.also)
    if not suite.heuristics and not any(g.predictors or g.samplers or g.methods for g in grids):
        yield (
            f"{where}: nothing to run; give predictors, samplers and methods (such as [gcn], "
            "[uniform] and [plain]), or heuristics (such as [cn])"
        )
    for grid, at in [(suite, where), *((g, f"{where}.also") for g in suite.also)]:
        yield from _grid_problems(params, resolver, grid, at)
    yield from _comparison_problems(suite, where)
    for heuristic in suite.heuristics:
        try:
            if not isinstance(resolver.predictor(heuristic, ""), Heuristic):
                yield f"{where}.heuristics: {heuristic!r} is trained; list it under predictors"
        except ParamsError as error:
            yield f"{where}.heuristics: {error}"
    for dataset in suite.datasets:
        for key, make in (
            ("split", resolver.split),
            ("evaluation", resolver.protocol),
            ("ranked", resolver.ranked),
        ):
            try:
                made = make(suite, dataset)
            except ParamsError as error:
                yield f"{where}: {error}"
                continue
            needed = "valid" if isinstance(made, OfficialSplit) else "valid_negatives"
            brings = dataset in datasets.DIVIDED or needed in params.data.custom.get(dataset, {})
            if isinstance(made, OfficialSplit | Official) and not brings:
                own = f"files of your own with {needed}"
                yield (
                    f"{where}.{key}: kind official, but {dataset!r} brings none; only "
                    f"{', '.join(datasets.DIVIDED)} and {own} do. Take another kind"
                )
    yield from _node_problems(params, resolver, suite, where)
    yield from _figure_problems(params, resolver, suite, where)
    if suite.migration is not None:
        yield from _migration_problems(resolver, suite, f"{where}.migration")


def _node_problems(
    params: Params, resolver: Resolver, suite: SuiteParams, where: str
) -> Iterator[str]:
    grids = [grid for grid in (suite, *suite.also) if grid.methods]
    if suite.nodes is None:
        if "nodes" in suite.tables:
            yield f"{where}.tables: 'nodes' shows the tasks that {where}.nodes sets; none are set"
        return
    if not grids:
        yield f"{where}.nodes: the suite trains nothing that could be judged on nodes"
    unknown = list(_dataset_problems(params, f"{where}.nodes", suite.nodes))
    yield from unknown
    names = dict.fromkeys(dataset for grid in grids for dataset in grid.datasets)
    for dataset in names:
        whole = str(params.data.shares.get(dataset, {}).get("of", dataset))
        if whole in datasets.UNLABELLED or whole in params.data.custom:
            yield (
                f"{where}.nodes: the nodes of {dataset!r} have no classes to be judged by; take "
                "another data set, or leave nodes out"
            )
    for predictor in dict.fromkeys(name for grid in grids for name in grid.predictors):
        try:
            is_edge_centric = _is_edge_centric(resolver.predictor(predictor, ""))
        except ParamsError:
            continue  # told where the grid is checked
        if is_edge_centric:
            yield (
                f"{where}.nodes: {predictor!r} scores pairs and has no embeddings of nodes; take "
                "another predictor, such as gcn, or leave nodes out"
            )
    if not unknown:
        yield from _first_refusal(
            partial(_judged, resolver, suite, where, dataset) for dataset in names
        )


def _is_edge_centric(predictor: Any) -> bool:
    """Whether the model is edge-centric, as far as the declaration of `build` says."""
    try:
        model = get_type_hints(predictor.build).get("return")
    except (AttributeError, NameError):  # a heuristic; a name that type checkers alone see
        return False
    return bool(getattr(model, "edge_centric", False))


def _judged(resolver: Resolver, suite: SuiteParams, where: str, dataset: str) -> None:
    """Refuse the tasks of nodes on a data set if a setting is wrong; the text names the suite."""
    try:
        resolver.nodes(suite, dataset)
    except ParamsError as error:
        raise ParamsError(
            "\n".join(f"{where}.{line}" for line in str(error).splitlines())
        ) from None


def _grid_problems(params: Params, resolver: Resolver, grid: Grid, where: str) -> Iterator[str]:
    for dataset in grid.datasets:
        if dataset not in dataset_names(params):
            yield f"{where}.datasets: {dataset!r}: no such data set" + suggest(
                dataset, dataset_names(params)
            )
    parts: dict[str, dict[str, Any]] = {"predictors": {}, "samplers": {}, "methods": {}}
    for section, known in parts.items():
        for name in getattr(grid, section):
            try:
                part = known[name] = resolver.part(section[:-1], name)
            except ParamsError as error:
                yield f"{where}.{section}: {error}"
                continue
            if section == "predictors" and isinstance(part, Heuristic):
                yield f"{where}.predictors: {name!r} has nothing to train; list it in heuristics"
    for (method, trains), (sampler, base) in product(
        parts["methods"].items(), parts["samplers"].items()
    ):
        try:
            trains.training_sampler(base)
        except TrainingError as error:
            yield f"{where}.methods: {method} × {sampler}: {error}"
    filled = [bool(grid.predictors), bool(grid.samplers), bool(grid.methods)]
    if any(filled) and not all(filled):
        yield f"{where}: predictors, samplers and methods must all be given, or none of them"
    elif grid.sweep:
        yield from _sweep_problems(params, resolver, grid, where)


def _figure_problems(
    params: Params, resolver: Resolver, suite: SuiteParams, where: str
) -> Iterator[str]:
    grids, migration = (suite, *suite.also), suite.migration
    cells = frozenset(
        cell for g in grids for cell in product(g.datasets, g.predictors, g.samplers, g.methods)
    )

    def methods() -> list[Any]:
        places = {(method, dataset, predictor) for dataset, predictor, _, method in cells}
        return [resolver.method(*place) for place in places]

    def followed() -> list[Any]:
        assert migration is not None
        places = product(migration.methods, suite.datasets, [migration.predictor])
        return [resolver.method(*place) for place in places]

    asked = Asked(
        cells,
        any(grid.sweep for grid in grids),
        methods,
        None if migration is None else followed,
        {name: str(share.get("of")) for name, share in params.data.shares.items()},
    )
    try:
        for name, need in lacks(asked, suite.figures):
            yield (
                f"{where}.figures: {name!r} needs {need}, which this suite lacks: add that, "
                "or leave the figure out"
            )
    except ParamsError:
        pass  # told where the method itself is checked


def _comparison_problems(suite: SuiteParams, where: str) -> Iterator[str]:
    """Names in `compare`, or of ours in `beside`, that no grid of the suite has."""
    sides = [("compare", side) for one in suite.compare for side in (one.ours, one.against)]
    sides += [("beside", one.ours) for one in suite.beside]
    for key, side in sides:
        for part, name in side.items():
            known = {n for grid in (suite, *suite.also) for n in getattr(grid, f"{part}s")}
            if key == "beside" and part == "predictor":
                known |= {*suite.heuristics}
            if name not in known:
                yield f"{where}.{key}: no {part} {name!r} in this suite{suggest(name, known)}"
    for one in suite.beside:
        heuristic = one.ours.get("predictor")
        for part in ("sampler", "method"):
            if heuristic in suite.heuristics and part not in one.against:
                yield (
                    f"{where}.beside: {heuristic!r} is a heuristic and has no {part}: name the "
                    f"published run's under `against`, as {part}: …"
                )


def _sweep_problems(params: Params, resolver: Resolver, grid: Grid, where: str) -> Iterator[str]:
    where = f"{where}.sweep"
    if not grid.methods:
        yield f"{where}: the grid has no methods to change"
    for method in grid.methods:
        found = set()
        try:
            for place in product(grid.datasets, grid.predictors):
                found |= {sweep.name for sweep in resolver.sweeps(grid, method, *place, where)}
        except ParamsError as error:
            yield str(error)
        for name in found & {*params.methods}:
            yield f"{where}: {name!r} is the name of another method too"


def _migration_problems(resolver: Resolver, suite: SuiteParams, where: str) -> Iterator[str]:
    migration = suite.migration
    assert migration is not None
    # a shorter training for a try must not be refused for a suite that is not built
    chosen = resolver.params.suites.get(resolver.params.suite)
    parts = [("predictor", migration.predictor), ("sampler", migration.sampler),
             *(("method", name) for name in migration.methods)]  # fmt: skip
    found: dict[tuple[str, str], Any] = {}
    for section, name in parts:
        try:
            found[section, name] = resolver.part(section, name)
        except ParamsError as error:
            yield f"{where}: {error}"
    missing = [d for d in suite.datasets if d not in migration.epochs]
    if missing:
        yield f"{where}.epochs: no epochs for {', '.join(missing)}"
    if any(part not in found for part in parts):
        return
    if isinstance(found["predictor", migration.predictor], Heuristic):
        yield f"{where}.predictor: {migration.predictor!r} has nothing to train, so no epochs"
        return
    for name in migration.methods:
        try:
            found["method", name].training_sampler(found["sampler", migration.sampler])
        except TrainingError as error:
            yield f"{where}.methods: {name} × {migration.sampler}: {error}"
    for dataset, epochs in migration.epochs.items():
        if list(epochs) != sorted({*epochs}):
            yield (
                f"{where}.epochs.{dataset} = {list(epochs)}: expected ascending epochs, each "
                f"once: {sorted({*epochs})}"
            )
        elif dataset in suite.datasets and suite is chosen:
            yield from _first_refusal(
                partial(_followed, resolver, migration, dataset, name, where)
                for name in migration.methods
            )


def _followed(
    resolver: Resolver, migration: MigrationParams, dataset: str, name: str, where: str
) -> None:
    """Refuse epochs that a followed method does not train, or may not come to."""
    from neglink.expected import EPOCHS, all_epochs_of  # which imports this module

    method = resolver.method(name, dataset, migration.predictor)
    settings, last = settings_of(method), max(migration.epochs[dataset])
    at = f"{where}.epochs.{dataset} = {list(migration.epochs[dataset])}: method {name!r}"
    tells = settings.keys() & {"inner_epochs", *(key for keys in EPOCHS.values() for key in keys)}
    if tells and last > (most := int(all_epochs_of(settings))):
        raise ParamsError(
            f"{at} trains {most} epochs on it. Take epochs up to {most}, or let it train longer"
        )
    patience = settings.get("patience") if settings.get("select") != "last" else None
    if patience is not None and last > settings.get("least_epochs", 0):
        raise ParamsError(
            f"{at} may end before epoch {last} (its patience is {patience}). Follow a method with "
            "patience: null"
        )


def dataset_names(params: Params) -> set[str]:
    """All names that may stand in a suite's `datasets`."""
    return {"planted", *datasets.names(), *params.data.custom, *params.data.shares}


def with_kind(kind: str, part: Any) -> Entry:
    """A component as plain values that `Registry.make` turns back into it."""
    return {"kind": kind, **telling_settings(part)}


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, for editors."""
    whole = Params.model_json_schema()
    definitions = whole["$defs"]
    for section, registry, single in (
        ("predictors", PREDICTORS, False), ("samplers", SAMPLERS, False),
        ("methods", METHODS, False), ("split", SPLITS, True), ("evaluation", PROTOCOLS, True),
    ):  # fmt: skip
        kinds = {name: _entry_schema(registry, name, definitions) for name in registry.names()}
        definitions |= {f"{section}-{name}": value for name, value in kinds.items()}
        any_of = {"anyOf": [{"$ref": f"#/$defs/{section}-{name}"} for name in kinds]}
        keep = whole["properties"][section].get("description", "")
        if single:
            whole["properties"][section] = {"description": keep, **any_of}
        else:
            whole["properties"][section] = {
                "description": keep,
                "type": "object",
                "properties": {name: {"$ref": f"#/$defs/{section}-{name}"} for name in kinds},
                "additionalProperties": any_of,
            }
    tasks = definitions["SuiteParams"]["properties"]["nodes"]
    tasks["anyOf"] = [_tasks_schema(), {"type": "null"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


OPEN_SETTINGS = {"type": "object", "additionalProperties": {"type": "object"}}
PER_DATASET = {"description": "Changes for single data sets.", **OPEN_SETTINGS}


def _tasks_schema() -> Entry:
    own = adapter(NodeTasks).json_schema()
    own["properties"] = {"per_dataset": PER_DATASET, **own["properties"]}
    return own


def _entry_schema(registry: Registry[Any], name: str, definitions: dict[str, Any]) -> Entry:
    own = adapter(registry.get(name)).json_schema(ref_template="#/$defs/{model}")
    definitions |= own.pop("$defs", {})
    own.setdefault("properties", {})
    changes: Entry = {"per_dataset": PER_DATASET}
    if registry is METHODS:
        changes["per_predictor"] = {
            "description": "Changes for single predictors; each may hold a per_dataset of its own.",
            **OPEN_SETTINGS,
        }
    own["properties"] = {"kind": {"const": name}, **changes, **own["properties"]}
    own["additionalProperties"] = False
    return own
