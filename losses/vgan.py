"""What VGAN minimises (Vondrick et al. 2016, arXiv:1609.02612)."""

import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Logits, Term, precise, sum_of_means
from losses.binary_cross_entropy import bce_discriminator


class TwoWayCrossEntropy(AdversarialObjective):
    """Cross-entropy over the classes real and fake (arXiv:1609.02612, Eq. 1 and section 3.4).

    D minimises  1/2 [mean CE(D(real), real) + mean CE(D(fake), fake)], 0.693 where D is undecided.
    G minimises  mean CE(D(fake), real), which does not saturate.

    Softmax over two logits is a sigmoid of their difference d = real - fake, so that CE(., real) = softplus(-d) and
    CE(., fake) = softplus(d).  The logit of the discriminator is d, as `networks.vgan.VGANDiscriminator` returns it.
    The paper's Eq. 1 is the minimax game without the half; half and G's loss are those of its code.

    Args:
        terms: penalties and aids that are added, by name.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    """

    undecided = 0.0

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """Half the binary cross-entropy of the difference, summed over heads."""
        return bce_discriminator(real, fake, 1.0) / 2

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(-D(fake)), summed over heads."""
        return sum_of_means(lambda logits: F.softplus(-logits), fake)


class MaskSparsity(Term):
    """Lets a two-stream generator use its foreground only where it must (arXiv:1609.02612, section 3.2).

    G minimises besides  weight * mean |m|, m the mask in [0, 1].  What is logged is mean |m|, the share of the video
    that is foreground: near 0 the generator makes stills, near 1 it has no background; change the weight then.

    Args:
        weight: lambda; 0.1 in the paper.  At least 0.

    Shapes: `draw.intermediates["mask"]` is (B, 1, T, H, W).
    Raises: ValueError if the weight is negative or the generator gives no mask.
    """

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__(weight)

    def generator_term(
        self, discriminator: DiscriminatorFunction, real: Judged | None, fake: Judged, draw: Draw
    ) -> Tensor:
        """mean |m|."""
        if "mask" not in draw.intermediates:
            raise ValueError("MaskSparsity needs a generator with a mask, such as networks.vgan.TwoStreamGenerator")
        return precise(draw.intermediates["mask"]).abs().mean()
