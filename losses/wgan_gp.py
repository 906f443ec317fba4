"""Wasserstein GAN with gradient penalty."""

import torch
from torch import Tensor

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, LossTerms, mean_over_heads
from losses.gradient_penalties import logits_with_gradient, score


class WGANGP(AdversarialObjective):
    """Wasserstein objective with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3, Algorithm 1).

    D minimises  mean D(fake) - mean D(real) + weight * mean((||grad_x D(x)||_2 - 1)^2),
    x uniform on the segment between a real and a fake clip, one segment a clip.  G minimises  -mean D(fake).

    A discriminator of several heads is a sum of critics: each head has its own penalty.  The critic must not mix clips
    (no batch norm): the penalty is one norm a clip.  It is computed in float32.

    Args:
        gradient_penalty_weight: lambda; 10 in the paper.  At least 0.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if the weight is negative, or if real and fake differ in shape.
    """

    def __init__(self, gradient_penalty_weight: float = 10.0) -> None:
        if gradient_penalty_weight < 0:
            raise ValueError(f"gradient_penalty_weight is {gradient_penalty_weight}; it must be at least 0")
        self.gradient_penalty_weight = gradient_penalty_weight

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Where on its segment each clip is penalised: `mix`, (B,), uniform in [0, 1)."""
        return {"mix": torch.rand(num_clips, generator=rng)}

    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """The critic's loss; logs the estimate of the Wasserstein distance, mean D(real) - mean D(fake)."""
        if real.shape != fake.shape:
            raise ValueError(f"real clips are {tuple(real.shape)}, fake ones {tuple(fake.shape)}; they must be alike")
        logits_real = discriminator(real, labels)
        logits_fake = discriminator(fake, labels)
        distance = sum_of_means(logits_real) - sum_of_means(logits_fake)
        penalty = self.penalty(discriminator, real, fake, labels, draw)
        return LossTerms(
            self.gradient_penalty_weight * penalty - distance,
            {
                "wasserstein_distance": distance.detach(),
                "gradient_penalty": penalty.detach(),
                "logits_real": mean_over_heads(logits_real),
                "logits_fake": mean_over_heads(logits_fake),
            },
        )

    def penalty(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> Tensor:
        """Mean of (||grad_x D(x)||_2 - 1)^2 over clips, summed over heads, without its weight."""
        mix = draw.noise["mix"].view(-1, 1, 1, 1, 1)  # (B,) -> (B, 1, 1, 1, 1): one point a clip
        between = mix * real + (1 - mix) * fake
        _, squared_norms = logits_with_gradient(discriminator, between, labels)
        # The square root has no finite slope at 0; there the penalty's gradient is defined as 0 by the floor.
        return torch.stack([((norm.clamp_min(1e-12).sqrt() - 1) ** 2).mean() for norm in squared_norms]).sum()

    def generator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """-mean D(fake), summed over heads."""
        logits_fake = discriminator(fake, labels)
        return LossTerms(-sum_of_means(logits_fake), {"logits_fake": mean_over_heads(logits_fake)})


def sum_of_means(logits: tuple[Tensor, ...]) -> Tensor:
    """Mean score over clips, summed over heads."""
    return torch.stack([score(head).mean() for head in logits]).sum()
