"""The peers, written as their users write them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.utils import negative_sampling

from neglink.graph import Graph
from neglink.graph.sparse import SparseMatrix


class Net(nn.Module):
    """Two graph convolutions and a dot product."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = GCNConv(width, 128)
        self.conv2 = GCNConv(128, 64)

    def encode(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Embeddings [n, 64]."""
        return self.conv2(self.conv1(x, edge_index).relu(), edge_index)

    def decode(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits of pairs."""
        return (z[pairs[0]] * z[pairs[1]]).sum(dim=-1)


def pyg_epoch(graph: Graph) -> Callable[[int], float]:
    """A training epoch on the same training links."""
    features = graph.features
    if isinstance(features, SparseMatrix):
        features = features.csr.to_dense()
    rows = None if features is not None else nn.Embedding(graph.n, 128)
    model = Net(128 if features is None else features.shape[1])
    weights = [*model.parameters(), *(rows.parameters() if rows is not None else [])]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    criterion = nn.BCEWithLogitsLoss()
    edge_index, links = graph.arcs, graph.links

    def epoch(_: int) -> float:
        model.train()
        optimizer.zero_grad()
        z = model.encode(features if rows is None else rows.weight, edge_index)
        negatives = negative_sampling(
            edge_index=edge_index,
            num_nodes=graph.n,
            num_neg_samples=links.shape[1],
            method="sparse",
        )
        pairs = torch.cat([links, negatives], dim=-1)
        labels = torch.cat([torch.ones(links.shape[1]), torch.zeros(negatives.shape[1])])
        loss = criterion(model.decode(z, pairs).view(-1), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return epoch
