"""Lists of different lengths, laid one after the other in one tensor."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor


def offsets(count: Tensor) -> Tensor:
    """Where lists of these lengths [k] begin, and where the last ends: [k + 1], int64."""
    result = torch.zeros(count.numel() + 1, dtype=torch.int64, device=count.device)
    torch.cumsum(count, 0, out=result[1:])
    return result


def spread(values: Tensor, count: Tensor, total: int | None = None) -> Tensor:
    """Each of `values` [k] as often as `count` [k] says; `total`, the sum, spares counting it."""
    return torch.repeat_interleave(values, count, output_size=total)


def owners(count: Tensor, total: int | None = None) -> Tensor:
    """The number of the list, from 0, that each entry belongs to."""
    return spread(torch.arange(count.numel(), device=count.device), count, total)


def slices(begin: Tensor, count: Tensor) -> Tensor:
    """begin_i, …, begin_i + count_i − 1 for each i, one after the other."""
    ends = torch.cumsum(count, 0)
    total = int(ends[-1]) if ends.numel() else 0
    places = torch.arange(total, device=count.device)
    return spread(begin - ends + count, count, total).add_(places)


def blocks_of(count: Tensor, entries: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of successive lists whose lengths `count` [k] sum to about `entries`.

    A longer list is a block of its own.
    """
    block = torch.cumsum(count, 0).sub_(1).clamp_(min=0) // entries  # ascending
    bounds = [0, *torch.bincount(block).cumsum(0).tolist()]
    for low, high in pairwise(bounds):
        if low < high:
            yield low, high
