"""Similarity scores as predictors: the floor that any trained model has to pass."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from neglink.graph import Graph, similarity
from neglink.registry import component


@component
class CommonNeighbours:
    """|N(u) ∩ N(v)|. Source: Liben-Nowell & Kleinberg (2007), table 1."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k]."""
        return similarity.common_neighbours(graph, pairs)


@component
class AdamicAdar:
    """Σ over common neighbours w of 1 / log deg(w). Source: Adamic & Adar (2003)."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k]."""
        return similarity.adamic_adar(graph, pairs)


@component
class ResourceAllocation:
    """Σ over common neighbours w of 1 / deg(w). Source: Zhou, Lü & Zhang (2009)."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k]."""
        return similarity.resource_allocation(graph, pairs)


@component
class PreferentialAttachment:
    """deg(u) · deg(v). Source: Liben-Nowell & Kleinberg (2007), table 1."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k]."""
        return similarity.preferential_attachment(graph, pairs)


@component
class PersonalisedPageRank:
    """π_u(v) + π_v(u). Source: Liben-Nowell & Kleinberg (2007), section 3.2 (rooted PageRank)."""

    restart: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Probability of returning to the root at each step."""

    def score(self, graph: Graph, pairs: Tensor) -> Tensor:
        """Scores [k] of pairs [2, k]."""
        return similarity.personalised_pagerank(graph, pairs, restart=self.restart)
