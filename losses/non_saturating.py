"""The non-saturating GAN."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, Draw, Logits, Term, sum_of_means
from losses.binary_cross_entropy import bce_discriminator, check_real_target


class NonSaturating(AdversarialObjective):
    """Non-saturating GAN (Goodfellow et al. 2014, arXiv:1406.2661, section 3).

    D minimises  mean softplus(-D(real)) + mean softplus(D(fake)), the binary cross-entropy of its logits.
    G minimises  mean softplus(-D(fake)).

    Args:
        real_target: what D should say of real clips, above 0.5 and at most 1; 0.9 is one-sided label smoothing
            (Salimans et al. 2016, arXiv:1606.03498, section 3.4).  G's target stays 1.
        terms: penalties and aids that are added, by name.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range.
    """

    undecided = 0.0

    def __init__(self, real_target: float = 1.0, terms: Mapping[str, Term] | None = None) -> None:
        super().__init__(terms)
        self.real_target = check_real_target(real_target)

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """Binary cross-entropy, summed over heads."""
        return bce_discriminator(real, fake, self.real_target)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(-D(fake)), summed over heads."""
        return sum_of_means(lambda logits: F.softplus(-logits), fake)
