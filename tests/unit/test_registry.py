"""Names to components."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest

from neglink import registry
from neglink.errors import ParamsError
from neglink.methods import METHODS
from neglink.params import check_params, schema
from neglink.predictors import PREDICTORS
from neglink.registry import (
    LATER,
    Registry,
    component,
    settings_of,
    telling_settings,
    unstated_settings,
)
from neglink.samplers import SAMPLERS
from neglink.samplers.dns import DNS
from neglink.splits import PROTOCOLS, SPLITS
from tests.unit.documents import own_params

REGISTRIES = (SAMPLERS, PREDICTORS, METHODS, SPLITS, PROTOCOLS)


def with_claims(monkeypatch: pytest.MonkeyPatch, **claims: str) -> None:
    """Let installed packages claim these names among the samplers."""
    points = tuple(EntryPoint(name, value, "neglink.samplers") for name, value in claims.items())
    monkeypatch.setattr(
        registry, "_entry_points", lambda group: tuple(p for p in points if p.group == group)
    )


def test_a_second_claim_on_a_name_is_an_error_that_shows_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_claims(monkeypatch, dns="other.package:Dns")
    with pytest.raises(ParamsError) as caught:
        SAMPLERS.get("uniform")
    assert "two samplers claim the name 'dns'" in str(caught.value)
    assert "neglink.samplers.dns:DNS" in str(caught.value)
    assert "other.package:Dns" in str(caught.value)


def test_a_package_adds_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with_claims(monkeypatch, theirs="neglink.samplers.dns:DNS")
    assert "theirs" in SAMPLERS.names()
    assert SAMPLERS.make("theirs", candidates=2) == DNS(candidates=2)


class Bare:
    """No component, since it is not decorated."""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package:Mine", "No module named 'no_such_package'"),
        ("neglink.samplers.dns:Mine", "has no attribute 'Mine'"),
        (f"{__name__}:Bare", "no component: put @neglink.registry.component above it"),
    ],
)
def test_an_entry_point_that_cannot_be_loaded_is_named_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, value: str, reason: str
) -> None:
    with_claims(monkeypatch, broken=value)
    told = rf"sampler 'broken'.* {value} in neglink\.samplers .*{reason}.*uninstall the package"
    for ask in (SAMPLERS.get, SAMPLERS.make):
        with pytest.raises(ParamsError, match=told):
            ask("broken")
    with pytest.raises(ParamsError, match=told):
        schema()
    check_params(own_params())
    assert SAMPLERS.name_of(SAMPLERS.make("dns")) == "dns"


def test_a_class_is_named_wherever_its_package_shows_it_and_no_other_package_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unneeded_package.py").touch()
    shown = ModuleType("shown_package")
    monkeypatch.setattr(shown, "Mine", DNS, raising=False)
    monkeypatch.setitem(sys.modules, "shown_package", shown)
    monkeypatch.syspath_prepend(tmp_path)
    sampler = Registry("sampler", "neglink.samplers", {})
    with_claims(monkeypatch, other="unneeded_package:Other", mine="shown_package:Mine")
    assert sampler.name_of(DNS()) == "mine"
    assert "unneeded_package" not in sys.modules


def test_an_unknown_name_is_told_with_where_and_what_exists() -> None:
    with pytest.raises(ParamsError) as caught:
        SAMPLERS.make("dnss", where="samplers.mine")
    assert str(caught.value).startswith("samplers.mine = 'dnss': no such sampler")
    assert "did you mean 'dns'?" in str(caught.value)
    assert all(name in str(caught.value) for name in SAMPLERS.names())


@pytest.mark.parametrize(
    ("kinds", "name"), [(kinds, name) for kinds in REGISTRIES for name in kinds.names()]
)
def test_settings_make_the_component_again(kinds: Registry[object], name: str) -> None:
    one = kinds.make(name)
    assert kinds.name_of(one) == name
    assert kinds.make(name, **settings_of(one)) == one
    assert type(one).__doc__
    with pytest.raises(ParamsError, match=f"{name}.nonsense: unknown key"):
        kinds.make(name, nonsense=1)


def test_a_class_that_is_not_registered_has_no_name() -> None:
    with pytest.raises(ParamsError, match="is not registered as a sampler"):
        SAMPLERS.name_of(object())  # type: ignore[arg-type]


def test_a_setting_that_came_later_tells_only_what_differs() -> None:
    @component
    class Old:
        rate: float = 0.1
        form: Annotated[str, LATER] = "as before"

    assert settings_of(Old()) == {"rate": 0.1, "form": "as before"}
    assert telling_settings(Old()) == {"rate": 0.1}
    assert telling_settings(Old(form="new")) == {"rate": 0.1, "form": "new"}
    assert unstated_settings(Old()) == {"form": "as before"}
