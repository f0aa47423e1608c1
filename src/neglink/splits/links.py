"""Ways to divide the links of a graph into train, validation and test."""

import math
from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator
from pydantic import Field, model_validator

from neglink.errors import SplitError
from neglink.graph import Graph
from neglink.graph.keys import keys_of, once, pairs_of
from neglink.registry import component
from neglink.splits.base import Sides

Share = Annotated[float, Field(gt=0, lt=1)]


@component
class RandomSplit:
    """Every division with the given shares is equally likely; the three shares sum to 1.

    Validation and test get their share of the links, rounded to the nearest number; train gets
    the rest. No node is kept connected: a node may lose all its links to the held-out sides.
    """

    train: Share = 0.7
    """Share of the links that the predictor trains on and passes messages along."""
    valid: Share = 0.1
    """Share of the links on which epochs, thresholds and settings are chosen."""
    test: Share = 0.2
    """Share of the links on which results are reported."""

    @model_validator(mode="after")
    def _whole(self) -> "RandomSplit":
        total = self.train + self.valid + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"split.train + split.valid + split.test = {total:g}, must be 1")
        return self

    def divide(self, graph: Graph, rng: Generator) -> Sides:
        """Links in random order, cut at the shares.

        Raises:
            SplitError: a side would be empty.
        """
        valid, test = round(self.valid * graph.m), round(self.test * graph.m)
        train = graph.m - valid - test
        for name, count in (("train", train), ("valid", valid), ("test", test)):
            if count < 1:
                raise SplitError(
                    f"split.{name}={getattr(self, name):g} of {graph.m} links leaves {name} empty. "
                    f"Raise split.{name}, or take a graph with more links."
                )
        parts = np.split(rng.permutation(graph.m), [train, train + valid])
        links = graph.links.cpu()
        return Sides(*(links[:, torch.from_numpy(np.sort(part))] for part in parts))


@component
class OfficialSplit:
    """The division that the data set comes with. It does not depend on the seed.

    Train links are the links of the graph that are neither validation nor test links.
    Source for ogbl-ddi: Hu et al. (2020), section 5.3 (divided by the protein that drugs target).
    """

    def divide(self, graph: Graph, rng: Generator) -> Sides:
        """The published sides, smaller id first, sorted.

        Raises:
            SplitError: the data set has no official division.
        """
        if not {"valid", "test"} <= graph.official.keys():
            raise SplitError(
                "split.kind: official, but this data set has no division of its own. Use "
                "split.kind: random, or a data set that has one (ogbl-ddi, or files of your own "
                "with valid and test)."
            )
        held = {s: once(keys_of(graph.official[s], graph.n)) for s in ("valid", "test")}
        rest = np.setdiff1d(
            keys_of(graph.links, graph.n), np.concatenate(list(held.values())), assume_unique=True
        )
        return Sides(*(pairs_of(keys, graph.n) for keys in (rest, held["valid"], held["test"])))
