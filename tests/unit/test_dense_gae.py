"""The autoencoder with a dense adjacency against the sparse one."""

from dataclasses import replace

import pytest
import torch
from torch.autograd import forward_ad

from neglink.errors import ParamsError, TrainingError
from neglink.evaluation.metrics import auc
from neglink.graph import Graph
from neglink.graph.sparse import SparseMatrix
from neglink.methods import METHODS
from neglink.methods.base import fit
from neglink.methods.loop import training_batches, without_links
from neglink.methods.mebns.student import call
from neglink.methods.pull.expected import expected_graph, require_weighing
from neglink.predictors import PREDICTORS
from neglink.predictors.dense_gae import dense_adjacency
from neglink.samplers import SAMPLERS
from tests.conftest import random_graph, seeded
from tests.unit.derivatives import assert_derivatives_agree
from tests.unit.test_mebns import make_run

SETTINGS = {
    "default": {},
    "dot": {"decoder_layers": 0, "layers": 3, "residual": 0.5},
    "deep": {
        "inputs": "both", "activation": True, "transform": True, "residual": 0.3,
        "decoder_layers": 4, "decoder_skip": True, "dropout": 0.4,
    },
    "no norm": {
        "inputs": "embedding", "norm": False, "transform": True, "decoder_skip": True,
        "decoder_layers": 1,
    },
    "root": {
        "inputs": "embedding", "norm": False, "activation": True, "transform": True,
        "root_weight": True, "raw_input": True, "decoder_layers": 3, "dropout": 0.3,
    },
}  # fmt: skip
PUBLISHED = {
    "hidden": 16, "embedding": 16, "inputs": "embedding", "rows": "free", "transform": True,
    "shared": True, "norm": False, "dropout": 0.0, "residual": 0.1, "decoder_layers": 3,
    "decoder_skip": True, "decoder_dropout": 0.3,
}  # fmt: skip
"""The form that is trained on ogbl-ddi."""


def with_biases(model):
    for name, value in model.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(value, std=0.3, generator=seeded(len(name)))
    return model


def bare(graph):
    return Graph(graph.n, graph.links)


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("training", [False, True])
def test_in_float32_it_is_the_gae(case, training, graph):
    settings = {"hidden": 16, "embedding": 8, **SETTINGS[case]}
    found = []
    for name in ("gae", "dense-gae"):
        model = with_biases(PREDICTORS.make(name, **settings).build(graph, seeded()))
        torch.manual_seed(3)
        logits = model.train(training).score(graph, graph.links)
        logits.square().sum().backward()
        found.append((logits, {k: p.grad for k, p in model.named_parameters()}))
    (expected, slopes), (logits, dense_slopes) = found
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert slopes.keys() == dense_slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(dense_slopes[name], slope, rtol=1e-4, atol=1e-4)


def test_the_published_form_follows_the_formula(graph):
    graph = bare(graph)
    model = with_biases(PREDICTORS.make("dense-gae", **PUBLISHED).build(graph, seeded())).eval()
    a = torch.from_numpy(graph.adjacency.scipy().toarray())
    (shared,) = model.encoder.transforms
    rows = model.input.rows
    assert {k for k, _ in model.named_parameters()} == {
        "encoder.input.rows", "encoder.transforms.0.weight", "encoder.transforms.0.bias",
        *(f"decoder.{i}.linear.{p}" for i in (0, 1) for p in ("weight", "bias")),
        "last.weight", "last.bias",
    }  # fmt: skip
    z = rows
    for _ in range(2):
        z = a @ z @ shared.weight + shared.bias + 0.1 * rows
    assert torch.allclose(model.encode(graph), z, atol=1e-5)
    u, v = graph.links
    product = z[u] * z[v]
    h = product
    for block in model.decoder:
        h = (h @ block.linear.weight + block.linear.bias + product).relu()
    expected = (h @ model.last.weight + model.last.bias).squeeze(-1)
    assert torch.allclose(model.score(graph, graph.links), expected, atol=1e-5)


@pytest.mark.parametrize("features", [True, False])
def test_free_rows_start_as_the_mapped_ones(features, graph):
    graph = graph if features else bare(graph)
    settings = {"hidden": 12, "embedding": 6, "inputs": "both"}
    models = [
        PREDICTORS.make("dense-gae", rows=rows, **settings).build(graph, seeded()).eval()
        for rows in ("mapped", "free")
    ]
    first, second = (model.score(graph, graph.links) for model in models)
    assert torch.allclose(first, second, atol=1e-5)
    assert models[1].input.rows.shape == (graph.n, 12)
    # a graph whose rows play no part has nothing to free
    PREDICTORS.make("dense-gae", rows="free").build(random_graph(), seeded())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_masked_matrix_is_that_of_the_graph_without_the_links(dtype):
    graph = random_graph(n=50, m=300)
    dense_adjacency(graph, dtype)
    thin = without_links(graph, torch.randperm(graph.m, generator=seeded())[:100])
    found = dense_adjacency(thin, dtype)
    again = graph.with_links(thin.links.clone())
    assert set(found.matrix.unique().tolist()) == {0, 1}
    full = found.matrix.float() * found.scale * found.scale.T
    assert torch.allclose(full, again.adjacency.csr.to_dense(), atol=1e-7)
    assert dense_adjacency(thin, dtype) is found
    other = dense_adjacency(again, dtype)  # whose sparse adjacency stands ready
    assert torch.equal(other.matrix, found.matrix)
    assert torch.equal(other.scale, found.scale)


def test_batches_are_encoded_without_their_links(graph):
    run = make_run(random_graph(n=60, m=200), "dense-gae")
    model = run.model()
    method = METHODS.make("plain", batch_links=50, mask_links=True)
    for batch in training_batches(run, model, method, seeded(), 0):
        matrix = dense_adjacency(batch.graph, torch.float32).matrix
        assert not matrix[tuple(run.graph.links[:, batch.links])].any()
        assert int(matrix.sum()) == 2 * (run.graph.m - batch.links.numel()) + run.graph.n


def test_weights_of_links_are_followed(graph):
    model = PREDICTORS.make("dense-gae").build(graph, seeded())
    require_weighing(model, graph)
    pairs = torch.tensor([[0, 1], [39, 38]])
    assert not graph.has_links(pairs).any()
    expected, _ = expected_graph(graph, pairs, torch.tensor([0.3, 0.8]))
    full = dense_adjacency(expected, torch.float32)
    assert full.scale is None
    assert torch.equal(full.matrix, expected.adjacency.csr.to_dense())


@pytest.mark.parametrize("settings", [{}, PUBLISHED], ids=["default", "published"])
def test_bfloat16_is_near_float32(settings):
    graph = bare(random_graph(n=80, m=500))
    models = [
        PREDICTORS.make("dense-gae", precision=p, **settings).build(graph, seeded())
        for p in ("float32", "bfloat16")
    ]
    for model in models:
        with_biases(model).eval()
    exact, rounded = (model.score(graph, graph.links) for model in models)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().max() < 0.03 * exact.abs().max()
    slopes = []
    for logits, model in zip((exact, rounded), models, strict=True):
        torch.nn.functional.softplus(-logits).sum().backward()
        slopes.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        assert all(p.dtype == torch.float32 for p in model.parameters())
    assert torch.cosine_similarity(*slopes, dim=0) > 0.995


@pytest.mark.parametrize("case", ["deep", "no norm", "root", "published"])
def test_forward_and_reverse_mode_agree_with_differences(case):
    graph = bare(random_graph(n=20, m=50))
    graph.__dict__["adjacency"] = SparseMatrix.symmetric(graph.adjacency.scipy(), torch.float64)
    settings = PUBLISHED if case == "published" else {"hidden": 6, **SETTINGS[case]}
    model = PREDICTORS.make("dense-gae", **settings).build(graph, seeded()).double().eval()
    with_biases(model)
    assert_derivatives_agree(model, graph)


def test_bfloat16_differentiates_in_forward_mode_too():
    graph = bare(random_graph(n=30, m=120))
    settings = {**PUBLISHED, "decoder_dropout": 0.0, "precision": "bfloat16"}
    model = PREDICTORS.make("dense-gae", **settings).build(graph, seeded()).eval()
    weights = {k: v.detach() for k, v in model.named_parameters()}
    along = {k: torch.randn(v.shape, generator=seeded(7)) for k, v in weights.items()}
    with torch.no_grad(), forward_ad.dual_level():
        dual = {k: forward_ad.make_dual(v, along[k]) for k, v in weights.items()}
        logits = call(model, dual, lambda m: m.score(graph, graph.links))
        forward = forward_ad.unpack_dual(logits).tangent
    leaves = {k: v.clone().requires_grad_() for k, v in weights.items()}
    total = call(model, leaves, lambda m: m.score(graph, graph.links)).sum()
    gradient = torch.autograd.grad(total, list(leaves.values()))
    reverse = sum((g * along[k]).sum() for g, k in zip(gradient, leaves, strict=True))
    assert float(forward.sum()) == pytest.approx(float(reverse), rel=0.05)


def test_a_graph_too_large_is_refused_by_bytes():
    graph = Graph(3000, torch.tensor([[0], [1]]))
    with pytest.raises(TrainingError, match=r"float32 matrix takes 35 MiB.*dense_mib = 20.*gae"):
        PREDICTORS.make("dense-gae", dense_mib=20).build(graph, seeded())
    PREDICTORS.make("dense-gae", dense_mib=20, precision="bfloat16").build(graph, seeded())


def test_a_shared_weight_needs_a_weight():
    with pytest.raises(ParamsError, match="shared needs transform: true"):
        PREDICTORS.make("dense-gae", shared=True)


def planted(n=60, groups=4):
    """A graph without features: links within groups, of probability ½."""
    group = torch.arange(n) % groups
    u, v = torch.triu_indices(n, n, 1)
    linked = (group[u] == group[v]) & (torch.rand(u.numel(), generator=seeded(5)) < 0.5)
    return Graph(n, torch.stack([u, v])[:, linked]), group


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_masked_training_finds_groups_and_repeats(precision):
    graph, group = planted()
    run = make_run(graph, "dense-gae", precision=precision, **PUBLISHED)
    run = replace(run, sampler=SAMPLERS.make("uniform"))
    method = METHODS.make(
        "plain", epochs=60, batch_links=80, mask_links=True, select="last", validate_every=60
    )
    first, again = (fit(method, run) for _ in range(2))
    assert all(torch.equal(first.weights[k], again.weights[k]) for k in first.weights)
    u, v = torch.triu_indices(graph.n, graph.n, 1)
    unseen = ~run.graph.has_links(torch.stack([u, v]))
    pairs = torch.stack([u, v])[:, unseen]
    with torch.no_grad():
        scores = run.model(first.weights).eval().score(run.graph, pairs)
    same = group[pairs[0]] == group[pairs[1]]
    assert auc(scores[same], scores[~same]) > 0.9
