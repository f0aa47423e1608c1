"""Names to components: look-up, listing and construction, nothing more.

A component (sampler, predictor, method) is a frozen pydantic dataclass: its fields are its
settings, each with its bound in the annotation and its meaning in the docstring below it. The
params.yaml entry, the error for a wrong value, the JSON schema and the reference page are all
read off the class.
"""

import difflib
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, dataclass_transform

import pydantic
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.errors import PydanticSchemaGenerationError

from neglink.errors import ParamsError

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def component(cls: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass of validated settings; unknown keys are refused."""
    config = ConfigDict(extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)
    return pydantic_dataclass(frozen=True, config=config)(cls)  # type: ignore[return-value]


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """The pydantic adapter of a settings class, made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def explain(error: pydantic.ValidationError, where: str) -> str:
    """One line per wrong setting: the key's path, what came, what is allowed."""
    lines = []
    for item in error.errors():
        path = ".".join([where, *(str(part) for part in item["loc"])])
        if item["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
            lines.append(f"{path}: unknown key")
        elif item["type"] in {"missing", "missing_argument"}:
            lines.append(f"{path}: missing")
        else:
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{path} = {item['input']!r}: {message[0].lower()}{message[1:]}")
    return "\n".join(lines)


def true_for_numbers(given: Any, made: Any, where: str) -> Iterator[str]:
    """A line for each `true`, `yes` or `on` that pydantic has taken for the number 1, or 0.

    Args:
        given: values as they were written.
        made: what was validated from them.
        where: path of `given`.
    """
    if isinstance(given, bool):
        if isinstance(made, int | float) and not isinstance(made, bool):
            yield f"{where} = {given}: expected a number (YAML reads yes, no, on and off so)"
    elif isinstance(given, Mapping):
        for key, value in given.items():
            inner = made.get(key) if isinstance(made, Mapping) else getattr(made, str(key), None)
            yield from true_for_numbers(value, inner, f"{where}.{key}")
    elif isinstance(given, list | tuple) and isinstance(made, list | tuple):
        for place, (value, inner) in enumerate(zip(given, made, strict=False)):
            yield from true_for_numbers(value, inner, f"{where}.{place}")


def suggest(name: str, known: Iterable[str]) -> str:
    """What is allowed in place of an unknown name, the nearest first in mind."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; allowed: {', '.join(known)}"


class Registry(Generic[T]):
    """The components of one floor: the built-in ones and those of installed packages.

    A third party adds its own with an entry point in its pyproject.toml, in this registry's group:

        [project.entry-points."neglink.samplers"]
        mine = "my_package.samplers:Mine"
    """

    def __init__(self, what: str, group: str, builtin: dict[str, str]) -> None:
        """`builtin` maps a name to "module:Class"; modules are imported when first asked for."""
        self.what = what
        self.group = group
        self._builtin = builtin

    @property
    def _known(self) -> dict[str, str]:
        known = dict(self._builtin)
        for point in _entry_points(self.group):
            if point.name in known and known[point.name] != point.value:
                raise ParamsError(
                    f"two {self.what}s claim the name {point.name!r}: {known[point.name]} and "
                    f"{point.value}. Uninstall one, or rename its entry point in {self.group}."
                )
            known[point.name] = point.value
        return known

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._known)

    def get(self, name: str, where: str = "") -> type[T]:
        """The class called `name`.

        Raises:
            ParamsError: no such name; the text gives `where` it was asked for and what exists. Or
                an installed package claims the name, and has no such component.
        """
        known = self._known
        if name not in known:
            at = f"{where} = " if where else ""
            raise ParamsError(f"{at}{name!r}: no such {self.what}{suggest(name, known)}")
        try:
            return _loaded(known[name])
        except (ImportError, AttributeError, PydanticSchemaGenerationError) as error:
            if name in self._builtin:
                raise
            raise ParamsError(
                f"{self.what} {name!r}: the entry point {known[name]} in {self.group} cannot be "
                f"loaded ({_reason(error)}). Repair or uninstall the package that brings it."
            ) from error

    def name_of(self, part: T) -> str:
        """The name under which a component's class is registered.

        Raises:
            ParamsError: there is none.
        """
        kind = type(part)
        for name, value in self._known.items():
            module, _, attribute = value.partition(":")
            # whoever made the part has imported its module; others may not even be importable
            if getattr(sys.modules.get(module), attribute, None) is kind:
                return name
        raise ParamsError(
            f"{kind.__module__}:{kind.__qualname__} is not registered as a {self.what}"
        )

    def make(self, name: str, /, where: str = "", **settings: Any) -> T:
        """The component called `name` with these settings.

        Raises:
            ParamsError: no such name; a setting unknown, of a wrong type or out of range.
        """
        kind = self.get(name, where)
        at = where or f"{self.what} {name}"
        try:
            part: T = adapter(kind).validate_python(settings)
        except pydantic.ValidationError as error:
            raise ParamsError(explain(error, at)) from None
        if lines := list(true_for_numbers(settings, part, at)):
            raise ParamsError("\n".join(lines))
        return part


def settings_of(part: Any) -> dict[str, Any]:
    """All settings of a component as JSON values, defaults included."""
    values = adapter(type(part)).dump_python(part, mode="json")
    return {field.name: values[field.name] for field in fields(part)}


class _Later:
    def __repr__(self) -> str:
        return "LATER"


LATER = _Later()
"""Marks a setting, `Annotated[…, LATER]`, that a component got after results were made without it.

Its default, which has to do what the component did before and may never change, is no part of what
a training is, so that those results stay valid. A better value goes into params.yaml.
"""


def telling_settings(part: Any) -> dict[str, Any]:
    """The settings that say what a component is: all but those marked `LATER` at their defaults."""
    known = type(part).__pydantic_fields__
    return {
        name: value
        for name, value in settings_of(part).items()
        if LATER not in known[name].metadata or getattr(part, name) != known[name].default
    }


def unstated_settings(part: Any) -> dict[str, Any]:
    """The settings that `telling_settings` leaves out."""
    told = telling_settings(part)
    return {name: value for name, value in settings_of(part).items() if name not in told}


def _loaded(value: str) -> type[Any]:
    """The component at "module:Class"."""
    module, _, attribute = value.partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), attribute)
    adapter(kind)
    return kind


def _reason(error: Exception) -> str:
    if isinstance(error, PydanticSchemaGenerationError):
        return "its class is no component: put @neglink.registry.component above it"
    return str(error)


@cache
def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))
