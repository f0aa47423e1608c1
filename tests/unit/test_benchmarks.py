import math

import pytest
import torch

from benchmarks import data, growth, kappa, neighbours, ours, peers, samplers, seal, systems, turns
from benchmarks.__main__ import SECTIONS, as_markdown
from neglink.graph.subgraphs import double_radius_labels, enclosing_subgraphs
from neglink.methods import loop
from neglink.samplers import SAMPLERS
from neglink.steps.provenance import provenance
from tests.conftest import random_graph

PREDICTORS = kappa.trainable()


@pytest.mark.parametrize(
    "program",
    [peers.pyg_epoch, ours.plain_epoch, ours.student_epoch, ours.lazy_student_epoch],
)
def test_epochs_lower_the_loss(program):
    epoch = program(random_graph(n=60, m=200))
    losses = [epoch(number) for number in range(15)]
    assert 0 < losses[-1] < losses[0]


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_a_draw_has_a_negative_for_each_link(name):
    graph = random_graph(n=60, m=200)
    draw = samplers.sampler_draw(graph, data.settings().sampler(name, "cora"))
    assert draw(0) == draw(1) == graph.m


def test_the_peers_draw_as_many():
    graph = random_graph(n=60, m=200)
    assert samplers.python_draw(graph)(0) == graph.m
    assert 0 < samplers.pyg_draw(graph)(0) <= graph.m


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("method", ["plain", "mebns"])
def test_every_predictor_has_an_epoch(predictor, method, monkeypatch):
    monkeypatch.setattr(loop, "training_links", loop.training_links)  # undone afterwards
    monkeypatch.setattr(kappa, "EDGE_LINKS", 8)
    epoch, facts = kappa.epoch_of(random_graph(n=60, m=200), method, predictor)
    assert 0 < epoch(0) < 1000
    assert facts["links"] > 0


def test_both_programs_find_the_same_subgraphs_and_labels():
    graph = random_graph(n=60, m=100)
    pairs = data.half_links(graph, 30)
    ours_ = enclosing_subgraphs(graph, pairs, 2)
    labels = double_radius_labels(ours_).split(ours_.sizes.tolist())
    nodes = ours_.nodes.split(ours_.sizes.tolist())
    for k, (u, v) in enumerate(pairs.t().tolist()):
        found, arcs, expected = peers.enclosing_subgraph(graph.arcs, graph.n, u, v, 2)
        assert torch.equal(nodes[k].long(), found)
        assert torch.equal(labels[k], expected)
        assert not (found[arcs] == torch.tensor([[u], [v]])).all(0).any()
    assert seal.at_once(graph, pairs)(0) == seal.peer_loop(graph, pairs)(0)


def test_both_programs_find_as_many_common_neighbours():
    graph = random_graph(n=60, m=300)
    pairs = data.half_links(graph, 50)
    found = neighbours.at_once(graph, pairs)(0)
    assert found == neighbours.look_ups(graph, pairs)(0) > 0


@pytest.mark.parametrize("stage", growth.STAGES)
def test_growth_handles_every_link(stage):
    works = growth.STAGES[stage](2_000)
    value = works["work"](0)
    links = growth.graph_of(2_000).m
    assert 1_500 < links < 2_200
    assert value == links if "links" not in works else works["links"](0) == links


def test_half_of_the_pairs_are_links_and_none_is_a_node_twice():
    graph = random_graph(n=200, m=300)
    pairs = data.half_links(graph, 100)
    assert pairs.shape == (2, 100)
    assert (pairs[0] != pairs[1]).all()
    assert graph.has_links(pairs[:, :50]).all()
    assert graph.has_links(pairs[:, 50:]).sum() < 10


def test_the_random_graph_keeps_its_degrees_as_it_grows():
    for rows in (2_000, 20_000):
        pairs, n = data.random_pairs(rows)
        assert n == rows // 10
        assert pairs.shape[1] == pytest.approx(rows, rel=0.1)


def test_slopes_of_lines():
    points = [{"links": x, "seconds": 3.0 * x**1.5, "added_mb": 2.0 * x} for x in (10, 100, 1000)]
    assert growth.slope(points) == pytest.approx(1.5)
    assert growth.slope(points, "added_mb") == pytest.approx(1.0)


def test_ratios_are_taken_within_turns():
    assert turns.Ratio.of([2.0, 9.0, 8.0], [1.0, 3.0, 2.0]) == turns.Ratio(3.0, 2.0, 4.0)


def test_the_page_has_the_sections_that_were_run(tmp_path):
    points = [
        {"links": x, "handled": x, "seconds": x / 1e6, "runs": 5, "peak_mb": 400.0 + x,
         "added_mb": float(x)}
        for x in (10, 100)
    ]  # fmt: skip
    results = {"growth": {"stages": {"graph": points}, "left_out": {"cora": "no file"},
                          "made_with": provenance(), "seconds": 1.0, "threads": 2}}  # fmt: skip
    text = as_markdown(results)
    assert "## Growth" in text
    assert "| graph | 100 | all | 0.0001 | 1.00 | 500 |" in text
    assert "Left out: cora: no file" in text
    assert all(f"## {name.title()}" not in text for name in SECTIONS if name != "growth")
    growth.draw(results["growth"], tmp_path)
    assert (tmp_path / "growth.svg").stat().st_size > 1000
    assert (tmp_path / "growth.png").stat().st_size > 1000


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_system_works_on_the_graph_of_plain_training(name):
    predictor = systems.SYSTEMS[name].predictor
    graph = systems.graph_of(80, 6.0)
    value = systems.SYSTEMS[name].work(systems.run_of(graph, predictor))(0)
    assert math.isfinite(value)
    assert value == round(0.05 * graph.m) if name == "pull choice" else value > 0
    assert systems.plain_epoch(systems.run_of(graph, predictor))(0) > 0


def test_systems_grow_in_nodes_or_in_links_alone():
    whole = systems.graphs("dmns epoch", quick=False)
    assert [nodes for kind, nodes, _ in whole if kind == "nodes"] == [1_000, 4_000, 16_000, 64_000]
    assert {nodes for kind, nodes, _ in whole if kind == "links"} == {systems.FIXED_NODES}
    assert systems.graphs("dmns epoch", quick=True) == whole[:1]


def test_the_page_of_systems_has_ratios_exponents_and_outer_iterations():
    def row(nodes):
        return {"nodes": nodes, "links": 5 * nodes, "first_ms": nodes / 10, "second_ms": 4.0,
                "ratio": 2.5, "least": 2.0, "greatest": 3.0, "first_added_mb": nodes / 100,
                "second_added_mb": 5.0}  # fmt: skip

    series = {"nodes": [row(1_000), row(4_000)], "links": []}
    text = systems.as_markdown({"systems": {"pull epoch": series, "pull choice": series}})
    assert "| pull epoch | 1,000 | 5,000 | 100.0 | 4.0 | **2.50** | 2.00–3.00 | 10 | 5 |" in text
    assert "| pull choice | nodes and links | 1.00 | 0.00 | 1.00 |" in text
    assert "on 1,000 nodes: 20.1 s, 502 plain epochs; the choice of pairs takes 0.5 %" in text
