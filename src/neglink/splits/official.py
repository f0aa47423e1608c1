"""The negatives that a data set was published with."""

from numpy.random import Generator

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.registry import component
from neglink.splits.base import Ranked, Side, Sides, keys_of, pairs_of


@component
class Official:
    """The published validation and test negatives, shared by the links of a side.

    They do not depend on the seed, nor on how many links a side holds.
    Source for ogbl-ddi: Hu et al. (2020), where Hits@20 is read.
    """

    def rank(self, graph: Graph, sides: Sides, rng: Generator) -> dict[Side, Ranked]:
        """The published negatives, smaller id first, in the published order.

        Raises:
            SplitError: the data set has none.
        """
        if not {"valid_neg", "test_neg"} <= graph.official.keys():
            raise SplitError(
                "evaluation.kind: official, but this data set was not published with "
                "negatives. Use evaluation.kind: uniform, or a data set that has them "
                "(ogbl-ddi)."
            )
        valid, test = (
            pairs_of(keys_of(graph.official[name], graph.n), graph.n)
            for name in ("valid_neg", "test_neg")
        )
        return {
            "valid": Ranked(sides.valid, valid, shared=True),
            "test": Ranked(sides.test, test, shared=True),
        }
