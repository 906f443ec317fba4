"""The non-saturating GAN with zero-centred gradient penalties on real and on generated clips."""

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Logits, LossTerms, mean_over_heads
from losses.gradient_penalties import logits_with_gradient


class NonSaturating(AdversarialObjective):
    """Non-saturating GAN (Goodfellow et al. 2014, arXiv:1406.2661, section 3) with R1 and R2 (Mescheder et al. 2018,
    arXiv:1801.04406, Eq. 9 and 10).

    D minimises  mean softplus(-D(real)) + mean softplus(D(fake))
               + r1_weight / 2 * mean ||grad_x D(real)||_2^2 + r2_weight / 2 * mean ||grad_x D(fake)||_2^2.
    G minimises  mean softplus(-D(fake)).

    With penalty_interval k > 1 the penalties are lazy (Karras et al. 2020, arXiv:1912.04958, section 3.1 and appendix
    B): they are computed on every k-th step and multiplied by k.  The paper then scales Adam's learning rate by
    c = k / (k + 1) and its betas to beta^c; that is the configuration's to do, since the optimizer is.

    Args:
        r1_weight: gamma of R1; 10 in Mescheder et al., scaled with resolution and batch in later work.  At least 0.
        r2_weight: gamma of R2; 0 leaves it out, as most later work does.  At least 0.
        penalty_interval: steps between two penalties, at least 1; 16 in Karras et al.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range.
    """

    def __init__(self, r1_weight: float = 10.0, r2_weight: float = 0.0, penalty_interval: int = 1) -> None:
        for name, weight in (("r1_weight", r1_weight), ("r2_weight", r2_weight)):
            if weight < 0:
                raise ValueError(f"{name} is {weight}; it must be at least 0")
        if penalty_interval < 1:
            raise ValueError(f"penalty_interval is {penalty_interval}; it must be at least 1")
        self.r1_weight = r1_weight
        self.r2_weight = r2_weight
        self.penalty_interval = penalty_interval

    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """The discriminator's loss; `r1` and `r2`, without weight and interval, are named where they are computed.

        On the steps between, Lightning's loggers repeat the last ones.
        """
        penalised = draw.step % self.penalty_interval == 0
        logits: dict[str, Logits] = {}
        penalties: dict[str, Tensor] = {}
        weighted = []
        sides = (("real", real, "r1", self.r1_weight), ("fake", fake, "r2", self.r2_weight))
        for side, clips, penalty, weight in sides:
            if penalised and weight > 0:
                logits[side], squared_norms = logits_with_gradient(discriminator, clips, labels)
                value = torch.stack([norms.mean() for norms in squared_norms]).sum() / 2
                penalties[penalty] = value.detach()
                weighted.append(weight * self.penalty_interval * value)
            else:
                logits[side] = discriminator(clips, labels)
        adversarial = mean_softplus(logits["real"], sign=-1) + mean_softplus(logits["fake"], sign=1)
        named = {
            **penalties,
            "adversarial": adversarial.detach(),
            "logits_real": mean_over_heads(logits["real"]),
            "logits_fake": mean_over_heads(logits["fake"]),
        }
        return LossTerms(sum(weighted, adversarial), named)

    def generator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """mean softplus(-D(fake)), summed over heads."""
        logits_fake = discriminator(fake, labels)
        return LossTerms(mean_softplus(logits_fake, sign=-1), {"logits_fake": mean_over_heads(logits_fake)})


def mean_softplus(logits: Logits, sign: int) -> Tensor:
    """mean softplus(sign * D(x)) over clips and positions in float32, summed over heads."""
    return torch.stack([F.softplus(sign * head.float()).mean() for head in logits]).sum()
