"""Negatives that every link is ranked against, drawn uniformly."""

from typing import Annotated

from numpy.random import Generator
from pydantic import Field

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.graph.keys import pairs_of
from neglink.registry import component
from neglink.splits.base import Ranked, Side, Sides, non_links, uniform_non_links


@component
class Uniform:
    """Distinct non-links of the whole graph, all equally likely, shared by the links of a side.

    No negative is both a validation and a test negative. Hits@K depends strongly on how many
    negatives there are; a result is only comparable with others of the same number.
    """

    negatives_per_link: Annotated[int, Field(ge=1)] = 1
    """Ranked negatives per ranked link. Hits@K falls as it grows, AUC does not."""

    def rank(self, graph: Graph, sides: Sides, rng: Generator) -> dict[Side, Ranked]:
        """Both sides' negatives in one draw.

        Raises:
            SplitError: the graph has fewer non-links than are asked for.
        """
        valid = self.negatives_per_link * sides.valid.shape[1]
        test = self.negatives_per_link * sides.test.shape[1]
        room = non_links(graph)
        if valid + test > room:
            most = room // (sides.valid.shape[1] + sides.test.shape[1])
            raise SplitError(
                f"evaluation.negatives_per_link={self.negatives_per_link} asks for {valid + test} "
                f"negatives, but this graph has {room} pairs that are no link. "
                + (f"Lower it to {most} or less." if most else "Lower split.valid and split.test.")
            )
        keys = uniform_non_links(graph, valid + test, rng)
        return {
            "valid": Ranked(sides.valid, pairs_of(keys[:valid], graph.n), shared=True),
            "test": Ranked(sides.test, pairs_of(keys[valid:], graph.n), shared=True),
        }
