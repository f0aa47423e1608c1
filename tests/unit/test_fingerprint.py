"""A fingerprint follows the code, not the text."""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neglink import fingerprint as module
from neglink.fingerprint import code_digest, fingerprint

ORIGINAL = '''
"""A module."""
import math
def area(r):
    """Of a circle."""
    return math.pi * r ** 2
'''


def digest(text: str) -> str:
    return code_digest(ast.parse(text))


@pytest.mark.parametrize(
    "same",
    [
        ORIGINAL.replace("A module.", "Another text."),
        ORIGINAL.replace('    """Of a circle."""\n', ""),
        ORIGINAL.replace("    return", "\n    # comment\n    return"),
        ORIGINAL.replace("math.pi * r ** 2", "(\n        math.pi * r**2\n    )"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(same: str) -> None:
    assert same != ORIGINAL
    assert digest(same) == digest(ORIGINAL)


@pytest.mark.parametrize(
    "other",
    [
        ORIGINAL.replace("r ** 2", "r ** 3"),
        ORIGINAL.replace("def area(r)", "def area(r=1)"),
        ORIGINAL.replace("def area", "@cache\ndef area"),
        ORIGINAL.replace("math.pi * r ** 2", "math.pi, r ** 2"),
    ],
)
def test_an_edited_expression_counts(other: str) -> None:
    assert digest(other) != digest(ORIGINAL)


def test_a_text_that_is_a_value_counts() -> None:
    assert digest('x = "a"') != digest('x = "b"')


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `toy`: a imports b inside a function, b imports c relatively; d stands alone."""
    folder = tmp_path / "toy"
    folder.mkdir()
    texts = {
        "__init__": "import math",
        "a": "def f():\n    from toy.b import g\n    return g()",
        "b": "import json\nfrom .c import h\ndef g():\n    return h() + 1",
        "c": "def h():\n    return 1",
        "d": "x = 1",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield folder
    forget()
    sys.modules.pop("toy", None)


def forget() -> None:
    importlib.invalidate_caches()
    module._read.cache_clear()
    module._source.cache_clear()


def after(package: Path, name: str, text: str) -> str:
    (package / f"{name}.py").write_text(text)
    forget()
    return fingerprint(["toy.a"])


def test_imports_inside_the_package_are_followed_and_no_others(package: Path) -> None:
    before = fingerprint(["toy.a"])
    assert after(package, "d", "x = 2") == before
    assert after(package, "__init__", "import json") == before
    assert after(package, "c", "def h():\n    return 2") != before


def test_order_and_repetition_of_modules_do_not_count(package: Path) -> None:
    assert fingerprint(["toy.a", "toy.d"]) == fingerprint(["toy.d", "toy.a", "toy.d"])
    assert fingerprint(["toy.a"]) != fingerprint(["toy.a", "toy.d"])


def test_a_samplers_code_is_not_in_another_samplers_fingerprint() -> None:
    prints = {name: fingerprint([f"neglink.samplers.{name}"]) for name in ("pns", "dns", "uniform")}
    assert len(set(prints.values())) == 3
    assert "neglink.samplers.dns" not in module._read("neglink.samplers.pns")[1]
