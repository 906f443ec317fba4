"""The discriminator's loss of the original GAN, which the minimax and the non-saturating objective share."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import Logits, sum_of_means


def bce_discriminator(real: Logits, fake: Logits, real_target: float) -> Tensor:
    """Binary cross-entropy of the discriminator (Goodfellow et al. 2014, arXiv:1406.2661, Eq. 1), summed over heads.

    mean[ t softplus(-D(real)) + (1 - t) softplus(D(real)) ] + mean softplus(D(fake)),  t the target of real clips.

    t < 1 is one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498, section 3.4).  Only the real target is
    smoothed: with beta > 0 for the fake one the best discriminator, (alpha p_data + beta p_G) / (p_data + p_G), would
    praise the generator where it is and the data are not.
    """

    def of_real(head: Tensor) -> Tensor:
        return real_target * F.softplus(-head) + (1 - real_target) * F.softplus(head)

    return sum_of_means(of_real, real) + sum_of_means(F.softplus, fake)


def check_real_target(real_target: float) -> float:
    """The target itself, if a discriminator can be taught with it: it must be in (0.5, 1]; 0.9 in the paper."""
    if not 0.5 < real_target <= 1:
        raise ValueError(f"real_target is {real_target}; it must be above 0.5 and at most 1")
    return real_target
