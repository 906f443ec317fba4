"""Discriminators whose logits and gradients are known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from losses.base import DiscriminatorFunction
from networks.base import Judgement

SHAPE = (3, 4, 8, 8)  # C, T, H, W


class LinearCritic(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere; one w, of a given norm, for each head."""

    def __init__(self, *norms: float) -> None:
        super().__init__()
        weights = torch.randn(len(norms), *SHAPE)
        lengths = weights.flatten(1).norm(dim=1).view(-1, 1, 1, 1, 1)
        self.weights = nn.Parameter(weights / lengths * torch.tensor(norms).view(-1, 1, 1, 1, 1))

    def forward(self, videos: Tensor, labels: Tensor | None = None) -> Judgement:
        return Judgement(tuple((videos * weight).flatten(1).sum(dim=1) for weight in self.weights))


class SmoothCritic(nn.Module):
    """Judges clips of one channel and 2x2 pixels by curved functions: a score and a map, features, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 2, (1, 2, 2))
        self.score = nn.Linear(4, 1)
        self.map = nn.Conv3d(2, 1, 1)
        self.classes = nn.Linear(4, 3)
        self.of_label = nn.Embedding(3, 1)

    def forward(self, clips: Tensor, labels: Tensor | None = None) -> Judgement:
        hidden = self.conv(clips).tanh()  # (B, 2, T, 1, 1), T = 2
        features = hidden.flatten(1)
        score = self.score(features)
        if labels is not None:
            score = score + self.of_label(labels)
        return Judgement((score.squeeze(1), self.map(hidden).exp()), (features, features**2), self.classes(features))


def judging(logits_of: Callable[[Tensor], Tensor]) -> DiscriminatorFunction:
    """A discriminator of one head, (B,) or (B, 1), without labels."""
    return lambda videos, labels: Judgement((logits_of(videos).reshape(len(videos)),))
