"""Layers that several predictors share; their weights come from the generator they are given."""

import torch
from torch import Generator, Tensor, nn

from neglink.predictors.base import glorot


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """As torch.nn.functional.dropout, with the rate rounded to a multiple of 1/256, below 1.

    A byte decides for each value, eight bytes come of one draw from torch's global generator, and
    the comparison writes its result as a float at once: ten times faster than torch on the CPU.
    """
    dropped = min(round(256 * rate), 255)
    if not training or dropped == 0:
        return x
    words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
    draws = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
    mask = torch.ge(draws, dropped, out=torch.empty(x.shape, dtype=x.dtype, device=x.device))
    return x * mask.mul_(256 / (256 - dropped))


class Linear(nn.Module):
    """x W + b, W by Glorot, b zero."""

    def __init__(self, rows: int, columns: int, generator: Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(glorot(rows, columns, generator))
        self.bias = nn.Parameter(torch.zeros(columns))

    def forward(self, x: Tensor) -> Tensor:
        """From [..., rows] to [..., columns]."""
        return x @ self.weight + self.bias


class Block(nn.Module):
    """dropout(relu(norm(x W + b))), the norm (of each row) left out unless asked for."""

    def __init__(
        self, rows: int, columns: int, generator: Generator, *, drop: float, norm: bool
    ) -> None:
        super().__init__()
        self.linear = Linear(rows, columns, generator)
        self.norm = nn.LayerNorm(columns) if norm else nn.Identity()
        self.drop = drop

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """From [k, rows] to [k, columns]; `skip` [k, columns] is added before the norm."""
        h = self.linear(x)
        h = torch.relu(self.norm(h if skip is None else h + skip))
        return dropout(h, self.drop, self.training)


def hadamard(z: Tensor, pairs: Tensor) -> Tensor:
    """z_u ⊙ z_v of each column of `pairs` [2, k]; shape [k, d].

    By index_select: the backward of plain indexing adds in an order that changes.
    """
    return z.index_select(0, pairs[0]) * z.index_select(0, pairs[1])


def orthogonal(rows: int, columns: int, generator: Generator) -> Tensor:
    """A random matrix [rows, columns] whose columns (or rows, if fewer) are orthonormal."""
    normal = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q: Tensor
    q, r = torch.linalg.qr(normal)
    q *= r.diagonal().sign()  # uniform over all such matrices (Mezzadri, 2007, section 5)
    return q if rows >= columns else q.T.contiguous()
