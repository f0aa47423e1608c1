"""A fingerprint of the code that computes a step: what it says, not how it is written down.

Comments, docstrings and layout do not count; an edited expression does. Followed are the imports
of a step's own modules inside their package, so that a changed sparse product is seen by every
training and a changed plot by none.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PLUMBING = frozenset({"neglink", "neglink.errors", "neglink.files", "neglink.registry"})
"""Modules that carry values about without changing them."""


def fingerprint(modules: Iterable[str]) -> str:
    """Digest of the code of these modules and of all they import inside their own packages.

    Package `__init__` files are followed but not counted: they only list what a package holds.
    """
    seen: dict[str, str] = {}
    waiting = sorted(set(modules))
    while waiting:
        name = waiting.pop()
        if name in seen or name in PLUMBING:
            continue
        text, imports = _read(name)
        seen[name] = text
        waiting.extend(imports)
    joined = "\n".join(f"{name} {seen[name]}" for name in sorted(seen) if seen[name])
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """Digest of a module's code ("" for a package) and the modules of its package it imports."""
    path = _source(name)
    if path is None:
        return "", ()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_package = path.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    imports = tuple(sorted(set(_imports(tree, package, name.partition(".")[0]))))
    return ("" if is_package else code_digest(tree)), imports


def code_digest(tree: ast.Module) -> str:
    """Digest of a syntax tree without docstrings; positions never enter it."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imports(tree: ast.Module, package: str, top: str) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == top and _source(name))


@cache
def _source(name: str) -> Path | None:
    """The file of a module, found without importing its parents, which can take seconds."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if not rest and spec.origin.endswith(".py") else None
    place = Path(spec.origin).parent.joinpath(*rest)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None
