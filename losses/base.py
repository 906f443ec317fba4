"""What an adversarial objective is: two losses that receive the discriminator itself.

Because the objective calls the discriminator, gradient penalties and relativistic pairing stay in their paper's own
file and share forward passes, and the training loop has no branch for any of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Logits = tuple[Tensor, ...]
# A discriminator: videos (B, C, T, H, W) and labels (B,) or None -> one tensor of logits per head.
DiscriminatorFunction = Callable[[Tensor, Tensor | None], Logits]


@dataclass(frozen=True)
class LossTerms:
    """One loss: `total` is minimised, `named` is logged (detached scalars, means over this rank's clips)."""

    total: Tensor
    named: dict[str, Tensor]


@dataclass(frozen=True)
class Draw:
    """What is particular to one update: the training step (from 0) and the noise that the objective asked for."""

    step: int = 0
    noise: dict[str, Tensor] = field(default_factory=dict)


class AdversarialObjective(ABC):
    """What the discriminator and the generator minimise.

    Every term is a mean over clips, so that the mean over processes equals one process on the joined batch.
    """

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Draw, on the CPU, the noise that one update needs: named tensors, each with the clips along its first axis.

        The caller hands it back as `draw.noise`; drawn outside, it does not depend on the number of processes.
        """
        return {}

    @abstractmethod
    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """Loss of the discriminator on real and fake clips (B, C, T, H, W) in [-1, 1]; `fake` carries no gradient."""

    @abstractmethod
    def generator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """Loss of the generator; gradients flow through `fake`."""


def mean_over_heads(logits: Logits) -> Tensor:
    """Mean of the logits over clips and positions, averaged over the heads, detached: what is logged."""
    return torch.stack([head.detach().float().mean() for head in logits]).mean()
