"""The negatives that a data set comes with."""

from numpy.random import Generator

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.graph.keys import keys_of, pairs_of
from neglink.registry import component
from neglink.splits.base import RANKED_SIDES, Ranked, Side, Sides


@component
class Official:
    """The published validation and test negatives, shared by the links of a side or of each link.

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
                "evaluation.kind: official, but this data set has no negatives of its own. Use "
                "evaluation.kind: uniform, or a data set that has them (ogbl-ddi, or files of your "
                "own with valid_negatives and test_negatives)."
            )
        return {side: self._side(graph, sides, side) for side in RANKED_SIDES}

    def _side(self, graph: Graph, sides: Sides, side: Side) -> Ranked:
        negatives = pairs_of(keys_of(graph.official[f"{side}_neg"], graph.n), graph.n)
        if negatives.dim() == 2:
            return Ranked(sides.of(side), negatives, shared=True)
        links = pairs_of(keys_of(graph.official[side], graph.n), graph.n)  # in the order of theirs
        return Ranked(links, negatives, shared=False)
