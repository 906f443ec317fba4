"""The hinge loss."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, Draw, Logits, identity, sum_of_means


class Hinge(AdversarialObjective):
    """Hinge loss (Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, Eq. 16 and 17).

    D minimises  mean relu(1 - D(real)) + mean relu(1 + D(fake)).  G minimises  -mean D(fake).

    A clip beyond its margin no longer teaches the discriminator; spectral norm usually bounds its slope.

    Args:
        terms: penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head, the margin taken at each position; both losses are scalars over this
    process's clips, heads add up.
    """

    undecided = 0.0

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """mean relu(1 - D(real)) + mean relu(1 + D(fake))."""
        return sum_of_means(lambda head: F.relu(1 - head), real) + sum_of_means(lambda head: F.relu(1 + head), fake)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """-mean D(fake)."""
        return -sum_of_means(identity, fake)
