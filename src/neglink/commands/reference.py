"""`neglink reference`: a page for each kind of component and one for params.yaml itself.

All of it comes from the classes: their docstrings, their settings, the docstring below each.
"""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

if TYPE_CHECKING:  # they load torch
    from neglink.registry import Registry

FOLDER = Path("docs/reference")

PARAMS = """Every key of `params.yaml`, which `neglink params check` checks; `params.schema.json`
tells editors the same.

An entry under `predictors`, `samplers` or `methods` is a mapping of settings. Its `kind` says which
component it is; without one, that of the entry's own name. `per_dataset` changes settings on some
data sets, under `methods` also `per_predictor` with some predictors, and a `per_dataset` inside of
that with both. Components: [samplers](samplers.md), [predictors](predictors.md),
[methods](methods.md), [splits](splits.md), [protocols](protocols.md)."""

NOTE = "<!-- Written by `make docs` from the classes themselves; edit those. -->"

INTRODUCTIONS = {
    "samplers": "What is drawn as a negative. Names go under `samplers` in params.yaml, and in a "
    "suite's `samplers`. In words and compared: [samplers](../samplers.md).",
    "predictors": "What scores a pair. Names go under `predictors` in params.yaml, and in a "
    "suite's `predictors` or, if nothing is trained, `heuristics`. In words and compared: "
    "[predictors](../predictors.md).",
    "methods": "Training recipes. Names go under `methods` in params.yaml, and in a suite's "
    "`methods`.",
    "splits": "How links are divided into training, validation and test: `split` in params.yaml, "
    "or in a suite.",
    "protocols": "Which negatives a link is ranked against: `evaluation` in params.yaml or in a "
    "suite, and a suite's `ranked`.",
}


def reference(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = FOLDER,
) -> None:
    """Write the reference: components with their settings, and params.yaml, from the classes."""
    from neglink.files import write_text

    for name, text in pages().items():
        write_text(folder / name, text)
        typer.echo(str(folder / name))


def pages() -> dict[str, str]:
    """File name → text of every page, of the components that come with neglink."""
    from neglink.methods import METHODS
    from neglink.predictors import PREDICTORS
    from neglink.samplers import SAMPLERS
    from neglink.splits import PROTOCOLS, SPLITS

    kinds: dict[str, Registry[Any]] = {
        "samplers": SAMPLERS, "predictors": PREDICTORS, "methods": METHODS, "splits": SPLITS,
        "protocols": PROTOCOLS,
    }  # fmt: skip
    made = {f"{name}.md": "\n".join(_page(name, kind)) for name, kind in kinds.items()}
    return made | {"params.md": "\n".join(_params_page())}


def _page(title: str, registry: "Registry[Any]") -> Iterator[str]:
    # those of installed packages are left out, so that the page is the same on every machine
    own = {name: registry.get(name) for name in registry.names()}
    own = {name: kind for name, kind in own.items() if kind.__module__.startswith("neglink.")}
    yield f"{NOTE}\n\n# {title.capitalize()}\n\n{INTRODUCTIONS[title]}\n"
    yield ", ".join(f"[`{name}`](#{name})" for name in own) + "\n"
    for name, kind in own.items():
        yield from _section(name, kind)


def _section(name: str, kind: type[Any]) -> Iterator[str]:
    first, source = described(kind)
    yield f"## {name}\n\n{first}\n"
    if source:
        yield f"{source}\n"
    yield f"Class `{kind.__module__}.{kind.__qualname__}`.\n"
    yield from _settings_table(kind)


def _settings_table(kind: type[Any]) -> Iterator[str]:
    rows = list(settings(kind))
    if rows:
        yield from _table(("setting", "type", "default", "allowed", "meaning"), rows)
    else:
        yield "No settings.\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    yield f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _params_page() -> Iterator[str]:
    from neglink import params
    from neglink.datasets.custom import Custom
    from neglink.datasets.planted import Planted
    from neglink.datasets.share import Share
    from neglink.evaluation.nodes import NodeTasks

    yield f"{NOTE}\n\n# params.yaml\n\n{PARAMS}\n"
    sections = {
        "Top level": params.Params, "data": params.DataParams, "data.planted": Planted,
        "data.custom": Custom, "data.shares": Share, "suites": params.SuiteParams,
        "also": params.Grid, "compare and beside": params.ComparisonParams,
        "migration": params.MigrationParams, "nodes": NodeTasks,
    }  # fmt: skip
    for title, kind in sections.items():
        yield f"## {title}\n\n{described(kind)[0]}\n"
        yield from _settings_table(kind)
    yield from _shown()
    yield from _catalog()


def _shown() -> Iterator[str]:
    """What a suite's tables and figures show."""
    from neglink.figure_needs import NEEDS
    from neglink.reporting.figures import FIGURES
    from neglink.reporting.tables import TABLES

    yield "## tables\n"
    yield from _table(("table", "what it shows"), [
        (f"`{name}`", _first(maker)) for name, maker in TABLES.items()
    ])  # fmt: skip
    yield "## figures\n"
    yield from _table(("figure", "what it shows", "needs"), [
        (f"`{name}`", _first(maker), NEEDS[name][1] if name in NEEDS else "")
        for name, maker in FIGURES.items()
    ])  # fmt: skip


def _first(maker: Any) -> str:
    return _line((inspect.getdoc(maker) or "").partition("\n\n")[0])


def _catalog() -> Iterator[str]:
    from neglink import datasets

    def said(count: int | None) -> str:
        return "" if count is None else f"{count:,}"

    yield "## Data sets of the catalog\n\n`neglink data show NAME` gives files, hashes and terms.\n"
    heads = ("data set", "what it is", "nodes", "links", "features", "classes", "own division")
    rows = []
    for name in datasets.names():
        one = datasets.entry(name)
        sizes = (one.counts.nodes, one.counts.links, one.counts.features)
        has = ("yes" if one.labelled else "", "yes" if one.divided else "")
        rows.append((f"`{name}`", one.title, *map(said, sizes), *has))
    yield from _table(heads, rows)


def described(kind: type[Any]) -> tuple[str, str]:
    """First paragraph of a class's docstring as one line, and the sentences from "Source" on."""
    text = inspect.getdoc(kind) or ""
    first = text.partition("\n\n")[0]
    found = re.search(r"\bSources?( of [^:]*)?: (?s:.)*?(?=\n\n|\Z)", text)
    source = "" if found is None or found[0] in first else _line(found[0])
    return _line(first), source


def settings(kind: type[Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, type, default, bounds and meaning of each setting, as cells of a table."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema()
    parts, definitions = schema.get("properties", {}), schema.get("$defs", {})
    # pydantic knows the texts of a model's fields, of a dataclass only its own
    meanings = {} if issubclass(kind, BaseModel) else _meanings(kind)
    for name in _names(kind):
        one = _followed(parts.get(name, {}), definitions)
        default = _default(name, one, schema.get("required", ()))
        meaning = meanings.get(name) or one.get("description", "")
        yield f"`{name}`", _type(one, definitions), default, _bounds(one), _line(meaning)


def _names(kind: type[Any]) -> list[str]:
    if is_dataclass(kind):
        return [field.name for field in fields(kind) if field.init]
    return list(kind.model_fields)


def _default(name: str, schema: dict[str, Any], required: Iterable[str]) -> str:
    if "default" in schema:
        return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"
    return "(required)" if name in required else ""


def _followed(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference, if it is one, replaced by what it refers to."""
    if "$ref" not in schema:
        return schema
    return {**definitions[schema["$ref"].rpartition("/")[2]], **schema}


def _type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a setting holds, in words."""
    schema = _followed(schema, definitions)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one, definitions) for one in schema["anyOf"]))
    if "enum" in schema:
        return "choice"
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "any")
    if kind == "array":
        inside = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {_type(inside, definitions)}" if inside else "list"
    words = {"string": "text", "boolean": "true or false", "object": "mapping", "null": "null"}
    return str(words.get(kind, kind))


SIGNS = {
    "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
    "minItems": "length ≥", "maxItems": "length ≤", "multipleOf": "multiple of",
    "pattern": "matches",
}  # fmt: skip


def _bounds(schema: dict[str, Any]) -> str:
    """Values that are allowed, as far as the type does not say it."""
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    found = [f"{sign} {schema[key]}" for key, sign in SIGNS.items() if key in schema]
    inside = [_bounds(one) for one in schema.get("anyOf", [])]
    return " or ".join(filter(None, [", ".join(found), *dict.fromkeys(inside)]))


def _meanings(kind: type[Any]) -> dict[str, str]:
    """The text below each field of a class and of its bases; pydantic knows the class's own."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                meaning = text.value if isinstance(text, ast.Expr) else None
                if isinstance(meaning, ast.Constant) and isinstance(meaning.value, str):
                    found[field.target.id] = meaning.value
    return found


def _line(text: str) -> str:
    return " ".join(text.split())
