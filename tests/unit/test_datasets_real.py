"""The published files themselves, where a mirror has them."""

from pathlib import Path

import pytest
import torch

from neglink import datasets
from neglink.datasets.fetch import locate
from tests.conftest import MIRROR, needs_mirror

pytestmark = [pytest.mark.real, needs_mirror]


def at_hand(name: str) -> bool:
    entry = datasets.entry(name)
    return bool(MIRROR) and all(
        locate(entry, file, Path("nowhere"), Path(str(MIRROR))).path for file in entry.files
    )


@pytest.mark.parametrize("name", datasets.names())
def test_a_data_set_on_the_mirror_loads_with_its_counts(name: str, tmp_path: Path) -> None:
    if not at_hand(name):
        pytest.skip(f"{name} is not on the mirror")
    graph, report = datasets.load(name, tmp_path, Path(str(MIRROR)))
    counts = datasets.entry(name).counts
    assert (graph.n, graph.m, graph.f) == (counts.nodes, counts.links, counts.features)
    assert (graph.labels is None) == (name in datasets.UNLABELLED)
    assert set(report["files"]) == {file.path for file in datasets.entry(name).files}


@pytest.mark.skipif(not at_hand("citeseer"), reason="not on the mirror")
def test_citeseer_has_15_nodes_without_features(tmp_path: Path) -> None:
    graph, _ = datasets.load("citeseer", tmp_path, Path(str(MIRROR)))
    assert graph.labels is not None
    assert int((graph.labels < 0).sum()) == 15


@pytest.mark.skipif(not at_hand("ogbl-ddi"), reason="not on the mirror")
def test_ddi_brings_its_official_split(tmp_path: Path) -> None:
    graph, _ = datasets.load("ogbl-ddi", tmp_path, Path(str(MIRROR)))
    sizes = {side: pairs.shape for side, pairs in graph.official.items()}
    assert sizes == {
        "train": (2, 1_067_911),
        "valid": (2, 133_489),
        "valid_neg": (2, 101_882),
        "test": (2, 133_489),
        "test_neg": (2, 95_599),
    }
    assert not graph.has_links(torch.from_numpy(graph.official["test_neg"])).any()
