"""Figures: drawn, not empty, the same bytes for the same data, and refused without data."""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from neglink.errors import ReportError
from neglink.reporting.figures import FIGURES, Drawing, make_figures
from neglink.reporting.figures.curves import learning_curves
from neglink.reporting.figures.meta_weights import spearman
from neglink.reporting.figures.migration import migrant_shares
from neglink.reporting.figures.sensitivity import sensitivity
from neglink.reporting.figures.style import legend_below, looks, new, slug, styled
from neglink.reporting.inputs import Analysis, read_suite
from neglink.reporting.statistics import Results
from tests.unit.reporting_data import analysis, grid, metrics, suite, swept


def drawn(folder: Path, runs: list[dict[str, Any]], *args: Any, **given: Any) -> list[Drawing]:
    inputs = read_suite(suite(folder, runs, *args, **given))
    drawings, left_out = make_figures(inputs, Results(inputs.metrics))
    assert left_out == []
    return drawings


def lacks(folder: Path, runs: list[dict[str, Any]], *args: Any, **given: Any) -> list[str]:
    """What is said of the figures that are left out."""
    inputs = read_suite(suite(folder, runs, *args, **given))
    return make_figures(inputs, Results(inputs.metrics))[1]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawing]:
    analyses = [analysis(method, seed) for method in ("plain", "mebns") for seed in (0, 1)]
    runs = [
        *grid(),
        *(swept("cora", "beta", value, seed) for value in (0.1, 0.3) for seed in (0, 1)),
    ]
    kinds = [name for name in FIGURES if name not in {"iterations", "scaling"}]  # test_pull_reports
    made = drawn(tmp_path_factory.mktemp("figures"), runs, analyses, figures=kinds)
    return {drawing.stem: drawing for drawing in made}


def test_every_kind_of_figure_is_drawn(drawings: dict[str, Drawing]) -> None:
    assert set(drawings) == {
        "comparison",
        "ablation",
        "sensitivity-mebns-beta",
        "cost",
        "learning_curves-cora-gcn-dns",
        "migration-cora-gcn-dns",
        "migration-shares",
        "meta_weights-cora-gcn-dns",
        "easy_negatives",
        "ranking",
        *(f"false_negatives-{name}" for name in ("cora", "citeseer", "planted")),
    }


def test_figures_are_whole_small_and_load_nothing(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        width, height = struct.unpack(">II", drawing.png[16:24])
        assert drawing.png.startswith(b"\x89PNG")
        assert min(width, height) > 400
        svg = drawing.svg.decode()
        assert svg.rstrip().endswith("</svg>")
        assert not re.search(r'(?:href|src)="https?:|url\(["\']?https?:', svg)
        assert "<script" not in svg
        assert max(len(drawing.svg), len(drawing.png)) < 500_000
        assert len(drawing.caption) > 60


def test_figures_have_no_date_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    given = {"figures": ["comparison", "migration", "learning_curves"]}
    first, second = (
        drawn(tmp_path / name, grid()[:40], [analysis()], **given) for name in ("a", "b")
    )
    assert first == second
    assert b"dc:date" not in first[0].svg
    assert b"tEXt" not in first[0].png


def test_hostile_names_stay_out_of_file_names_and_markup(tmp_path: Path) -> None:
    name = "../<b>$x$&"
    runs = [metrics(name, seed=seed) for seed in (0, 1)]
    hostile = analysis(run={"dataset": name, "predictor": "gcn", "sampler": "dns", "seed": 0})
    made = drawn(tmp_path, runs, [hostile], figures=["comparison", "migration"])
    for drawing in made:
        assert re.fullmatch(r"[a-z0-9_-][A-Za-z0-9._-]*", drawing.stem)
        assert b"<b>" not in drawing.svg
    assert slug("a/b") != slug("a:b")


@pytest.mark.parametrize(
    ("name", "lack"),
    [
        ("learning_curves", "analyses of runs"),
        ("migration", "analyses of runs"),
        ("meta_weights", "meta learner"),
        ("easy_negatives", "plain-drop-<percent>"),
        ("sensitivity", "runs of a sweep"),
        ("cost", "runs of mebns and plain"),
        ("ablation", "runs of two methods"),
        ("ranking", "two runs to compare"),
        ("iterations", "a method with iterations"),
        ("scaling", "3 sizes of a data set"),
    ],
)
def test_a_figure_without_data_says_what_it_lacks(tmp_path: Path, name: str, lack: str) -> None:
    (said,) = lacks(tmp_path, [metrics()], figures=[name])
    assert re.match(f"Figure {name} needs .*{lack}", said)


@pytest.mark.parametrize("width", [4.5, 5.1, 8.0, 10.9])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_legend_below_lies_inside_its_figure(width: float, count: int) -> None:
    names = ["plain", "mebns", "best heuristic", "nml-distance-tuned-with-a…"]
    figure = new(width, 4, "A legend of several names under one panel.")
    figure.subplots()
    handles = [Line2D([], [], marker="o", label=names[i % len(names)]) for i in range(count)]
    with styled():
        legend_below(figure, handles)
        FigureCanvasAgg(figure).draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_a_figure_that_lacks_its_data_leaves_the_others_alone(tmp_path: Path) -> None:
    inputs = read_suite(suite(tmp_path, [metrics()], figures=["ablation", "comparison", "cost"]))
    drawings, left_out = make_figures(inputs, Results(inputs.metrics))
    assert [drawing.stem for drawing in drawings] == ["comparison"]
    assert [said.split()[1] for said in left_out] == ["ablation", "cost"]


def test_no_figure_stands_empty_where_the_primary_metric_has_no_value(tmp_path: Path) -> None:
    own = {"test": {"auc": 0.5, "hits@20": None}, "counts": {"test_negatives": 12}}
    runs = [
        metrics(sampler=sampler, method=method, seed=seed, **own)
        for sampler in ("uniform", "dns")
        for method in ("plain", "mebns")
        for seed in (0, 1)
    ]
    runs += [swept("cora", "beta", 0.1, seed) | own for seed in (0, 1)]
    of_it = ["comparison", "ablation", "sensitivity", "ranking", "false_negatives"]
    said = lacks(tmp_path, runs, figures=of_it)
    assert [text.split()[1] for text in said] == of_it
    why = "Hits@20 has no value where fewer than 20 negatives are ranked: cora (12). Take another"
    assert all(why in text for text in said)
    (other,) = lacks(tmp_path / "c", runs, figures=["iterations"])
    assert "no value" not in other
    assert lacks(tmp_path / "b", [metrics(test={"auc": 0.5})], figures=["comparison"])


def test_an_unknown_figure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="'pie' is not one of comparison"):
        drawn(tmp_path, [metrics()], figures=["pie"])


def test_series_of_unequal_length_are_refused(tmp_path: Path) -> None:
    short = analysis(thresholds=[0.5])
    with pytest.raises(ReportError, match="epochs, scores and thresholds differ in length"):
        drawn(tmp_path, [metrics()], [short])


def test_one_seed_one_dataset_and_one_method_can_be_drawn(tmp_path: Path) -> None:
    single = drawn(tmp_path, [metrics()], [analysis()], figures=["comparison", "migration"])
    assert len(single) == 3


def test_values_that_are_not_numbers_stand_side_by_side(tmp_path: Path) -> None:
    runs = [
        swept("cora", "select", value, seed) for value in ("auc", None, [1, 2]) for seed in (0, 1)
    ]
    inputs = read_suite(suite(tmp_path, runs))
    figure = sensitivity(inputs, Results(inputs.metrics))["sensitivity-mebns-select"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [
        *("auc", "none", "[1, 2]"),
    ]


@pytest.mark.parametrize(
    ("values", "scale"), [((1e-7, 2e-5, 1e-4), "log"), ((0.0, 0.1, 0.5), "linear")]
)
def test_positive_values_far_apart_stand_on_a_logarithmic_axis(
    tmp_path: Path, values: tuple[float, ...], scale: str
) -> None:
    inputs = read_suite(suite(tmp_path, [swept("cora", "tau", value, 0) for value in values]))
    figure = sensitivity(inputs, Results(inputs.metrics))["sensitivity-mebns-tau"]
    axes = figure.axes[0]
    assert axes.get_xscale() == scale
    assert list(axes.lines[0].get_xdata()) == list(values)
    assert "tau" in axes.get_xlabel()
    if scale == "log":
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == ["1e-07", "2e-05", "0.0001"]


def test_plain_is_a_line_across_and_the_own_value_has_a_ring(tmp_path: Path) -> None:
    own = {"made_from": {"settings": {"method": {"beta": 0.5}}}}
    runs = [swept("cora", "beta", 0.1, 0), metrics(method="mebns", **own), metrics()]
    inputs = read_suite(suite(tmp_path, runs))
    axes = sensitivity(inputs, Results(inputs.metrics))["sensitivity-mebns-beta"].axes[0]
    across, line, ring = axes.lines
    assert list(across.get_ydata()) == [0.5, 0.5]
    assert list(line.get_xdata()) == [0.1, 0.5]
    assert list(ring.get_xdata()) == [0.5]
    assert axes.get_title(loc="left") == "cora (1 seed)"


def test_the_teachers_curve_stands_before_the_students(tmp_path: Path) -> None:
    teacher = {"epoch": [1, 2], "loss": [0.9, 0.8], "valid_epoch": [2], "valid_auc": [0.6]}
    student = {"epoch": [3, 4], "loss": [0.5, 0.4], "valid_epoch": [4], "valid_auc": [0.8]}
    given = {"curve": student, "teacher_curve": teacher, "teacher_epochs": 2}
    inputs = read_suite(suite(tmp_path, [metrics()], [analysis("mebns", **given)]))
    loss, auc = learning_curves(inputs, Results(inputs.metrics))[
        "learning_curves-cora-gcn-dns"
    ].axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2], [3, 4], [2, 2]]
    assert [list(line.get_ydata()) for line in auc.lines][:2] == [[0.6], [0.8]]
    assert [text.get_text() for text in auc.get_legend().get_texts()] == ["validation"]
    short = {**teacher, "loss": [0.9]}
    with pytest.raises(ReportError, match=r"teacher_curve\.epoch and teacher_curve\.loss differ"):
        drawn(tmp_path / "b", [metrics()], [analysis("mebns", teacher_curve=short)])


def test_colours_and_markers_never_come_twice_together() -> None:
    assert len(set(looks(map(str, range(20))).values())) == 20


def test_migrants_are_counted_as_percent_of_the_negatives() -> None:
    marks = {"mover": [True] * 4, "migrant": [True, False, False, False]}
    content = analysis(
        scores=[[0.1] * 4, [0.9] * 4],
        epochs=[100, 150],
        thresholds=[0.5, 0.5],
        migration=[{"from": 100, "to": 150, **marks}],
    )
    shares = migrant_shares([Analysis.model_validate(content)])
    assert shares["cora · gcn · dns\nepoch 100 → 150"]["plain"].mean == 25.0


def test_rank_correlation_shares_ranks_between_ties() -> None:
    x, y = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(x, y) == pytest.approx(np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1])
    assert spearman(x, np.ones(4)) is None
