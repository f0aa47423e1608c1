"""What README shows must run."""

import re
from functools import partial

import pytest
import torch
import yaml

from neglink.graph.pairs import pair_dot
from neglink.params import check_params
from neglink.samplers import Context
from tests.conftest import random_graph, seeded
from tests.unit.documents import ROOT, only, own_params

LINKS = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))

blocks = partial(only, ROOT / "README.md")
"""Texts of README's blocks in a language."""


def test_the_sampler_that_readme_adds_is_a_sampler():
    scope: dict[str, object] = {}
    exec(blocks("python")[0], scope)
    graph = random_graph()
    negatives = scope["NearDegree"](spread=9).sample(Context(graph), graph.arcs, seeded())
    assert negatives.shape == graph.arcs.shape
    assert torch.equal(negatives[0], graph.arcs[0])
    assert not graph.has_links(negatives).any()


def test_a_sampler_works_alone_as_readme_says():
    graph = random_graph()
    scope = {"edge_index": graph.arcs, "num_nodes": graph.n}
    exec(blocks("python")[1], scope)
    assert scope["negatives"].shape == graph.arcs.shape
    assert not graph.has_links(scope["negatives"]).any()


def test_a_sampler_trains_a_pyg_model_in_the_users_own_loop():
    from torch_geometric.nn import GCNConv

    from neglink import samplers

    graph = random_graph(n=60, m=200)
    x = graph.features.csr.to_dense()
    torch.manual_seed(0)
    conv = GCNConv(graph.f, 16)
    optimiser = torch.optim.Adam(conv.parameters(), lr=0.01)
    generator, losses = seeded(), []
    sampler = samplers.make("dns", candidates=5)
    for epoch in range(30):
        z = conv(x, graph.arcs)
        context = Context(graph, partial(pair_dot, z.detach()), z.detach(), epoch)
        negatives = sampler.sample(context, graph.links, generator)
        links, others = ((z[p[0]] * z[p[1]]).sum(-1) for p in (graph.links, negatives))
        loss = torch.nn.functional.softplus(torch.cat([-links, others])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_suite_of_your_own_graph_is_allowed():
    params = own_params()
    own = yaml.safe_load(blocks("yaml")[0])
    params["data"]["custom"] |= own["data"]["custom"]
    params["suites"] |= own["suites"]
    assert check_params({**params, "suite": "mine"}).chosen.datasets == ("my-graph",)


@pytest.mark.parametrize("link", LINKS)
def test_what_readme_points_at_is_there(link):
    assert (ROOT / link).exists()
