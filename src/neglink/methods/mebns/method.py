"""The recipe in the paper's order: teacher, meta data, student."""

from typing import Annotated, Any, Literal

from pydantic import Field

from neglink.methods.base import Checkpoint, MetaData, Run, Step
from neglink.methods.loop import Training
from neglink.methods.mebns.metadata import collect_metadata
from neglink.methods.mebns.student import train_student
from neglink.methods.mebns.teacher import train_teacher
from neglink.registry import LATER, component
from neglink.samplers.base import Sampler
from neglink.samplers.std import STD

LOOP = ("negatives_per_link", "batch_links", "mask_links", "validate_every", "snapshots")
GENERATOR = ("delta", "hops", "structure", "fallback")
TEACHER = (*LOOP, *GENERATOR, "teacher_epochs", "learning_rate")
METADATA = (*GENERATOR, "negatives_per_link", "passes", "drop", "drop_rate", "threshold", "tau",
            "tau_quantile", "meta_data")  # fmt: skip
STUDENT = (*LOOP, *GENERATOR, "teacher_epochs", "student_epochs", "student_learning_rate", "beta",
           "beta_epochs", "scope", "soft_labels", "teacher_filter", "meta_learner", "meta_input",
           "meta_hidden", "meta_learning_rate", "meta_every", "meta_batch", "virtual_rate",
           "select")  # fmt: skip


@component
class MeBNS(Training):
    """A student on the hard negatives of a frozen teacher, its samples weighted by a meta learner.

    1. Teacher: plain training for `teacher_epochs`, negatives by the STD-Generator (eq. 4, 5).
    2. Meta data: the pairs whose score varies least when links are dropped (eq. 8, 9).
    3. Student: from the teacher's weights, on the samples the teacher finds hard (eq. 6), each
       weighted by a meta learner that is trained through a virtual step (eq. 7, 10-12).

    Variants: MeBNS-M is `meta_learner: false`; MeBNS-O is `teacher_filter: false`, where the
    teacher only serves to find the meta data. Source: Wang et al. (WSDM 2024), algorithm 1.
    """

    teacher_epochs: Annotated[int, Field(ge=1)] = 100
    """T: epochs of the teacher (table 4). Its last weights are taken."""
    student_epochs: Annotated[int, Field(ge=1)] = 200
    """Epochs of the student; the best on validation is kept (not stated in the paper)."""
    student_learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step size of the student's Adam."""
    beta: Annotated[float, Field(gt=0, le=1)] = 0.5
    """β: share of the samples that pass to the student, the highest-scored first (eq. 6)."""
    beta_epochs: Annotated[int, Field(ge=0)] = 0
    """Student epochs over which that share falls from 1 to β; 0, the paper's, starts with β."""
    scope: Literal["negatives", "all"] = "negatives"
    """What β ranks: the negatives alone, all positives staying; or all samples together."""
    delta: Annotated[float, Field(ge=0, le=1)] = 0.05
    """δ: probability that a negative comes from the K-hop neighbourhood (eq. 5)."""
    hops: Annotated[int, Field(ge=2, le=10)] = 3
    """K: radius of that neighbourhood."""
    structure: Annotated[Literal["uniform", "walk"], LATER] = "uniform"
    """How S_G draws from it: uniformly, or by walks of K steps (for large graphs)."""
    fallback: Annotated[Literal["uniform", "base"], LATER] = "uniform"
    """Where S_G finds no node: any node, uniformly, or one of the base sampler S_B."""
    passes: Annotated[int, Field(ge=2)] = 20
    """N: Monte-Carlo passes with dropped links (not stated in the paper)."""
    drop: Literal["gaussian", "fixed"] = "gaussian"
    """Share of links dropped in a pass: |ρ|, ρ ~ N(0, 1), drawn again above 1; or `drop_rate`."""
    drop_rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """The share under `drop: fixed`."""
    threshold: Literal["quantile", "absolute"] = "quantile"
    """Which of `tau_quantile` and `tau` bounds the variance of a meta datum."""
    tau: Annotated[float, Field(gt=0)] = 2e-5
    """τ: variance of the score below which a pair is meta data (table 4)."""
    tau_quantile: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of the pairs, the least varying ones, that are meta data."""
    meta_data: Literal["uncertainty", "random"] = "uncertainty"
    """How meta data is chosen; `random` takes as many pairs as uncertainty would (figure 3c, d)."""
    meta_learner: bool = True
    """Weight the samples; false is MeBNS-M, where every weight is 1."""
    teacher_filter: bool = True
    """Start from the teacher and keep its hard samples; false is MeBNS-O."""
    meta_input: Literal["loss", "embeddings"] = "loss"
    """What the meta learner sees of a sample: its loss, or z_u ⊙ z_v."""
    meta_hidden: Annotated[int, Field(ge=1)] = 100
    """Width of the meta learner's hidden layer."""
    meta_learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step size of the meta learner's SGD."""
    meta_every: Annotated[int, Field(ge=1)] = 1
    """Student epochs between two epochs in which the meta learner learns; 1 is the paper's."""
    meta_batch: Annotated[int, Field(ge=1)] | None = None
    """Meta data of one update, drawn at random; none, the paper's, takes all of it."""
    virtual_rate: Annotated[float, Field(gt=0)] | None = None
    """η of the virtual step (eq. 10, which writes none: 1 is the literal reading); none takes the
    student's rate."""
    soft_labels: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the teacher's probability in the student's labels; 0 is the paper's."""

    def steps(self) -> tuple[Step, ...]:
        """Teacher, meta data (unless nothing asks for it), student."""
        teacher = Step("teacher", "checkpoint", settings=TEACHER)
        if not self.meta_learner:
            return teacher, Step("student", "checkpoint", ("teacher",), STUDENT)
        metadata = Step("metadata", "metadata", ("teacher",), METADATA)
        return teacher, metadata, Step("student", "checkpoint", ("teacher", "metadata"), STUDENT)

    def training_sampler(self, base: Sampler) -> STD:
        """The STD-Generator over the run's sampler (eq. 5)."""
        return STD(
            base=base,
            delta=self.delta,
            hops=self.hops,
            structure=self.structure,
            fallback=self.fallback,
        )

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Carry out one step; see `methods.base.Method`."""
        if name == "teacher":
            return train_teacher(self, run)
        if name == "metadata":
            return collect_metadata(self, run, made["teacher"])
        return train_student(self, run, made["teacher"], made.get("metadata"))
