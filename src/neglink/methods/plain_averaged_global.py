"""Plain training with averaged weights on uniform pairs of the whole graph."""

from dataclasses import replace
from typing import Any

from neglink.errors import TrainingError
from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.plain_averaged import PlainAveraged
from neglink.methods.plain_global import UniformPairs
from neglink.registry import component
from neglink.samplers.base import Sampler
from neglink.samplers.uniform import Uniform


@component
class PlainAveragedGlobal(PlainAveraged):
    """As `plain-averaged`; negatives are uniform over all unlinked pairs, whatever their nodes.

    That is what PyG's `negative_sampling` draws, and how trainings on ogbl-ddi are published (Hu et
    al., 2020). A sampler would keep an end of each link; the run's must be `uniform`.
    """

    def training_sampler(self, base: Sampler) -> UniformPairs:
        """Uniform pairs.

        Raises:
            TrainingError: the run's own sampler, which these replace, is another than `uniform`.
        """
        if not isinstance(base, Uniform):
            raise TrainingError(
                "method plain-averaged-global draws all its negatives uniformly, and the sampler "
                f"is {type(base).__name__}: set the sampler to uniform, or the method to "
                "plain-averaged"
            )
        return UniformPairs()

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`."""
        return super().fit_step(
            name, replace(run, sampler=self.training_sampler(run.sampler)), made
        )
