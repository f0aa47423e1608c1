"""params.yaml: what is refused, and what the refusal says."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from neglink.errors import ParamsError
from neglink.params import Resolver, check_params, read_params, schema
from tests.unit.documents import own_params

REPOSITORY = Path(__file__).parents[2]


def values(**changes: Any) -> dict[str, Any]:
    """Parameters with one suite on the planted graph; a__b=value sets a.b."""
    whole: dict[str, Any] = {
        "suite": "one",
        "data": {"planted": {"nodes": 200}},
        "split": {"kind": "random"},
        "evaluation": {"kind": "uniform"},
        "predictors": {"gcn": {"hidden": 16}},
        "samplers": {"dns": {"candidates": 5}},
        "methods": {"plain": {"epochs": 3}, "mebns": {"beta": 0.5}},
        "suites": {
            "one": {
                "title": "One", "datasets": ["planted"], "predictors": ["gcn"],
                "samplers": ["dns"], "methods": ["plain"], "heuristics": ["cn"], "seeds": 1,
            }
        },
    }  # fmt: skip
    whole = copy.deepcopy(whole)
    for path, value in changes.items():
        *sections, key = path.split("__")
        place = whole
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return whole


def refusal(**changes: Any) -> str:
    with pytest.raises(ParamsError) as caught:
        check_params(values(**changes))
    return str(caught.value)


def test_the_example_itself_is_allowed() -> None:
    assert check_params(values()).chosen.title == "One"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sute": "one"}, "params.sute: unknown key"),
        ({"data__mirrors": "x"}, "params.data.mirrors: unknown key"),
        ({"data__planted__nods": 100}, "data.planted.nods: unknown key"),
        ({"split__shares": 0.5}, "split.shares: unknown key"),
        ({"evaluation__negatives": 1}, "evaluation.negatives: unknown key"),
        ({"predictors__gcn__widht": 16}, "predictors.gcn.widht: unknown key"),
        ({"samplers__dns__candidate": 16}, "samplers.dns.candidate: unknown key"),
        ({"methods__mebns__betta": 0.5}, "methods.mebns.betta: unknown key"),
        (
            {"methods__mebns__per_dataset": {"cora": {"taw": 1}}},
            "methods.mebns.per_dataset.cora.taw: unknown key",
        ),
        ({"suites__one__seed": 3}, "params.suites.one.seed: unknown key"),
        ({"suites__one__split": {"trian": 0.5}}, "suites.one: split.trian: unknown key"),
    ],
)
def test_an_unknown_key_is_refused_at_every_level(changes: dict[str, Any], line: str) -> None:
    assert line in refusal(**changes).splitlines()


@pytest.mark.parametrize(
    ("changes", "start", "allowed"),
    [
        ({"device": "gpu"}, "params.device = 'gpu': ", "'cpu', 'cuda' or 'auto'"),
        ({"methods__mebns__beta": 1.5}, "methods.mebns.beta = 1.5: ", "less than or equal to 1"),
        ({"methods__plain__epochs": 0}, "methods.plain.epochs = 0: ", "greater than or equal to 1"),
        ({"methods__plain__epochs": "many"}, "methods.plain.epochs = 'many': ", "valid integer"),
        ({"samplers__dns__candidates": 2.5}, "samplers.dns.candidates = 2.5: ", "integer"),
        ({"methods__mebns__scope": "some"}, "methods.mebns.scope = 'some': ", "'negatives' or"),
        ({"data__planted__nodes": 3}, "data.planted.nodes = 3: ", "greater than or equal to 10"),
        ({"suites__one__seeds": 0}, "params.suites.one.seeds = 0: ", "greater than or equal to 1"),
        ({"suites__one__metrics": ["hits@7"]}, "params.suites.one.metrics.0 = 'hits@7': ", "'mrr'"),
        ({"suites__one__datasets": []}, "params.suites.one.datasets = []: ", "at least 1"),
        ({"samplers": []}, "params.samplers = []: ", "expected a mapping, such as {name: value}"),
        ({"predictors__gcn": None}, "params.predictors.gcn = None: ", "mapping, such as {name: "),
        ({"suites__one": None}, "params.suites.one = None: ", "value}, or {} for none"),
        (
            {"suites__one__datasets": "planted"},
            "params.suites.one.datasets = 'planted': ",
            "expected a list, such as [planted]",
        ),
        (
            {"suites__one__also": {"datasets": ["cora"]}},
            "params.suites.one.also = {'datasets': ",
            "expected a list, such as [a, b]",
        ),
        ({"methods__mebns__snapshots": 3}, "methods.mebns.snapshots = 3: ", "list, such as [3]"),
        ({"data__hashes": {"a": "12"}}, "params.data.hashes.a = '12': ", "pattern"),
        ({"suites__one__seeds": True}, "params.suites.one.seeds = True: ", "expected a number"),
        ({"methods__plain__epochs": True}, "methods.plain.epochs = True: ", "expected a number"),
        ({"resume_seconds": False}, "params.resume_seconds = False: ", "expected a number"),
        ({"seeds": True}, "params.seeds = True: ", "expected a number"),
        (
            {"evaluation__negatives_per_link": True},
            "evaluation.negatives_per_link = True: ",
            "number",
        ),
    ],
)
def test_a_wrong_value_is_told_with_path_value_and_what_is_allowed(
    changes: dict[str, Any], start: str, allowed: str
) -> None:
    line = next(line for line in refusal(**changes).splitlines() if line.startswith(start))
    assert allowed in line


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"suite": "on"}, ["suite = 'on'", "did you mean 'one'?", "allowed: one"]),
        ({"suites__one__samplers": ["dsn"]}, ["suites.one.samplers", "'dsn'", "mean 'dns'?"]),
        ({"suites__one__predictors": ["gcnn"]}, ["suites.one.predictors", "mean 'gcn'?"]),
        ({"suites__one__methods": ["plan"]}, ["suites.one.methods", "mean 'plain'?"]),
        ({"suites__one__heuristics": ["pppr"]}, ["suites.one.heuristics", "mean 'ppr'?"]),
        ({"suites__one__datasets": ["coro"]}, ["suites.one.datasets", "mean 'cora'?"]),
        ({"methods__mine": {"kind": "mebn"}}, ["methods.mine", "'mebn'", "mean 'mebns'?"]),
        ({"split__kind": "radnom"}, ["split", "'radnom'", "mean 'random'?"]),
        (
            {"methods__mebns__per_dataset": {"coraa": {"beta": 0.1}}},
            ["methods.mebns.per_dataset.coraa", "no such data set", "mean 'cora'?"],
        ),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_known_one(
    changes: dict[str, Any], parts: list[str]
) -> None:
    text = refusal(**changes)
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"suites__one__methods": []},
            "suites.one: predictors, samplers and methods must all be given, or none of them",
        ),
        (
            {"suites__one__predictors": ["cn"]},
            "suites.one.predictors: 'cn' has nothing to train; list it in heuristics",
        ),
        (
            {"suites__one__heuristics": ["gcn"]},
            "suites.one.heuristics: 'gcn' is trained; list it under predictors",
        ),
        (
            {"data__custom": {"cora": {"links": "x.csv"}}},
            "data.custom.cora: the name is taken by a data set of the catalog",
        ),
        (
            {"suites__one__compare": [{"ours": {"method": "plain"}, "against": {"sampler": "zz"}}]},
            "suites.one.compare: no sampler 'zz' in this suite; allowed: dns",
        ),
        (
            {
                "suites__one__beside": [
                    {"ours": {"predictor": "cn"}, "against": {"method": "mebns"}}
                ]
            },
            "suites.one.beside: 'cn' is a heuristic and has no sampler: name the published run's "
            "under `against`, as sampler: …",
        ),
        (
            {
                "suites__one__beside": [
                    {"ours": {"predictor": "ra"}, "against": {"method": "mebns"}}
                ]
            },
            "suites.one.beside: no predictor 'ra' in this suite; allowed: cn, gcn",
        ),
        (
            {"methods__best": {"kind": "plain-global"}, "suites__one__methods": ["best"]},
            "suites.one.methods: best × dns: method plain-global chooses by the sampler's quality, "
            "and DNS has none: set the sampler to fns, or the method to plain",
        ),
        ({"suites__one__ranked": {"per_link": 0}}, "suites.one: ranked.per_link: unknown key"),
        (
            {"suites__one__split": {"kind": "official"}},
            "suites.one.split: kind official, but 'planted' brings none; only ogbl-ddi and files "
            "of your own with valid do. Take another kind",
        ),
        (
            {"suites__one__datasets": ["mine"], "suites__one__ranked": {"kind": "official"},
             "data__custom": {"mine": {"links": "a.csv", "valid": "b.csv", "test": "c.csv"}}},
            "suites.one.ranked: kind official, but 'mine' brings none; only ogbl-ddi and files of "
            "your own with valid_negatives do. Take another kind",
        ),
        (
            {"data__custom": {"mine": {"links": "a.csv", "valid": "x/a.csv", "test": "c.csv"}}},
            "data.custom.mine.valid: 'a.csv' is also the name of the file at links; rename one",
        ),
        (
            {"suites__one__primary": "f1"},
            "suites.one.primary = 'f1': not among its metrics "
            "['hits@20', 'hits@30', 'auc', 'mrr']",
        ),
        (
            {"suites__one__migration": {"predictor": "gcn", "sampler": "dns",
                                        "methods": ["plain"], "epochs": {"cora": [1, 2]}}},
            "suites.one.migration.epochs: no epochs for planted",
        ),
        (
            {"methods__plain__per_dataset": [1]},
            "methods.plain.per_dataset: expected data sets with their settings",
        ),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], line: str) -> None:
    assert line in refusal(**changes).splitlines()


def test_a_suite_with_nothing_to_run_is_refused() -> None:
    line = "suites.one: nothing to run; give predictors, samplers and methods (such as [gcn], "
    line += "[uniform] and [plain]), or heuristics (such as [cn])"
    bare: dict[str, Any] = {"title": "One", "datasets": ["planted"]}
    assert refusal(suites__one=bare) == line
    check_params(values(suites__one=bare | {"heuristics": ["cn"]}))
    further = {"datasets": ["planted"], "predictors": ["gcn"], "samplers": ["dns"],
               "methods": ["plain"]}  # fmt: skip
    check_params(values(suites__one=bare | {"also": [further]}))


FOLLOW: dict[str, Any] = {
    "predictor": "gcn", "sampler": "dns", "methods": ["plain"], "epochs": {"planted": [1, 3]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"epochs": {"planted": [1, 50]}},
            "epochs.planted = [1, 50]: method 'plain' trains 3 epochs on it. Take epochs up to 3, "
            "or let it train longer",
        ),
        (
            {"epochs": {"planted": [2, 7]}, "methods": ["mebns"]},
            "epochs.planted = [2, 7]: method 'mebns' trains 6 epochs on it. Take epochs up to 6, "
            "or let it train longer",
        ),
        (
            {"epochs": {"planted": [1, 21]}, "methods": ["pull"], "sampler": "uniform"},
            "epochs.planted = [1, 21]: method 'pull' may end before epoch 21 (its patience is 0). "
            "Follow a method with patience: null",
        ),
        (
            {"epochs": {"planted": [3, 1]}},
            "epochs.planted = [3, 1]: expected ascending epochs, each once: [1, 3]",
        ),
        (
            {"epochs": {"planted": [1, 2, 2]}},
            "epochs.planted = [1, 2, 2]: expected ascending epochs, each once: [1, 2]",
        ),
        ({"predictor": "cn"}, "predictor: 'cn' has nothing to train, so no epochs"),
    ],
)
def test_epochs_that_no_training_comes_to_are_not_followed(
    changes: dict[str, Any], line: str
) -> None:
    mebns = {"teacher_epochs": 2, "student_epochs": 4}
    text = refusal(methods__mebns=mebns, suites__one__migration=FOLLOW | changes)
    assert text == f"suites.one.migration.{line}"


def test_a_suite_that_is_not_built_may_follow_longer_trainings() -> None:
    suites = values()["suites"]
    other = suites["one"] | {"migration": FOLLOW | {"epochs": {"planted": [1, 50]}}}
    check_params(values(suites__two=other))
    assert "trains 3 epochs" in refusal(suites__two=other, suite="two")


def test_the_last_epoch_can_be_followed_and_so_can_those_before_patience() -> None:
    for name, last in (("plain", 3), ("mebns", 300), ("autoencoder", 500)):
        follow = FOLLOW | {"methods": [name], "epochs": {"planted": [1, last], "cora": [1, 9999]}}
        check_params(values(suites__one__migration=follow, samplers__dns={"kind": "uniform"}))
        follow["epochs"] = {"planted": [1, last + 1]}
        assert refusal(suites__one__migration=follow, samplers__dns={"kind": "uniform"})


BESIDE = {"datasets": ["planted"], "predictors": ["mlp"], "samplers": ["uniform"]}


@pytest.mark.parametrize(
    ("figure", "need", "enough"),
    [
        ("ablation", "two methods", {"methods": ["plain", "mebns"]}),
        ("sensitivity", "a grid with a `sweep`", {"sweep": {"epochs": [1, 2]}}),
        ("cost", "the methods mebns and plain", {"methods": ["plain", "mebns"]}),
        ("ranking", "two samplers or two methods", {"samplers": ["dns", "uniform"]}),
        ("scaling", "3 sizes of a data set", {"datasets": ["planted", "half", "third"]}),
        ("iterations", "a method with iterations", {"also": [BESIDE | {"methods": ["pull"]}]}),
        ("learning_curves", "runs to follow (`migration`)", {"migration": FOLLOW}),
        ("migration", "runs to follow (`migration`)", {"migration": FOLLOW}),
        ("meta_weights", "runs to follow", {"migration": FOLLOW | {"methods": ["mebns"]}}),
        ("easy_negatives", "methods named plain-drop-", {"methods": ["plain-drop-20"]}),
        ("false_negatives", "the sampler uniform", {"samplers": ["dns", "uniform"]}),
        ("comparison", None, {}),
    ],
)
def test_a_figure_that_a_suite_cannot_have_is_refused(
    figure: str, need: str | None, enough: dict[str, Any]
) -> None:
    whole: dict[str, Any] = {
        "methods__plain-drop-20": {"kind": "plain"},
        "data__shares": {"half": {"of": "planted", "share": 0.5},
                         "third": {"of": "planted", "share": 0.3}},
        "suites__one__figures": [figure],
    }  # fmt: skip
    if need is not None:
        (line,) = refusal(**whole).splitlines()
        assert line.startswith(f"suites.one.figures: {figure!r} needs {need}")
        assert line.endswith("which this suite lacks: add that, or leave the figure out")
    check_params(values(**whole, **{f"suites__one__{key}": value for key, value in enough.items()}))


def test_meta_weights_want_a_meta_learner_that_is_on() -> None:
    asked = {"suites__one__migration": FOLLOW | {"methods": ["mebns"]},
             "suites__one__figures": ["meta_weights"]}  # fmt: skip
    for off in ({"meta_learner": False}, {"per_dataset": {"planted": {"meta_learner": False}}}):
        assert "'meta_weights' needs" in refusal(**asked, methods__mebns=off)
    assert "'meta_weights' needs" in refusal(**asked | {"suites__one__migration": FOLLOW})


def test_every_offender_is_told_at_once() -> None:
    text = refusal(methods__mebns__beta=2, samplers__dns__candidates=0)
    assert "methods.mebns.beta" in text
    assert "samplers.dns.candidates" in text


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", ""])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        read_params(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"none\.yaml: no such file"):
        read_params(tmp_path / "none.yaml")


def test_the_projects_own_parameters_are_allowed() -> None:
    assert "quickstart" in read_params(REPOSITORY / "params.yaml").suites


def test_the_committed_schema_is_what_the_classes_declare() -> None:
    committed = json.loads((REPOSITORY / "params.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(schema())), "stale; `make schema` writes it anew"


def test_the_schema_is_one_and_passes_the_projects_parameters() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(own_params())
    jsonschema.Draft202012Validator(schema()).validate(values())


@pytest.mark.parametrize(
    "changes",
    [
        {"sute": "one"},
        {"device": "gpu"},
        {"predictors__gcn__widht": 16},
        {"methods__mebns__beta": 1.5},
        {"suites__one__seed": 3},
    ],
)
def test_the_schema_refuses_what_the_check_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(values(**changes))


LAYERS: dict[str, Any] = {
    "teacher_epochs": 1, "beta": 0.1, "delta": 0.1, "passes": 2,
    "per_dataset": {"cora": {"beta": 0.2, "delta": 0.2, "passes": 3}},
    "per_predictor": {
        "gcn": {"delta": 0.3, "passes": 4, "per_dataset": {"cora": {"passes": 5}}},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "predictor", "expected"),
    [
        ("planted", "mlp", (1, 0.1, 0.1, 2)),
        ("cora", "mlp", (1, 0.2, 0.2, 3)),
        ("planted", "gcn", (1, 0.1, 0.3, 4)),
        ("cora", "gcn", (1, 0.2, 0.3, 5)),
    ],
)
def test_changes_for_a_predictor_lie_over_those_for_a_data_set(
    dataset: str, predictor: str, expected: tuple[float, ...]
) -> None:
    method = Resolver(check_params(values(methods__mebns=LAYERS))).method(
        "mebns", dataset, predictor
    )
    assert (method.teacher_epochs, method.beta, method.delta, method.passes) == expected


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"gcnn": {}}, "methods.mebns.per_predictor.gcnn: no such predictor (did you mean 'gcn'?)"),
        ({"cn": {}}, "methods.mebns.per_predictor.cn: 'cn' has nothing to train"),
        ([1], "methods.mebns.per_predictor: expected predictors with their settings"),
        ({"gcn": 1}, "methods.mebns.per_predictor: expected predictors with their settings"),
        ({"gcn": {"betta": 1}}, "methods.mebns.per_predictor.gcn.betta: unknown key"),
        ({"gcn": {"beta": 2}}, "methods.mebns.per_predictor.gcn.beta = 2: "),
        (
            {"gcn": {"per_dataset": {"coraa": {}}}},
            "methods.mebns.per_predictor.gcn.per_dataset.coraa: no such data set (did you mean",
        ),
        (
            {"gcn": {"per_dataset": [1]}},
            "methods.mebns.per_predictor.gcn.per_dataset: expected data sets with their settings",
        ),
        (
            {"gcn": {"per_dataset": {"cora": {"beta": 2}}}},
            "methods.mebns.per_predictor.gcn.per_dataset.cora.beta = 2: ",
        ),
        ({"gcn": {"per_predictor": {}}}, "methods.mebns.per_predictor.gcn.per_predictor: unknown"),
    ],
)
def test_wrong_changes_for_a_predictor_are_refused_with_their_path(
    changes: Any, start: str
) -> None:
    assert refusal(methods__mebns__per_predictor=changes).startswith(start)


def test_only_methods_have_changes_for_a_predictor() -> None:
    line = "samplers.dns.per_predictor: unknown key"
    assert line in refusal(samplers__dns__per_predictor={}).splitlines()


@pytest.mark.parametrize(
    ("seeds", "planted", "cora"),
    [
        (None, [7], [7]),
        (3, [7, 8, 9], [7, 8, 9]),
        ("3", [7, 8, 9], [7, 8, 9]),
        ({"all": 2, "cora": 3}, [7, 8], [7, 8, 9]),
        ({"all": "2", "cora": "3"}, [7, 8], [7, 8, 9]),
        ("2, cora=3", [7, 8], [7, 8, 9]),
        ("cora=2", [7], [7, 8]),
    ],
)
def test_seeds_start_at_the_first_and_are_as_many_as_asked_for(
    seeds: Any, planted: list[int], cora: list[int]
) -> None:
    params = check_params(values(seeds=seeds, suites__one__first_seed=7))
    assert list(params.seeds_of(params.chosen, "planted")) == planted
    assert list(params.seeds_of(params.chosen, "cora")) == cora


@pytest.mark.parametrize(
    ("seeds", "start"),
    [
        (-1, "params.seeds.all = -1: "),
        (0, "seeds = {'all': 0}: leaves out every data set of suite 'one'"),
        (True, "params.seeds = True: "),
        ("many", "params.seeds = 'many': expected a number, or such as 3,cora=5"),
        ("3,cora=", "params.seeds = '3,cora=': expected a number, or such as 3,cora=5"),
        (1.5, "params.seeds = 1.5: expected a number, or such as 3,cora=5"),
        ([0, 1], "params.seeds = [0, 1]: expected a number, or such as 3,cora=5"),
        ("0,1,2", "params.seeds = '0,1,2': expected how many seeds, once for each data set, not "),
        ("3,5", "params.seeds = '3,5': expected how many seeds"),
        ("3,cora=1,cora=2", "params.seeds = '3,cora=1,cora=2': expected how many seeds"),
        ({"coraa": 3}, "seeds.coraa: no such data set (did you mean 'cora'?)"),
    ],
)
def test_a_wrong_number_of_seeds_is_refused(seeds: Any, start: str) -> None:
    assert refusal(seeds=seeds).startswith(start)


def swept(**changes: Any) -> str:
    return refusal(suites__one__methods=["mebns"], suites__one__sweep=changes)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"betta": [0.1]}, "suites.one.sweep.betta: no setting of method 'mebns' (did you mean"),
        ({"beta": [0.1, 7]}, "suites.one.sweep.beta = 7: input should be less than or equal to 1"),
        ({"scope": ["some"]}, "suites.one.sweep.scope = 'some': input should be 'negatives' or"),
        ({"beta": []}, "params.suites.one.sweep.beta = []: "),
        ({"mask_links": [True]}, "suites.one.sweep = "),
    ],
)
def test_a_wrong_sweep_is_refused_with_its_path(changes: dict[str, Any], start: str) -> None:
    assert swept(**changes).startswith(start)


def test_a_swept_setting_must_be_one_of_every_method() -> None:
    line = refusal(suites__one__methods=["mebns", "plain"], suites__one__sweep={"beta": [0.1]})
    assert line.startswith("suites.one.sweep.beta: no setting of method 'plain'")


def test_a_sweep_without_methods_and_a_name_taken_twice_are_refused() -> None:
    empty = {"predictors": [], "samplers": [], "methods": [], "heuristics": ["cn"]}
    one = values()["suites"]["one"] | empty | {"sweep": {"beta": [0.1]}}
    assert refusal(suites__one=one) == "suites.one.sweep: the grid has no methods to change"
    taken = {"mebns": {}, "mebns+beta-0.1": {"kind": "mebns"}}
    text = refusal(
        methods=taken, suites__one__methods=["mebns"], suites__one__sweep={"beta": [0.1]}
    )
    assert text == "suites.one.sweep: 'mebns+beta-0.1' is the name of another method too"


def test_a_sweep_in_a_further_grid_is_checked_too() -> None:
    further = values()["suites"]["one"] | {"methods": ["mebns"], "sweep": {"hops": [1]}}
    grid = {key: further[key] for key in ("datasets", "predictors", "samplers", "methods", "sweep")}
    assert refusal(suites__one__also=[grid]).startswith("suites.one.also.sweep.hops = 1: ")
