"""The peers, written as their users write them."""

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.csgraph import shortest_path
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.utils import k_hop_subgraph, negative_sampling

from benchmarks.turns import Work
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
        z: Tensor = self.conv2(self.conv1(x, edge_index).relu(), edge_index)
        return z

    def decode(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Logits of pairs."""
        return (z[pairs[0]] * z[pairs[1]]).sum(dim=-1)


def pyg_epoch(graph: Graph) -> Work:
    """A training epoch on the same training links."""
    features = graph.features
    if isinstance(features, SparseMatrix):
        features = features.csr.to_dense()
    inputs = features if features is not None else nn.Embedding(graph.n, 128).weight
    model = Net(inputs.shape[1])
    learned = [inputs] if isinstance(inputs, nn.Parameter) else []
    optimizer = torch.optim.Adam([*model.parameters(), *learned], lr=0.01)
    criterion = nn.BCEWithLogitsLoss()
    edge_index, links = graph.arcs, graph.links

    def epoch(_: int) -> float:
        model.train()
        optimizer.zero_grad()
        z = model.encode(inputs, edge_index)
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
        value: float = loss.item()
        return value

    return epoch


def enclosing_subgraph(
    edge_index: Tensor, n: int, u: int, v: int, hops: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One pair's nodes, their links as arcs without (u, v), and the DRNL label of each node."""
    nodes, arcs, place, _ = k_hop_subgraph(
        [u, v], hops, edge_index, relabel_nodes=True, num_nodes=n
    )
    first, second = place.tolist()
    ends = ((arcs[0] == first) & (arcs[1] == second)) | ((arcs[0] == second) & (arcs[1] == first))
    arcs = arcs[:, ~ends]
    size = nodes.numel()
    weights = np.ones(arcs.shape[1])
    adjacency = scipy.sparse.csr_matrix((weights, arcs.numpy()), shape=(size, size))
    return nodes, arcs, drnl(adjacency, first, second)


def drnl(adjacency: scipy.sparse.csr_matrix, first: int, second: int) -> Tensor:
    """Double-radius labels: distances to each end with the other end out of the graph."""
    distances = []
    for end, other in ((first, second), (second, first)):
        kept = np.delete(np.arange(adjacency.shape[0]), other)
        source = end - (other < end)
        part = shortest_path(
            adjacency[kept][:, kept], directed=False, unweighted=True, indices=source
        )
        distances.append(torch.from_numpy(np.insert(part, other, 0)))
    total = distances[0] + distances[1]
    half = total // 2
    labels = 1 + torch.minimum(*distances) + half * (half + total % 2 - 1)
    labels[~torch.isfinite(total)] = 0
    labels[[first, second]] = 1
    return labels.long()
