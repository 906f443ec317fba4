"""The relativistic average GAN, with least squares."""

from collections.abc import Mapping

import torch
from torch import Tensor

from losses.base import AdversarialObjective, Draw, Logits, Term, precise


class RelativisticAverageLeastSquares(AdversarialObjective):
    """Relativistic average least squares (Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4 and appendix).

    D minimises  1/2 [mean (D(real) - mean D(fake) - real_target)^2 + mean (D(fake) - mean D(real) - fake_target)^2].
    G minimises the same with the two targets exchanged, so it needs real clips too and pushes them down.

    The means inside are over the clips of all processes and over all positions of a head's map, one mean a head.  The
    factor 1/2 and the targets 1 and 0 are those of MoCoGAN-HD (Tian et al. 2021, arXiv:2104.15069); the paper itself
    has no factor and the targets 1 and -1.

    Args:
        real_target: by how much a real clip shall stand above the mean fake one.
        fake_target: by how much a fake clip shall stand above the mean real one; 0, or -1 in Jolicoeur-Martineau.
        terms: penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head; both losses are scalars over this process's clips, heads add up.
    """

    is_relativistic = True

    def __init__(
        self, real_target: float = 1.0, fake_target: float = 0.0, terms: Mapping[str, Term] | None = None
    ) -> None:
        super().__init__(terms)
        self.real_target = real_target
        self.fake_target = fake_target

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """1/2 [mean (D(real) - mean D(fake) - real_target)^2 + mean (D(fake) - mean D(real) - fake_target)^2]."""
        return relativistic_squares(real, fake, self.real_target, self.fake_target, draw)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """1/2 [mean (D(real) - mean D(fake) - fake_target)^2 + mean (D(fake) - mean D(real) - real_target)^2]."""
        assert real is not None  # the objective is relativistic
        return relativistic_squares(real, fake, self.fake_target, self.real_target, draw)


def relativistic_squares(real: Logits, fake: Logits, real_target: float, fake_target: float, draw: Draw) -> Tensor:
    """1/2 [mean (D(real) - mean D(fake) - real_target)^2 + mean (D(fake) - mean D(real) - fake_target)^2], summed."""
    num_heads = len(real)
    heads = [precise(head) for head in (*real, *fake)]
    # All means in one tensor: the processes wait for each other once, not once a head and side.
    means = draw.mean_over_processes(torch.stack([head.mean() for head in heads]))
    above_the_others = [
        *((head - mean - real_target) for head, mean in zip(heads[:num_heads], means[num_heads:], strict=True)),
        *((head - mean - fake_target) for head, mean in zip(heads[num_heads:], means[:num_heads], strict=True)),
    ]
    return torch.stack([difference.square().mean() for difference in above_the_others]).sum() / 2
