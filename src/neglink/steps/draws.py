"""The first draw of a sampler that neglink does not know, held against the contract of samplers."""

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor

from neglink.errors import TrainingError
from neglink.graph import Graph
from neglink.samplers.base import Context, Sampler, resolve


class FirstDrawChecked:
    """A sampler of another package in all but this: its first draw is looked at before it is used.

    Nothing is drawn for the look, so that no number depends on it; later draws cost nothing more.
    """

    def __init__(self, name: str, sampler: Sampler) -> None:
        self._name, self._sampler = name, sampler
        self._checked = False

    def __getattr__(self, attribute: str) -> Any:
        """What the sampler itself has, such as `remembers_for`."""
        if attribute == "_sampler":  # a copy in the making asks before it has one
            raise AttributeError(attribute)
        return getattr(self._sampler, attribute)

    def sample(self, context: Context, positives: Tensor, generator: Generator) -> Tensor:
        """The sampler's own draw; see `samplers.base.Sampler`.

        Raises:
            TrainingError: the first one is not what the contract says; gives the sampler's name,
                what came and what was expected.
        """
        drawn = self._sampler.sample(context, positives, generator)
        if not self._checked:
            fault = fault_of(drawn, positives, context.train_graph)
            if fault:
                kind = type(self._sampler)
                raise TrainingError(
                    f"sampler {self._name!r} ({kind.__module__}:{kind.__qualname__}) {fault}. "
                    "Correct its `sample`; docs/how-to/add-a-sampler.md says what it has to return"
                )
            self._checked = True
        return drawn


def checked(name: str, sampler: Sampler) -> Sampler:
    """The sampler itself if it is neglink's, whose tests hold the contract; else its checked form.

    The base of a mixture (`std`) is looked at likewise.

    Args:
        name: what params.yaml calls its kind.
        sampler: one of the registry.
    """
    if type(sampler).__module__.partition(".")[0] != "neglink":
        return FirstDrawChecked(name, sampler)
    base = getattr(sampler, "base", None)
    if base is None:
        return sampler
    kind = base["kind"] if isinstance(base, dict) else str(base)
    return replace(sampler, base=checked(kind, resolve(base)))  # type: ignore[type-var]


def fault_of(drawn: Any, positives: Tensor, graph: Graph) -> str | None:
    """What is wrong with negatives drawn for links [2, k] of the train graph; None if nothing is.

    >>> link, graph = torch.tensor([[0], [1]]), Graph(3, torch.tensor([[0], [1]]))
    >>> fault_of(torch.tensor([[0], [2]]), link, graph)
    >>> fault_of(torch.tensor([[0], [1]]), link, graph)
    'drew (0, 1) for the link (0, 1): a link of the train graph is no negative'
    """
    if not isinstance(drawn, Tensor):
        return f"returned {type(drawn).__name__}; expected a torch.Tensor of pairs (u, v)"
    if (drawn.dtype, drawn.shape, drawn.device) != (torch.int64, positives.shape, positives.device):
        return (
            f"returned {drawn.dtype} of shape {list(drawn.shape)} on {drawn.device}; expected "
            f"torch.int64 of shape {list(positives.shape)} on {positives.device}, one pair (u, v) "
            "in a column for each link (u, p)"
        )
    centres, tails = drawn
    outside = (tails < 0) | (tails >= graph.n)
    for wrong, why in (
        (centres != positives[0], "it has to begin with the link's first node"),
        (outside, f"nodes are 0 to {graph.n - 1}"),
        (centres == tails, "a node with itself is no negative"),
    ):
        if bool(wrong.any()):
            return _first(drawn, positives, wrong, why)
    linked = graph.has_links(drawn)  # only now: it may be asked for pairs of nodes alone
    if bool(linked.any()):
        return _first(drawn, positives, linked, "a link of the train graph is no negative")
    return None


def _first(drawn: Tensor, positives: Tensor, wrong: Tensor, why: str) -> str:
    place = int(wrong.nonzero()[0])
    pair, link = (tuple(pairs[:, place].tolist()) for pairs in (drawn, positives))
    return f"drew {pair} for the link {link}: {why}"
