"""The original GAN with the generator's saturating loss."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, Draw, Logits, Term, sum_of_means
from losses.binary_cross_entropy import bce_discriminator, check_real_target


class Minimax(AdversarialObjective):
    """The minimax game (Goodfellow et al. 2014, arXiv:1406.2661, Eq. 1): both players share one value.

    D minimises  -mean log sigmoid(D(real)) - mean log(1 - sigmoid(D(fake))).
    G minimises  mean log(1 - sigmoid(D(fake))) = -mean softplus(D(fake)).

    An ablation: the generator's gradient vanishes where the discriminator is sure of itself, as at the beginning
    (section 3 of the paper, which trains with the loss of `losses.non_saturating.NonSaturating` for this reason).

    Args:
        real_target: what the discriminator is to say of real clips, in (0.5, 1]; below 1 it is one-sided label
            smoothing, 0.9 in Salimans et al. 2016 (arXiv:1606.03498, section 3.4).
        terms: penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head; both losses are scalars over this process's clips, heads add up.
    Raises: ValueError if the target is out of its range.
    """

    undecided = 0.0

    def __init__(self, real_target: float = 1.0, terms: Mapping[str, Term] | None = None) -> None:
        super().__init__(terms)
        self.real_target = check_real_target(real_target)

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """Binary cross-entropy, see `losses.binary_cross_entropy`."""
        return bce_discriminator(real, fake, self.real_target)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """-mean softplus(D(fake))."""
        return -sum_of_means(F.softplus, fake)
