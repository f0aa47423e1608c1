"""A suite resolved into steps: what each reads, makes and is called.

The name of a step ends in a digest of its settings, of the steps it reads and of the code that
computes it. A file is therefore never reused for anything else, on any machine, and runs that
share a step share its file.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from neglink.datasets import entry, identity
from neglink.datasets.planted import Planted
from neglink.errors import DataError, ParamsError
from neglink.files import canonical, digest_of, write_json
from neglink.fingerprint import fingerprint
from neglink.methods import METHODS
from neglink.params import Grid, Params, Resolver, SuiteParams, Sweep, changed, with_kind
from neglink.predictors import PREDICTORS
from neglink.registry import settings_of, unstated_settings
from neglink.samplers import SAMPLERS
from neglink.samplers.base import resolve
from neglink.samplers.std import STD
from neglink.splits import PROTOCOLS, SPLITS
from neglink.steps.provenance import provenance

PATHS: dict[str, dict[str, str]] = {
    "fetch": {"marker": "data/raw/.fetched/{name}.json"},
    "graph": {"graph": "data/graphs/{name}.npz", "made_from": "data/graphs/{name}.json"},
    "split": {"split": "data/splits/{name}.npz", "made_from": "data/splits/{name}.json"},
    "metadata": {
        "metadata": "results/metadata/{name}.npz",
        "made_from": "results/metadata/{name}.json",
    },
    "evaluate": {"metrics": "results/metrics/{name}.json"},
    "nodes": {"nodes": "results/nodes/{name}.json"},
    "migration": {"analysis": "results/analyses/{name}.json"},
    "suite": {"suite": "results/suites/{name}.json"},
}
"""Files of each kind of step; any other kind is a training."""

CHECKPOINT = {
    "checkpoint": "results/checkpoints/{kind}/{name}.safetensors",
    "made_from": "results/checkpoints/{kind}/{name}.json",
}

STATE = "results/checkpoints/{kind}/{name}.state"
"""What a training that is not finished goes on from; no output of its step."""

FOLDERS = sorted(
    {text.partition("{")[0] for paths in (*PATHS.values(), CHECKPOINT) for text in paths.values()}
)
"""Where steps put their files."""

LONGEST_NAME = 200
"""Letters of a step's name: file systems take 255, of which a file being written adds some."""
LONGEST_TOLD = 30_000
"""Letters of a step's settings. Linux takes 131,071 in one argument, where quotes need five."""

GRAPH_MODULES = ("neglink.graph.graph", "neglink.graph.io")
"""Code of every graph step; the catalog's texts and the downloads do not change a graph."""


@dataclass(frozen=True)
class Step:
    """One file-producing step."""

    kind: str
    label: str
    """What a person calls it, without the digest."""
    settings: dict[str, Any]
    """All that the step is told; computed results depend on nothing else."""
    inputs: dict[str, "Step"] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    """Where the code lives that computes it, beyond `neglink.steps.<kind>`."""
    hidden: dict[str, Any] = field(default_factory=dict)
    """Told too, but without influence on the result: the mirror, the device."""

    @cached_property
    def code(self) -> str:
        """Fingerprint of the code that computes the step."""
        return fingerprint(self.modules)

    @cached_property
    def digest(self) -> str:
        """Identity of the step's output."""
        inputs = {key: step.digest for key, step in self.inputs.items()}
        return digest_of([self.kind, self.settings, inputs, self.code])

    @cached_property
    def name(self) -> str:
        """Label and digest: the stem of the step's files."""
        return f"{self.label}-{self.digest}"

    @cached_property
    def paths(self) -> dict[str, str]:
        """The step's output files, relative to the project."""
        patterns = PATHS.get(self.kind, CHECKPOINT)
        return {key: p.format(name=self.name, kind=self.kind) for key, p in patterns.items()}

    @property
    def path(self) -> str:
        """The main output."""
        return next(iter(self.paths.values()))

    @property
    def told(self) -> str:
        """Settings as one line of JSON, for the command line."""
        return canonical({**self.settings, **self.hidden})

    @property
    def made_from(self) -> str:
        """What made the output, as one line of JSON, to be written beside it."""
        inputs = {key: step.name for key, step in self.inputs.items()}
        return canonical(
            {"step": self.name, "digest": self.digest, "inputs": inputs, "code": self.code}
        )


class Plan:
    """All steps of a suite."""

    def __init__(self, params: Params, suite: str | None = None) -> None:
        self.params = params
        self.suite_name = suite or params.suite
        self.suite: SuiteParams = params.suites[self.suite_name]
        self.resolver = Resolver(params)
        self._made: dict[str, Step] = {}
        # grids of a suite may overlap: a run that two of them ask for is one
        self.evaluations = list({step.name: step for step in self._evaluations()}.values())
        self.nodes = list(self._nodes())
        self.analyses = list(self._analyses())
        self.report = self._report()

    @cached_property
    def steps(self) -> dict[str, dict[str, Step]]:
        """Kind → name → step, for every step that the suite needs."""
        return self.needed(lambda step: False)

    def needed(self, done: Callable[[Step], bool]) -> dict[str, dict[str, Step]]:
        """As `steps`, without those that are done and what only they were made from."""
        found: dict[str, dict[str, Step]] = {}
        waiting = [*self.results, self.report]  # a report that is done does not stand for results
        while waiting:
            step = waiting.pop()
            if step.name not in found.get(step.kind, {}) and not done(step):
                found.setdefault(step.kind, {})[step.name] = step
                waiting.extend(step.inputs.values())
        return found

    @property
    def datasets(self) -> set[str]:
        """Names of the suite's data sets."""
        return {step.settings["run"]["dataset"] for step in self.evaluations}

    def of(self, kind: str, name: str) -> Step:
        """The step of this kind and name."""
        return self.steps[kind][name]

    def all(self, *kinds: str) -> list[Step]:
        """The steps of these kinds, by name."""
        return [s for k in kinds for _, s in sorted(self.steps.get(k, {}).items())]

    @property
    def trainings(self) -> list[Step]:
        """All steps that a method makes: checkpoints and meta data."""
        fixed = set(PATHS) - {"metadata"}
        return self.all(*sorted(kind for kind in self.steps if kind not in fixed))

    @property
    def results(self) -> list[Step]:
        """All steps that the report is made from."""
        return [*self.evaluations, *self.nodes, *self.analyses]

    @property
    def marker(self) -> str:
        """File whose name tells from which digest the suite's tables were made."""
        return f"results/tables/{self.suite_name}/made-from-{self.report.digest}"

    def _step(self, *arguments: Any, **named: Any) -> Step:
        """The step, or the equal one that is there already."""
        step = Step(*arguments, **named)
        made = self._made.setdefault(f"{step.kind}/{step.name}", step)
        if made is step:
            _refuse_long(step)
        return made

    def graph(self, dataset: str) -> Step:
        """The step that reads a data set."""
        source = self.resolver.source(dataset)
        try:
            settings = {"name": dataset, "identity": identity(source)}
        except OSError as error:  # of your own files, which are read for their hashes
            raise DataError(f"data set {dataset}: {error.filename}: {error.strerror}") from None
        except DataError as error:
            if source["kind"] != "custom":
                raise
            raise DataError(f"data set {dataset}: {error}") from None
        told = {"source": source, "mirror": self.params.data.mirror}
        if source["kind"] == "share":  # made from the raw files of the whole
            whole = self.graph(source["of"])
            modules = (*whole.modules, "neglink.datasets.share")
            return self._step("graph", dataset, settings, whole.inputs, modules, told)
        if source["kind"] != "catalog":
            module = f"neglink.datasets.{source['kind']}"
            return self._step("graph", dataset, settings, {}, (*GRAPH_MODULES, module), told)
        raw = self._step("fetch", dataset, settings, {}, (), told)
        reader = entry(dataset).reader.partition(":")[0]
        modules = (*GRAPH_MODULES, f"neglink.datasets.readers.{reader}")
        return self._step("graph", dataset, settings, {"raw": raw}, modules, told)

    def split(self, dataset: str, seed: int, protocol: Any = None) -> Step:
        """The step that splits a data set and draws the ranked negatives.

        Links are the same under every protocol.
        """
        split = self.resolver.split(self.suite, dataset)
        protocol = protocol or self.resolver.protocol(self.suite, dataset)
        kinds = SPLITS.name_of(split), PROTOCOLS.name_of(protocol)
        settings = {
            "split": with_kind(kinds[0], split),
            "protocol": with_kind(kinds[1], protocol),
            "seed": seed,
        }
        modules = ("neglink.steps.split", type(split).__module__, type(protocol).__module__)
        inputs = {"graph": self.graph(dataset)}
        return self._step("split", f"{dataset}-s{seed}", settings, inputs, modules)

    def training(
        self, dataset: str, predictor: str, sampler: str, method: str, seed: int,
        changes: dict[str, Any] | None = None,
    ) -> Step:  # fmt: skip
        """The last step of a run's training."""
        parts = self._parts(dataset, predictor, sampler, method, changes)
        made: dict[str, Step] = {}
        inputs = {"graph": self.graph(dataset), "split": self.split(dataset, seed)}
        for step in parts["method"].steps():
            settings = {
                "predictor": with_kind(PREDICTORS.name_of(parts["predictor"]), parts["predictor"]),
                "sampler": with_kind(SAMPLERS.name_of(parts["sampler"]), parts["sampler"]),
                "method": _only(METHODS.name_of(parts["method"]), parts["method"], step.settings),
                "seed": seed,
            }
            if self.suite.precision != "highest":
                settings["precision"] = self.suite.precision
            if self.suite.threads != 1:
                settings["threads"] = self.suite.threads
            modules = ("neglink.steps.train", *_modules(*parts.values()))
            label = f"{dataset}-{predictor}-{sampler}-s{seed}"
            needs = {name: made[name] for name in step.needs}
            hidden = {
                "device": self.params.device,
                "resume_seconds": self.params.resume_seconds,
            }
            made[step.name] = self._step(
                step.name, label, settings, {**inputs, **needs}, modules, hidden
            )
        return made[step.name]

    def _parts(
        self, dataset: str, predictor: str, sampler: str, method: str,
        changes: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        recipe = self.resolver.method(method, dataset, predictor)
        if changes:
            recipe = changed(recipe, changes, f"methods.{method}")
        return {
            "predictor": self.resolver.predictor(predictor, dataset),
            "sampler": self.resolver.sampler(sampler, dataset),
            "method": recipe,
        }

    def _evaluation(
        self, dataset: str, names: tuple[str, str, str] | str, seed: int, sweep: Sweep | None = None
    ) -> Step:
        """Evaluation of a trained run (predictor, sampler, method), or of a heuristic."""
        split = self.split(dataset, seed, self.resolver.ranked(self.suite, dataset))
        inputs = {"graph": self.graph(dataset), "split": split}
        run: dict[str, Any] = {
            "dataset": dataset,
            "predictor": names,
            "sampler": None,
            "method": None,
            "seed": seed,
            "sweep": None,
        }
        if isinstance(names, str):
            part = self.resolver.predictor(names, dataset)
            label = f"{dataset}-{names}-s{seed}"
            settings = {"run": run, "predictor": with_kind(PREDICTORS.name_of(part), part)}
            modules = ("neglink.steps.evaluate", *_modules(part))
            return self._step("evaluate", label, settings, inputs, modules)
        predictor, sampler, method = names
        changes = {sweep.setting: sweep.value} if sweep else None
        parts = self._parts(dataset, *names, changes)
        inputs["checkpoint"] = self.training(dataset, *names, seed, changes)
        run |= {"predictor": predictor, "sampler": sampler, "method": method}
        if sweep:
            method = sweep.name
            run |= {"method": method, "sweep": asdict(sweep)}
        settings = {
            "run": run,
            "predictor": with_kind(PREDICTORS.name_of(parts["predictor"]), parts["predictor"]),
            "sampler": with_kind(SAMPLERS.name_of(parts["sampler"]), parts["sampler"]),
            "method": with_kind(METHODS.name_of(parts["method"]), parts["method"]),
        }
        label = f"{dataset}-{predictor}-{sampler}-{method}-s{seed}"
        modules = ("neglink.steps.evaluate", *_modules(*parts.values()))
        hidden = {"device": self.params.device}
        return self._step("evaluate", label, settings, inputs, modules, hidden)

    def _evaluations(self) -> Any:
        for grid in (self.suite, *self.suite.also):
            yield from self._grid(grid)
        for dataset in self.suite.datasets:
            for heuristic in self.suite.heuristics:
                for seed in self.params.seeds_of(self.suite, dataset):
                    yield self._evaluation(dataset, heuristic, seed)

    def _grid(self, grid: Grid) -> Any:
        for dataset in grid.datasets:
            for predictor in grid.predictors:
                for sampler in grid.samplers:
                    for method in grid.methods:
                        names = predictor, sampler, method
                        sweeps = [None, *self.resolver.sweeps(grid, method, dataset, predictor)]
                        for sweep, seed in product(sweeps, self.params.seeds_of(grid, dataset)):
                            yield self._evaluation(dataset, names, seed, sweep)

    def _unstated(self) -> dict[str, dict[str, Any]]:
        """By method, the settings that its runs do not record, since they came later."""
        found: dict[str, dict[str, Any]] = {}
        for grid in (self.suite, *self.suite.also):
            for dataset, predictor, method in product(grid.datasets, grid.predictors, grid.methods):
                part = self.resolver.method(method, dataset, predictor)
                found.setdefault(method, {}).update(unstated_settings(part))
        return {method: settings for method, settings in found.items() if settings}

    def _nodes(self) -> Any:
        """Tasks of nodes for every trained run, if the suite asks for them."""
        for judged in self.evaluations:
            run = judged.settings["run"]
            tasks = self.resolver.nodes(self.suite, run["dataset"])
            if tasks is None or "checkpoint" not in judged.inputs:
                continue
            settings = {
                "run": run,
                "predictor": judged.settings["predictor"],
                "method": judged.settings["method"],
                "nodes": settings_of(tasks),
            }
            modules = ("neglink.steps.nodes", *judged.modules[1:])  # those of the run's parts
            yield self._step("nodes", judged.label, settings, judged.inputs, modules, judged.hidden)

    def _analyses(self) -> Any:
        migration = self.suite.migration
        if migration is None:
            return
        for dataset in self.suite.datasets:
            for method in migration.methods:
                for seed in self.params.seeds_of(self.suite, dataset, migration.seeds):
                    yield self._migration(dataset, method, seed)

    def _migration(self, dataset: str, method: str, seed: int) -> Step:
        migration = self.suite.migration
        assert migration is not None
        epochs = migration.epochs[dataset]
        curve = range(migration.every, max(epochs) + 1, migration.every)
        changes = {"snapshots": sorted({*epochs, *curve})}
        names = (migration.predictor, migration.sampler, method)
        training = self.training(dataset, *names, seed, changes=changes)
        settings = {
            "run": {
                "dataset": dataset, "predictor": migration.predictor,
                "sampler": migration.sampler, "method": method, "seed": seed,
            },
            "predictor": training.settings["predictor"],
            "epochs": list(epochs),
        }  # fmt: skip
        inputs = {
            "graph": self.graph(dataset),
            "split": self.split(dataset, seed),
            "checkpoint": training,
        }
        parts = self._parts(dataset, *names)
        modules = ("neglink.steps.migration", *_modules(parts["predictor"]))
        label = f"{dataset}-{'-'.join(names)}-s{seed}"
        return self._step("migration", label, settings, inputs, modules)

    def _report(self) -> Step:
        inputs = {step.name: step for step in self.results}
        shown = self.suite.model_dump(mode="json")
        settings = {"suite": self.suite_name, "shown": shown}
        modules = ("neglink.reporting.report",)
        return Step("suite", self.suite_name, settings, inputs, modules)

    def write_suite(self, output: Path, *, finished: bool = False) -> None:
        """Write what the report is made from: settings, metrics, analyses and provenance."""
        write_json(output, {**self.suite_file(finished=finished), "provenance": provenance()})

    def suite_file(self, *, finished: bool = False) -> dict[str, Any]:
        """What the report is made from, without provenance; `finished`: of it, what is there."""

        def paths(steps: list[Step]) -> list[str]:
            return [s.path for s in steps if not finished or Path(s.path).is_file()]

        resolved = self.params.model_dump(mode="json")
        resolved["suites"] = {self.suite_name: resolved["suites"][self.suite_name]}
        return {
            "suite": self.suite_name,
            "digest": self.report.digest,
            "title": self.suite.title,
            "description": self.suite.description,
            "settings": resolved,
            "unstated": self._unstated(),
            "metrics_shown": list(self.suite.metrics),
            "primary": self.suite.primary,
            "tables": list(self.suite.tables),
            "figures": list(self.suite.figures),
            "compare": [one.model_dump() for one in self.suite.compare],
            "beside": [one.model_dump() for one in self.suite.beside],
            "metrics": paths(self.evaluations),
            "nodes": paths(self.nodes),
            "analyses": paths(self.analyses),
        }


def _refuse_long(step: Step) -> None:
    """Refuse what a system would not take as the name of a file, or as a command.

    Raises:
        ParamsError: says which step it is, and what to shorten.
    """
    if len(step.name) > LONGEST_NAME:
        raise ParamsError(
            f"the files of {step.kind} {step.label} would have names of {len(step.name)} letters; "
            f"{LONGEST_NAME} are allowed. Shorten the names of data set, predictor, sampler or "
            "method, or the value that is swept"
        )
    if len(step.told) > LONGEST_TOLD:
        raise ParamsError(
            f"the settings of {step.kind} {step.label} are {len(step.told):,} letters, more than a "
            f"command takes ({LONGEST_TOLD:,}): shorten its lists"
        )


def _only(kind: str, part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """A component's settings, of those a step reads."""
    whole = with_kind(kind, part)
    return {key: whole[key] for key in ("kind", *names) if key in whole}


def _modules(*parts: Any) -> tuple[str, ...]:
    """Modules of components, and of components held inside their settings."""
    found = []
    for part in parts:
        found.append(type(part).__module__)
        if isinstance(part, STD):
            found.extend(_modules(resolve(part.base)))
    return tuple(found)


def memory_mb(step: Step) -> int:
    """Memory to ask a scheduler for, from the graph's size; measured peaks lie well below."""
    source = _source_of(step)
    source = source.get("source", source)  # a share is made from the whole
    nodes, links = _size(source)
    least = 1500 if source["kind"] == "catalog" else 2000
    return max(least, 1500 + links // 500 + nodes // 20)


def size_of(step: Step) -> tuple[int, int]:
    """Nodes and links of the graph that a step works on; 0 where nobody knows before reading."""
    return _size(_source_of(step))


def _source_of(step: Step) -> dict[str, Any]:
    graph = step if step.kind == "graph" else step.inputs["graph"]
    source: dict[str, Any] = graph.hidden["source"]
    return source


def _size(source: Mapping[str, Any]) -> tuple[int, int]:
    match source["kind"]:
        case "catalog":
            counts = entry(source["name"]).counts
            return counts.nodes or 0, counts.links or 0
        case "planted":
            told = {key: value for key, value in source.items() if key != "kind"}
            planted = Planted(**told)
            return planted.nodes, round(planted.nodes * planted.mean_degree / 2)
        case "share":
            nodes, links = _size(source["source"])
            return nodes, round(links * source["share"])
        case _:
            return 0, _lines(source.get("links"))


def _lines(path: Any) -> int:
    """About as many links as an edge list holds: 12 bytes a line."""
    try:
        return Path(path).stat().st_size // 12
    except (OSError, TypeError):
        return 0
