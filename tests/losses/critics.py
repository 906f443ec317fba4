"""Discriminators whose logits and gradients are known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from losses.base import DiscriminatorFunction
from networks.base import Judgement

SHAPE = (3, 4, 8, 8)  # C, T, H, W


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere; one w, of a given norm, for each head."""

    def __init__(self, *norms: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        weights = torch.randn(len(norms), *SHAPE, dtype=dtype)
        lengths = weights.flatten(1).norm(dim=1).view(-1, 1, 1, 1, 1)
        self.weights = nn.Parameter(weights / lengths * torch.tensor(norms, dtype=dtype).view(-1, 1, 1, 1, 1))

    def forward(self, videos: Tensor, labels: Tensor | None = None) -> Judgement:
        return Judgement(tuple((videos * weight).flatten(1).sum(dim=1) for weight in self.weights))


def judging(logits_of: Callable[[Tensor], Tensor]) -> DiscriminatorFunction:
    """A discriminator of one head, (B,) or (B, 1), without labels."""
    return lambda videos, labels: Judgement((logits_of(videos).reshape(len(videos)),))
