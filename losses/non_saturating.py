"""The non-saturating GAN with the R1 penalty on real clips."""

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Logits, LossTerms, mean_over_heads
from losses.gradient_penalties import logits_with_gradient


class NonSaturatingR1(AdversarialObjective):
    """Non-saturating GAN (Goodfellow et al. 2014, arXiv:1406.2661, section 3) with R1 (Mescheder et al. 2018,
    arXiv:1801.04406, Eq. 9).

    D minimises  mean softplus(-D(real)) + mean softplus(D(fake)) + weight / 2 * mean ||grad_x D(real)||_2^2.
    G minimises  mean softplus(-D(fake)).

    With r1_interval k > 1 the penalty is lazy (Karras et al. 2020, arXiv:1912.04958, section 3.1 and appendix B): it is
    computed on every k-th step and multiplied by k.  The paper then scales Adam's learning rate by c = k / (k + 1)
    and its betas to beta^c; that is the configuration's to do, since the optimizer is.

    Args:
        r1_weight: gamma; 10 in Mescheder et al., scaled with resolution and batch in later work.  At least 0.
        r1_interval: steps between two penalties, at least 1; 16 in Karras et al.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range.
    """

    def __init__(self, r1_weight: float = 10.0, r1_interval: int = 1) -> None:
        if r1_weight < 0:
            raise ValueError(f"r1_weight is {r1_weight}; it must be at least 0")
        if r1_interval < 1:
            raise ValueError(f"r1_interval is {r1_interval}; it must be at least 1")
        self.r1_weight = r1_weight
        self.r1_interval = r1_interval

    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """The discriminator's loss; `r1`, without weight and interval, is named on the steps that compute it.

        On the steps between, Lightning's loggers repeat the last one.
        """
        named: dict[str, Tensor] = {}
        penalised = self.r1_weight > 0 and draw.step % self.r1_interval == 0
        if penalised:
            logits_real, squared_norms = logits_with_gradient(discriminator, real, labels)
            r1 = torch.stack([norms.mean() for norms in squared_norms]).sum() / 2
            named["r1"] = r1.detach()
        else:
            logits_real = discriminator(real, labels)
        logits_fake = discriminator(fake, labels)
        total = mean_softplus(logits_real, sign=-1) + mean_softplus(logits_fake, sign=1)
        named["adversarial"] = total.detach()
        named["logits_real"] = mean_over_heads(logits_real)
        named["logits_fake"] = mean_over_heads(logits_fake)
        if penalised:
            total = total + self.r1_weight * self.r1_interval * r1
        return LossTerms(total, named)

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
