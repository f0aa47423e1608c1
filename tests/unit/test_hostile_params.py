"""params.yaml from a stranger: it is taken, or refused in one message that names the key."""

import contextlib
import copy
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from neglink import cli
from neglink.errors import NeglinkError, ParamsError
from neglink.params import check_params, read_params
from neglink.plan import LONGEST_NAME, Plan
from neglink.values import MOST_BYTES, read_values, strange_values
from tests.unit.test_params import values

ROOT = Path(__file__).parents[2]

RICH = values(
    seeds={"all": 2, "planted": 1},
    data__shares={"half": {"of": "planted", "share": 0.5}},
    samplers__std={"base": {"kind": "dns", "candidates": 2}},
    methods__plain={"epochs": 3, "per_dataset": {"planted": {"epochs": 4}}},
    methods__mebns={
        "beta": 0.5, "per_predictor": {"gcn": {"beta": 0.1, "per_dataset": {"half": {"tau": 1}}}},
    },
    suites__one__datasets=["planted", "half"],
    suites__one__also=[
        {"datasets": ["planted"], "predictors": ["gcn"], "samplers": ["std"],
         "methods": ["mebns"], "sweep": {"beta": [0.2]}, "first_seed": 3},
    ],
    suites__one__compare=[{"ours": {"method": "mebns"}, "against": {"method": "plain"}}],
    suites__one__nodes={"split": "random", "per_dataset": {"planted": {}}},
    suites__one__migration={
        "predictor": "gcn", "sampler": "dns", "methods": ["plain"],
        "epochs": {"planted": [1, 2], "half": [1, 2]},
    },
)  # fmt: skip
"""Nearly every key that params.yaml may have."""

Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Paths of all keys and list entries."""
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        yield from places(inner, (*path, key))


PLACES = list(places(RICH))
TEXTS = ["", "../..", "/etc/passwd", "-rf", ".", "a b", "x\ny", "\0", "é", "$(touch x)", "a" * 300]
WRONG = st.one_of(
    st.sampled_from([None, True, -1, 0, 10**15, 10**30, float("nan"), float("inf"), b"x", {1: 2}]),
    st.sampled_from([[], {}, [[]], [{}], {"kind": [1]}, {"kind": "gcn"}, {"where": 1}, {"a": {}}]),
    st.sampled_from(TEXTS),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.dates(),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=2), max_leaves=5),
)


def mutated(path: Path_, value: Any, deleted: bool) -> dict[str, Any]:
    whole = copy.deepcopy(RICH)
    place: Any = whole
    for key in path[:-1]:
        place = place[key]
    if deleted:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


def test_the_mutated_parameters_are_allowed_as_they_are() -> None:
    assert len(Plan(check_params(RICH)).evaluations) == 8


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(PLACES), WRONG, st.booleans())
def test_any_change_is_taken_or_refused_by_the_name_of_a_key(
    path: Path_, value: Any, deleted: bool
) -> None:
    try:
        plan = Plan(check_params(mutated(path, value, deleted)))
    except NeglinkError as error:
        text = str(error)
        # the key, or the value that it had, or the first key of its section
        assert any(str(key) in text for key in path if isinstance(key, str)), text
        assert len(text) < 20_000
        return
    for step in (step for steps in plan.steps.values() for step in steps.values()):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", step.name)
        assert len(step.name) <= LONGEST_NAME
        assert step.told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods__plain__epochs": float("nan")}, "methods.plain.epochs = nan: a finite number"),
        ({"data__planted__reach": float("inf")}, "data.planted.reach = inf: a finite number"),
        (
            {"methods__plain__learning_rate": "inf"},
            "methods.plain.learning_rate = 'inf': read as a",
        ),
        ({"methods__plain__learning_rate": "1e999"}, "methods.plain.learning_rate = '1e999': read"),
        ({"methods__plain__epochs": 10**30}, "methods.plain.epochs = 'a number of more than 18 "),
        ({"suites__one__seeds": 10**9}, "params.suites.one.seeds = 1000000000: input should be"),
        ({"seeds": "99999999999"}, "params.seeds.all = 99999999999: input should be less than"),
        ({"suites__one__title": "a\0b"}, r"suites.one.title = 'a\x00b': '\x00' is no character"),
        ({"suites__one__title": "\ud800"}, "suites.one.title = "),
        ({"suites__one__description": "a" * 20_000}, "suites.one.description = 'aaa"),
        ({"methods": {"plain": {1: 2}}}, "methods.plain: key 1: keys must be text"),
        ({"methods": {"plain": {"a\nb": 2}}}, r"methods.plain: key 'a\nb': expected one line"),
        ({"samplers__dns": {"where": 1}}, "samplers.dns.where: unknown key"),
        ({"samplers__std": {"base": 5}}, "samplers.std.base = 5: expected a name, or kind"),
        ({"suites__one__nodes": {"per_dataset": [1]}}, "suites.one.nodes.per_dataset: expected"),
        ({"predictors__gcn": [b"x"]}, "predictors.gcn.0 = b'x': text, a number, true"),
    ],
)
def test_what_no_setting_may_be_is_told_with_its_path(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        check_params(values(**changes))
    assert str(caught.value).startswith(said)


def test_values_that_hold_themselves_end_in_a_message() -> None:
    endless: dict[str, Any] = {}
    endless["methods"] = endless
    wide: list[Any] = []
    wide += [wide] * 50
    for value in (endless, {"a": wide}):
        assert len(list(strange_values(value))) == 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=70), st.from_regex(r"[-A-Za-z0-9._+ /$]{1,70}", fullmatch=True)))
def test_a_name_is_refused_or_safe_in_a_path_a_shell_and_a_rule(name: str) -> None:
    whole = values()
    whole["samplers"][name] = {"kind": "dns"}
    whole["methods"][name] = {"kind": "plain", "epochs": 1}
    whole["suites"]["one"] |= {"samplers": [name], "methods": [name]}
    whole["suites"][name], whole["suite"] = whole["suites"].pop("one"), name
    try:
        plan = Plan(check_params(whole))
    except ParamsError:
        return
    assert name.isascii()
    assert name[0].isalnum()
    assert len(name) <= 64
    for path in [plan.marker, *(path for step in plan.trainings for path in step.paths.values())]:
        assert shlex.quote(path) == path
        assert Path(path).parts[0] == "results"
        assert ".." not in Path(path).parts
        assert re.fullmatch(r"[A-Za-z0-9._+-]+", Path(path).stem)  # as workflow/rules/common.smk


def test_names_that_are_long_together_are_refused_before_a_file_is_made() -> None:
    whole = values()
    long = {name: f"{name}-" + "x" * 55 for name in ("gcn", "dns", "plain")}
    for section, name in (("predictors", "gcn"), ("samplers", "dns"), ("methods", "plain")):
        whole[section][long[name]] = {"kind": name}
        whole["suites"]["one"][section] = [long[name]]
    with pytest.raises(ParamsError, match=r"would have names of \d+ letters; 200 are allowed"):
        Plan(check_params(whole))


def test_settings_too_long_for_a_command_are_refused() -> None:
    whole = values(methods__plain__snapshots=list(range(1, 10_000)))
    with pytest.raises(ParamsError, match="more than a command takes"):
        Plan(check_params(whole))


def bomb(entry: str, alias: str) -> str:
    """Aliases of aliases: a few lines that stand for 10^11 values."""
    lines = [f"a0: &a0 {entry}\n"]
    lines += [f"a{i}: &a{i} {alias % ', '.join([f'*a{i - 1}'] * 10)}\n" for i in range(1, 12)]
    return "".join(lines)


HARM = "made-by-a-tag"
HOSTILE = [
    ("suite: one\nsuite: two\n", "line 2: the key 'suite' stands twice"),
    ("a: {b: 1, c: {d: 1, d: 2}}\n", "line 1: the key 'd' stands twice"),
    ("a: &a [*a]\n", "holds an alias of itself"),
    ("a: &a {b: *a}\n", "holds an alias of itself"),
    (bomb("[x]", "[%s]"), "its aliases, written out, are more than 100,000 values"),
    (bomb("{x: 1}", "{<<: [%s]}"), "its aliases, written out, are more than 100,000 values"),
    (f"a: !!python/object/apply:os.mkdir [{HARM}]\n", "could not determine a constructor"),
    (f"a: !!python/object/new:os.mkdir [{HARM}]\n", "could not determine a constructor"),
    ("a: !!python/name:os.system\n", "could not determine a constructor"),
    (f"__use_yte__: true\na: ?__import__('os').mkdir('{HARM}')\n", "run values as code"),
    ("a: 2001-99-99\n", "is not what its tag or form says"),
    ("a: !!bool maybe\n", "is not what its tag or form says"),
    ("a: " + "9" * 5000, "is not what its tag or form says"),
    ("a: 2001-01-01\n", "a = datetime.date(2001, 1, 1): text, a number"),
    ("a: !!set {b}\n", "a = {'b'}: text, a number"),
    ("? [1]\n: 2\n", "unhashable key"),
    ("1: 2\n", "settings: key 1: keys must be text"),
    ("[" * 1000, "keys within keys beyond any use"),
    ("a: " + "[" * 60 + "]" * 60, "more than 40 levels of keys"),
    ("a: \0\n", "special characters are not allowed"),
    ("a: b\n\tc: d\n", "not readable as YAML"),
    ("- a\n", "expected keys and values, got list"),
    ("", "expected keys and values, got NoneType"),
    (" " * (MOST_BYTES + 1), "longer than 1,048,576 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), HOSTILE, ids=[said[:30] for _, said in HOSTILE])
def test_the_command_says_one_thing_of_a_hostile_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["neglink", "params", "check"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("neglink: error: ")
    assert said in told
    assert "Traceback" not in told
    assert len(told) < 1500
    assert not (tmp_path / HARM).exists()


def test_bytes_that_are_no_text_and_a_name_too_long_are_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(ParamsError, match="not a text in UTF-8"):
        read_params(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_params(tmp_path / ("x" * 300))


SYNTAX = [b": ", b"- ", b"&a ", b"*a", b"<<: ", b"!!", b"\t", b"\r", b"{", b"[", b"'", b"|\n"]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.floats(0, 1), st.integers(0, 20), st.one_of(st.binary(max_size=6), st.sampled_from(SYNTAX))
)
def test_a_file_that_was_damaged_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, where: float, lost: int, put: bytes
) -> None:
    whole = yaml.safe_dump(values()).encode()
    start = int(where * len(whole))
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(whole[:start] + put + whole[start + lost :])
    with contextlib.suppress(ParamsError):
        assert read_params(path).suites


def test_the_projects_own_file_is_within_every_bound() -> None:
    own = read_values(ROOT / "params.yaml")
    assert list(strange_values(own)) == []
    assert yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")) == own
