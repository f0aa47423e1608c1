"""The meta learner: one weight per sample, trained through a virtual step of the student."""

import torch
from torch import Generator, Tensor, nn

from neglink.predictors.base import glorot


class MetaLearner(nn.Module):
    """ω = σ(W2 relu(W1 x + b1) + b2): sample inputs [k, w] to weights [k] in (0, 1).

    Source: Shu et al. (2019), section 3.1 (Meta-Weight-Net), as taken over by MeBNS (Wang et al.,
    WSDM 2024, section 3.3).
    """

    def __init__(self, width: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        self.w1 = nn.Parameter(glorot(width, hidden, generator))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(glorot(hidden, 1, generator))
        self.b2 = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Weights [k] of inputs [k, w]."""
        hidden = torch.relu(x @ self.w1 + self.b1)  # [k, hidden]
        return torch.sigmoid(hidden @ self.w2 + self.b2).squeeze(-1)
