"""The expected graph: given links of weight 1, added pairs of the weight that was predicted."""

import torch
from torch import Tensor

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.graph.ragged import owners
from neglink.graph.sparse import SparseMatrix, csr_tensor
from neglink.predictors.base import LinkModel


def expected_graph(graph: Graph, pairs: Tensor, weights: Tensor) -> tuple[Graph, Tensor]:
    """The graph with further pairs as weighted links.

    The weights stand in its `adjacency`, and nowhere else: for degrees, neighbours and look-ups an
    added pair is a link like any other. They are constants, no gradient flows into them.

    Args:
        graph: the given links.
        pairs: distinct pairs without a link, any order, shape [2, k].
        weights: in [0, 1], shape [k].

    Returns:
        The graph, and the weight of each of its links [m + k].
    """
    links = torch.cat([graph.links, pairs.sort(0).values], 1)
    order = (links[0] * graph.n + links[1]).argsort()
    of_links = torch.cat([torch.ones(graph.m, device=graph.device), weights.detach()])[order]
    expected = graph.with_links(links[:, order])
    expected.__dict__["adjacency"] = weighted_adjacency(expected, of_links)
    return expected, of_links


def weighted_adjacency(graph: Graph, weights: Tensor) -> SparseMatrix:
    """D^-½ (A + I) D^-½ with A_uv the weight of link uv and D the row sums of A + I.

    Source: Kipf & Welling (2017), eq. 9, whose A may be weighted.

    Args:
        graph: gives the links.
        weights: of each link, shape [m].
    """
    pattern = graph.adjacency.csr
    of_arcs = weights[graph.arc_links]
    ones = torch.ones(graph.n, dtype=weights.dtype, device=weights.device)
    scale = ones.index_add(0, graph.arcs[0], of_arcs).rsqrt()
    starts, columns = pattern.crow_indices(), pattern.col_indices()
    rows = owners(starts.diff().long(), columns.numel())
    values = torch.ones_like(pattern.values())
    values[rows != columns] = of_arcs  # off the diagonal stand the arcs, in their order
    values *= scale[rows] * scale[columns.long()]
    csr = csr_tensor(starts, columns, values, (graph.n, graph.n))
    return SparseMatrix(csr, csr)


@torch.no_grad()
def require_weighing(model: LinkModel, graph: Graph) -> None:
    """Refuse a model that cannot weigh links, one that reads them elsewhere than in `adjacency`.

    To a model that weighs, links of weight 0 are as if they were not there.

    Raises:
        TrainingError: it has no encoder, or added pairs would count as full links to it.
    """
    name = type(model).__name__
    if model.edge_centric:
        raise TrainingError(
            f"pull passes messages along weighted links, {name} looks at subgraphs without weights:"
            " take a predictor that reads the adjacency (gcn, gae, vgae, vgnae, ncn)"
        )
    model.eval()
    without = graph.with_links(graph.links[:, :0])
    faint = graph.with_links(graph.links)
    faint.__dict__["adjacency"] = without.adjacency
    same = torch.allclose(model.encode(faint), model.encode(without), atol=1e-6, equal_nan=True)
    if not same:  # no number is equal to itself here: the loop tells of it
        raise TrainingError(
            f"pull adds links of less than full weight, and {name} takes every link as full: take "
            "a predictor that reads weights from the adjacency (gcn, gae, vgae, vgnae, ncn), not "
            "gat or sage"
        )
