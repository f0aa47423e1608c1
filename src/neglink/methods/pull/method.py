"""The settings of PULL."""

from typing import Annotated, Any, Literal

from pydantic import Field

from neglink.methods.base import Checkpoint, MetaData, Run
from neglink.methods.loop import Training
from neglink.methods.pull.iterations import train
from neglink.methods.unlabelled import Negatives, negatives_from
from neglink.registry import component
from neglink.samplers.base import Sampler


@component
class PULL(Training):
    """Training on the expected graph, which grows by the pairs that the predictor finds likeliest.

    1. Iteration 1 trains on the given graph.
    2. Iteration k adds the r (k − 1) |E_P| likeliest unlabelled pairs E_P^r, of those with at least
       one end among the M nodes of highest degree, each as a link whose weight A is its probability
       (section 3.2).
    3. It trains by L'_E + L_C for `inner_epochs`. L'_E (eq. 6) scores on the expected graph: links
       as 1, added pairs as A, as many fresh unlabelled pairs as 0. L_C (eq. 7) scores on the given
       graph: links as 1, fresh unlabelled pairs as 0. In iteration 1 the two are one.
    4. It stops once the validation AUROC is below that of the iteration before.

    Weights of the best iteration are kept; validation and test score on the given graph. Variants:
    PULL⁻ is `correction: false`; PULL-WS is `selection: sampled` with it. Variational predictors
    add their divergence to both losses. Source: Kim et al. (2024), "PULL: PU-Learning-based
    Accurate Link Prediction", algorithm 1.
    """

    iterations: Annotated[int, Field(ge=1)] = 10
    """Most outer iterations (20 for the large graphs, appendix D.1)."""
    inner_epochs: Annotated[int, Field(ge=1)] = 200
    """Epochs of each."""
    growth: Annotated[float, Field(ge=0)] = 0.05
    """r: share of |E_P| by which the expected graph grows with each iteration."""
    candidate_nodes: Annotated[int, Field(ge=1)] = 100
    """M: nodes of highest degree; candidates have at least one end among them."""
    selection: Literal["top", "sampled"] = "top"
    """Add the likeliest candidates; or draw them without replacement by their probability
    (appendix D.2)."""
    correction: bool = True
    """Add L_C, the loss on the given graph."""
    reduction: Literal["sum", "mean"] = "sum"
    """Each loss as the sum over its pairs, as written, where the one with more pairs weighs more;
    or as their mean, as in the published code."""
    carry: Literal["both", "model", "none"] = "both"
    """What an iteration takes over from the one before: weights and state of Adam, the weights
    alone, or nothing: it then starts from the initial weights (not stated in the paper)."""
    score_on: Literal["expected", "given"] = "expected"
    """Graph on which candidates are scored: the one that the iteration before was trained on, or
    the given one (not stated in the paper)."""
    patience: Annotated[int, Field(ge=0)] | None = 0
    """Iterations in a row whose validation AUROC may fall without an end (1 for the large graphs);
    none goes through all iterations."""
    kl: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the divergence of a variational predictor; see `autoencoder`."""
    negatives: Negatives = "pairs"
    """Any pair without a link, all equally likely (needs the sampler uniform, whose place it
    takes); or `sampler`, the run's own."""
    store_selected: bool = False
    """Store the added pairs of every iteration beside the weights, for analyses."""
    validate_every: Annotated[int, Field(ge=1)] = 200
    """Epochs of an iteration between two looks at the validation links; its last is always looked
    at. Below `inner_epochs`, weights from within an iteration may be kept."""
    select: Literal["hits@20", "hits@50", "hits@100", "mrr", "auc", "ap", "last"] = "auc"
    """Validation metric that chooses the weights which are kept; `last` keeps the last."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_links is not None:
            raise ValueError("pull scores all links at once: leave batch_links unset")

    def training_sampler(self, base: Sampler) -> Sampler:
        """Uniform pairs, or the run's own sampler."""
        return negatives_from(self.negatives, base)

    def fit_step(self, name: str, run: Run, made: dict[str, Any]) -> Checkpoint | MetaData:
        """Train; see `methods.base.Method`."""
        return train(self, run)
