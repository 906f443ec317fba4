"""The relativistic average GAN."""

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.base import AdversarialObjective, Draw, Logits, precise


class RelativisticAverage(AdversarialObjective):
    """Relativistic average GAN (Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4.2, "RaSGAN").

    With r = D(real) - mean D(fake) and f = D(fake) - mean D(real),
    D minimises  mean softplus(-r) + mean softplus(f);  G minimises  mean softplus(r) + mean softplus(-f).

    So D says how much more real a clip is than the other side's average, and G also pushes the real clips down.  The
    means inside are over the clips of all processes and over all positions of a head's map, one mean a head.

    Args:
        terms: penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head; both losses are scalars over this process's clips, heads add up.
    """

    is_relativistic = True

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(-r) + mean softplus(f)."""
        return above_the_others(real, fake, draw, sign=-1)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(r) + mean softplus(-f)."""
        assert real is not None  # the objective is relativistic
        return above_the_others(real, fake, draw, sign=1)


def above_the_others(real: Logits, fake: Logits, draw: Draw, sign: int) -> Tensor:
    """mean softplus(sign * r) + mean softplus(-sign * f), summed over heads."""
    heads = [precise(head) for head in (*real, *fake)]
    # All means in one tensor: the processes wait for each other once, not once a head and side.
    means = draw.mean_over_processes(torch.stack([head.mean() for head in heads]))
    of_real, of_fake = means[: len(real)], means[len(real) :]
    losses = [
        F.softplus(sign * (head_real - mean_fake)).mean() + F.softplus(-sign * (head_fake - mean_real)).mean()
        for head_real, head_fake, mean_real, mean_fake in zip(
            heads[: len(real)], heads[len(real) :], of_real, of_fake, strict=True
        )
    ]
    return torch.stack(losses).sum()
