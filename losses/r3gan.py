"""R3GAN: relativistic pairing with zero-centred gradient penalties on both sides, falling on a schedule."""

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Logits, Term, precise, sum_of_means
from losses.r1_r2 import R1, R2


class R3GAN(AdversarialObjective):
    """The regularised relativistic GAN (Huang et al. 2024, arXiv:2501.05441, Eq. 2 and section 2; RpGAN + R1 + R2).

    D minimises  mean softplus(-(D(real) - D(fake)))
               + gamma / 2 * (mean ||grad_x D(real)||_2^2 + mean ||grad_x D(fake)||_2^2).
    G minimises  mean softplus(D(real) - D(fake)).

    The i-th real clip is compared with the i-th fake one, which has the same label; where a head gives a map, position
    by position.  Both penalties are taken on every step, one norm a clip over all its axes.  (The reference code sums
    over the three axes of images.)  Where D does not yet tell real from fake both adversarial losses are log 2.

    gamma goes from its first to its last value along half a cosine; from there on it stays.  The paper's values for
    images fall tenfold: 0.05 (32x32) to 2 (64x64) to 150 (256x256) at the start.  Clips have more pixels: try 0.5, 2,
    8 and 32.

    Args:
        gamma: weight of both penalties, at the start; at least 0.
        gamma_last: the same at the end of the schedule; None keeps it as it is.
        decay_steps: training steps of the schedule; 2e7 to 2e8 images in the paper.  Goes with gamma_last.
        terms: further penalties and aids that are added, by name.

    Shapes: logits (B, ...) for each head; all losses are scalars over this process's clips, heads add up.  The
    penalties are logged without gamma, as r1 and r2.
    Raises: ValueError if an argument is out of its range, or if the discriminator has batch norm.
    """

    is_relativistic = True

    def __init__(
        self,
        gamma: float = 2.0,
        gamma_last: float | None = None,
        decay_steps: int | None = None,
        terms: Mapping[str, Term] | None = None,
    ) -> None:
        if gamma < 0 or (gamma_last is not None and gamma_last < 0):
            raise ValueError(f"gamma is {gamma}, gamma_last {gamma_last}; they must be at least 0")
        if (gamma_last is None) != (decay_steps is None) or (decay_steps is not None and decay_steps < 1):
            raise ValueError(
                f"gamma_last is {gamma_last}, decay_steps {decay_steps}; give both (decay_steps from 1) or none"
            )
        last = gamma if gamma_last is None else gamma_last
        penalties = {
            name: CosineWeighted(term, gamma, last, decay_steps or 1) for name, term in (("r1", R1()), ("r2", R2()))
        }
        super().__init__({**penalties, **(terms or {})})

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(-(D(real) - D(fake)))."""
        return sum_of_means(F.softplus, differences(fake, real))

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """mean softplus(D(real) - D(fake))."""
        assert real is not None  # the objective is relativistic
        return sum_of_means(F.softplus, differences(real, fake))


class CosineWeighted(Term):
    """Another term, with a weight that goes from `first` to `last` along half a cosine in `decay_steps` steps."""

    def __init__(self, term: Term, first: float, last: float, decay_steps: int) -> None:
        super().__init__(max(first, last))
        self.term = term
        self.first = first
        self.last = last
        self.decay_steps = decay_steps
        self.differentiates = term.differentiates
        self.penalizes_gradients = term.penalizes_gradients

    def weight_at(self, step: int) -> float:
        """last + (first - last) * (1 + cos(pi * step / decay_steps)) / 2."""
        progress = min(step / self.decay_steps, 1.0)
        return self.last + (self.first - self.last) * (1 + math.cos(math.pi * progress)) / 2

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor | None:
        """As the term."""
        return self.term.discriminator_term(discriminator, real, fake, draw)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """As the term."""
        self.term.check(discriminator, objective)


def differences(upper: Logits, lower: Logits) -> Logits:
    """upper - lower of each head in float32 or float64, pair by pair."""
    return tuple(precise(a) - precise(b) for a, b in zip(upper, lower, strict=True))
