"""A suite resolved into steps."""

from typing import Any

from neglink.params import check_params
from neglink.plan import Plan, memory_mb
from tests.unit.test_params import values


def plan(**changes: Any) -> Plan:
    return Plan(check_params(values(**changes)))


def labels(made: Plan, kind: str) -> set[str]:
    return {step.label for step in made.all(kind)}


def test_a_suite_is_the_product_of_its_lists_and_heuristics_run_once() -> None:
    made = plan(
        suites__one__samplers=["dns", "uniform"],
        suites__one__methods=["plain", "mebns"],
        suites__one__seeds=2,
        suites__one__heuristics=["cn", "aa"],
    )
    trained = {f"planted-gcn-{s}-{m}-s{i}" for s in ("dns", "uniform") for m in ("plain", "mebns")
               for i in (0, 1)}  # fmt: skip
    heuristics = {f"planted-{h}-s{i}" for h in ("cn", "aa") for i in (0, 1)}
    assert labels(made, "evaluate") == trained | heuristics
    assert len(made.all("teacher")) == len(made.all("metadata")) == len(made.all("student")) == 4
    assert len(made.all("train")) == 4
    assert labels(made, "split") == {"planted-s0", "planted-s1"}
    assert labels(made, "graph") == {"planted"}


def test_variants_that_differ_only_in_the_student_share_their_teacher() -> None:
    made = plan(
        methods__m={"kind": "mebns", "meta_learner": False},
        methods__wide={"kind": "mebns", "beta": 0.9},
        suites__one__methods=["mebns", "m", "wide"],
    )
    assert len(made.all("teacher")) == 1
    assert len(made.all("metadata")) == 1
    assert len(made.all("student")) == 3


def test_a_renamed_method_keeps_its_training_and_not_its_evaluation() -> None:
    one, other = plan(), plan(methods__other={"kind": "plain", "epochs": 3},
                              suites__one__methods=["other"])  # fmt: skip
    assert [s.path for s in one.all("train")] == [s.path for s in other.all("train")]
    assert labels(one, "evaluate") != labels(other, "evaluate")


def test_other_ranked_negatives_share_the_training() -> None:
    one, other = plan(), plan(suites__one__ranked={"kind": "candidates", "per_link": 9})
    assert [s.path for s in one.all("train")] == [s.path for s in other.all("train")]
    assert len(other.all("split")) == 2 * len(one.all("split"))
    protocols = {s.inputs["split"].settings["protocol"]["kind"] for s in other.evaluations}
    trained = {s.inputs["split"].settings["protocol"]["kind"] for s in other.all("train")}
    assert (protocols, trained) == ({"candidates"}, {"uniform"})


def test_the_threads_of_a_training_are_part_of_it_unless_it_is_one() -> None:
    one, other = plan(), plan(suites__one__threads=4)
    assert all("threads" not in step.settings for step in one.all("train"))
    assert {step.settings["threads"] for step in other.all("train")} == {4}


def test_the_precision_of_products_is_part_of_a_training_unless_it_is_the_highest() -> None:
    one, other = plan(), plan(suites__one__precision="medium")
    assert all("precision" not in step.settings for step in one.all("train"))
    assert {step.settings["precision"] for step in other.all("train")} == {"medium"}
    assert {s.path for s in one.all("train")}.isdisjoint(s.path for s in other.all("train"))
    assert [s.path for s in one.all("split")] == [s.path for s in other.all("split")]


def test_changes_for_a_data_set_reach_its_steps_alone() -> None:
    def beta(**changes: Any) -> dict[str, float]:
        made = plan(suites__one__methods=["mebns"], suites__one__heuristics=[],
                    suites__one__datasets=["planted", "cora"], **changes)  # fmt: skip
        return {s.label: s.settings["method"]["beta"] for s in made.all("student")}

    changed = beta(methods__mebns__per_dataset={"cora": {"beta": 0.1}})
    assert changed == {"planted-gcn-dns-s0": 0.5, "cora-gcn-dns-s0": 0.1}


def test_a_catalog_graph_is_fetched_first_and_a_planted_one_is_not() -> None:
    made = plan(suites__one__datasets=["planted", "cora"])
    graphs = {step.label: set(step.inputs) for step in made.all("graph")}
    assert graphs == {"planted": set(), "cora": {"raw"}}
    assert labels(made, "fetch") == {"cora"}


def test_device_and_mirror_are_told_and_change_no_digest() -> None:
    one, other = plan(), plan(device="auto", data__mirror="/elsewhere")
    assert one.marker == other.marker
    assert '"device":"auto"' in other.all("train")[0].told
    assert '"mirror":"/elsewhere"' in other.all("graph")[0].told


def test_a_followed_run_has_snapshots_and_leaves_the_other_runs_alone() -> None:
    follow = {"predictor": "gcn", "sampler": "dns", "methods": ["plain"], "every": 2,
              "epochs": {"planted": [1, 3]}}  # fmt: skip
    made, without = plan(suites__one__migration=follow), plan()
    assert {s.path for s in without.all("train")} < {s.path for s in made.all("train")}
    followed = made.analyses[0].inputs["checkpoint"]
    assert followed.settings["method"]["snapshots"] == [1, 2, 3]
    assert made.analyses[0].settings["epochs"] == [1, 3]


def test_a_suites_changes_to_split_and_ranking_are_its_own() -> None:
    params = values()
    params["suites"]["two"] = params["suites"]["one"] | {
        "split": {"train": 0.8, "test": 0.1}, "evaluation": {"negatives_per_link": 3},
    }  # fmt: skip
    checked = check_params(params)
    one, two = (Plan(checked, name).all("split")[0].settings for name in ("one", "two"))
    assert (one["split"]["test"], two["split"]["test"]) == (0.2, 0.1)
    assert (one["protocol"]["negatives_per_link"], two["protocol"]["negatives_per_link"]) == (1, 3)


def test_every_input_of_a_step_is_made_by_a_step_of_the_plan() -> None:
    made = plan(suites__one__methods=["plain", "mebns"])
    steps = [step for kind in made.steps.values() for step in kind.values()]
    there = {step.path for step in steps}
    assert {read.path for step in steps for read in step.inputs.values()} <= there
    assert all(made.of(step.kind, step.name) is step for step in steps)


def test_more_memory_is_asked_for_a_greater_graph() -> None:
    made = plan(suites__one__datasets=["cora", "ogbl-ddi"], split__per_dataset={},
                suites__one__heuristics=[])  # fmt: skip
    asked = {step.label: memory_mb(step) for step in made.all("graph")}
    assert asked["ogbl-ddi"] > asked["cora"] >= 1500


def test_more_seeds_keep_every_step_of_the_first() -> None:
    follow = {"predictor": "gcn", "sampler": "dns", "methods": ["plain"], "seeds": 2,
              "epochs": {"planted": [1, 3]}}  # fmt: skip
    few, many = (plan(seeds=n, suites__one__migration=follow) for n in (None, 3))
    assert labels(many, "split") == {"planted-s0", "planted-s1", "planted-s2"}
    assert [step.label for step in many.analyses] == [
        f"planted-gcn-dns-plain-s{i}" for i in range(3)
    ]
    for kind in ("split", "train", "evaluate", "migration"):
        assert {step.path for step in few.all(kind)} < {step.path for step in many.all(kind)}
    assert few.marker != many.marker


def test_no_seeds_leave_a_data_set_out() -> None:
    made = plan(suites__one__datasets=["planted", "cora"], seeds="2,cora=0")
    assert {step.settings["run"]["dataset"] for step in made.evaluations} == {"planted"}
    assert labels(made, "graph") == {"planted"}


def test_changes_for_a_predictor_reach_its_trainings_alone() -> None:
    made = plan(suites__one__predictors=["gcn", "mlp"], suites__one__heuristics=[],
                methods__plain__per_predictor={"mlp": {"epochs": 9}})  # fmt: skip
    trained = {step.label: step.settings["method"]["epochs"] for step in made.all("train")}
    assert trained == {"planted-gcn-dns-s0": 3, "planted-mlp-dns-s0": 9}


def test_a_sweep_changes_one_setting_at_a_time_and_keeps_the_method_as_it_is() -> None:
    made = plan(suites__one__methods=["mebns"], suites__one__heuristics=[],
                suites__one__sweep={"beta": [0.1, 1], "meta_learner": [False]})  # fmt: skip
    runs = {step.label: step for step in made.all("evaluate")}
    assert {label: step.settings["run"]["sweep"] for label, step in runs.items()} == {
        "planted-gcn-dns-mebns-s0": None,
        "planted-gcn-dns-mebns+beta-0.1-s0": {"method": "mebns", "setting": "beta", "value": 0.1},
        "planted-gcn-dns-mebns+beta-1-s0": {"method": "mebns", "setting": "beta", "value": 1.0},
        "planted-gcn-dns-mebns+meta_learner-false-s0": {
            "method": "mebns", "setting": "meta_learner", "value": False,
        },
    }  # fmt: skip
    recipes = {
        label: (step.settings["method"]["beta"], step.settings["method"]["meta_learner"])
        for label, step in runs.items()
    }
    assert recipes == {
        "planted-gcn-dns-mebns-s0": (0.5, True),
        "planted-gcn-dns-mebns+beta-0.1-s0": (0.1, True),
        "planted-gcn-dns-mebns+beta-1-s0": (1.0, True),
        "planted-gcn-dns-mebns+meta_learner-false-s0": (0.5, False),
    }
    names = {step.settings["run"]["method"] for step in runs.values()}
    assert names == {"mebns", "mebns+beta-0.1", "mebns+beta-1", "mebns+meta_learner-false"}
    assert len(made.all("teacher")) == 1
    assert len(made.all("student")) == 4


def test_a_swept_run_shares_the_training_of_a_method_with_the_same_settings() -> None:
    swept = plan(suites__one__methods=["mebns"], suites__one__sweep={"beta": [0.1, 0.5]})
    named = plan(methods__mebns__beta=0.1, suites__one__methods=["mebns"])
    students = {step.path for step in swept.all("student")}
    assert {step.path for step in named.all("student")} < students
    assert len(students) == 2  # 0.5 is the method's own value
    assert len(swept.evaluations) == len(set(labels(swept, "evaluate"))) == 4


def test_a_sweep_starts_from_the_changes_for_data_set_and_predictor() -> None:
    made = plan(suites__one__methods=["mebns"], suites__one__heuristics=[],
                suites__one__sweep={"beta": [0.1]},
                methods__mebns__per_predictor={"gcn": {"passes": 5}})  # fmt: skip
    assert {step.settings["method"]["passes"] for step in made.all("evaluate")} == {5}


def test_a_run_that_two_grids_ask_for_is_one() -> None:
    grid = {"datasets": ["planted"], "predictors": ["gcn"], "samplers": ["dns"],
            "methods": ["plain"], "seeds": 2}  # fmt: skip
    made = plan(suites__one__also=[grid], suites__one__heuristics=[])
    assert [step.label for step in made.evaluations] == [
        "planted-gcn-dns-plain-s0", "planted-gcn-dns-plain-s1",
    ]  # fmt: skip
