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
        if x.shape[1] == 1:
            return torch.sigmoid(self._of_a_scalar(x.squeeze(-1)))
        hidden = torch.relu(x @ self.w1 + self.b1)  # [k, hidden]
        return torch.sigmoid(hidden @ self.w2 + self.b2).squeeze(-1)

    def _of_a_scalar(self, x: Tensor) -> Tensor:
        """The same function of one number, without the hidden layer's [k, hidden] values.

        A ReLU network of one input is linear between the zeros of its hidden units. Slope and
        offset of each of the hidden + 1 intervals are differentiable in the weights, and a sample
        only looks up its own: O(k log hidden) instead of O(k · hidden), exact but for rounding.
        """
        with torch.no_grad():
            zeros = -self.b1 / self.w1[0]
            zeros = zeros[torch.isfinite(zeros)].sort().values  # a unit with w1 = 0 is constant
            middle = (zeros[1:] + zeros[:-1]) / 2
            inside = torch.cat([zeros[:1] - 1, middle, zeros[-1:] + 1])  # a point of each interval
            active = (inside[:, None] * self.w1[0] + self.b1 > 0).to(x.dtype)  # [intervals, hidden]
            interval = torch.bucketize(x, zeros)  # [k]
        w2 = self.w2[:, 0]
        slope, offset = active @ (self.w1[0] * w2), active @ (self.b1 * w2) + self.b2
        return slope.index_select(0, interval) * x + offset.index_select(0, interval)
