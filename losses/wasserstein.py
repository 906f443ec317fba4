"""The Wasserstein objective; what keeps its critic Lipschitz is a constraint of the weights or a penalty."""

import warnings
from collections.abc import Mapping

from torch import Tensor, nn

from losses.base import (
    AdversarialObjective,
    DiscriminatorFunction,
    Draw,
    Logits,
    LossTerms,
    Term,
    identity,
    sum_of_means,
)
from losses.gradient_penalties import has_spectral_norm
from losses.weight_constraint import WeightConstraint


class Wasserstein(AdversarialObjective):
    """Wasserstein GAN (Arjovsky et al. 2017, arXiv:1701.07875, Eq. 2 and Algorithm 1).

    D minimises  mean D(fake) - mean D(real);  G minimises  -mean D(fake).

    Over all 1-Lipschitz D the first one's minimum is minus the Wasserstein-1 distance between real and generated clips.
    Without a bound on its slope the critic only grows, so one is required: a `constraint` of the weights, spectral norm
    in the discriminator, or a term that penalises gradients.  The discriminator logs `wasserstein_distance`,
    mean D(real) - mean D(fake), in place of the adversarial loss, which is minus that.

    Args:
        terms: penalties and aids that are added, by name.
        constraint: applied to the weights after each update of the discriminator; None leaves them alone.  The paper
            clips them to +-0.01 (`losses.weight_clipping.WeightClipping`).

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if real and fake differ in shape; in `check` if nothing bounds the critic.
    """

    def __init__(self, terms: Mapping[str, Term] | None = None, constraint: WeightConstraint | None = None) -> None:
        super().__init__(terms)
        self.constraint = constraint

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        """Mean D(fake) - mean D(real), summed over heads."""
        return sum_of_means(identity, fake) - sum_of_means(identity, real)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        """-mean D(fake), summed over heads."""
        return -sum_of_means(identity, fake)

    def discriminator_loss(
        self,
        discriminator: DiscriminatorFunction,
        real: Tensor,
        fake: Tensor,
        labels: Tensor | None,
        draw: Draw,
    ) -> LossTerms:
        """The critic's loss; logs the estimate of the Wasserstein distance, mean D(real) - mean D(fake)."""
        terms = super().discriminator_loss(discriminator, real, fake, labels, draw)
        named = {name: value for name, value in terms.named.items() if name != "adversarial"}
        return LossTerms(terms.total, {"wasserstein_distance": -terms.named["adversarial"], **named})

    def constrain(self, discriminator: nn.Module, update: int) -> None:
        """Apply the constraint, if there is one."""
        if self.constraint is not None:
            self.constraint.apply(discriminator, update)

    def check(self, discriminator: nn.Module) -> None:
        """Look whether something, and only one thing, bounds the critic's slope.

        Raises: ValueError if nothing does.  A constraint together with spectral norm is a warning.
        """
        super().check(discriminator)
        normed = has_spectral_norm(discriminator)
        penalised = any(term.penalizes_gradients and term.weight > 0 for term in self.terms.values())
        if self.constraint is None and not (normed or penalised):
            raise ValueError(
                "nothing bounds the slope of this Wasserstein critic, so its loss has no minimum; give a constraint "
                "(losses.weight_clipping.WeightClipping), a gradient penalty (losses.wgan_gp.GradientPenalty) or a "
                "discriminator in networks.spectral_norm.SpectralNorm"
            )
        if self.constraint is not None and normed:
            warnings.warn(
                f"{type(self.constraint).__name__} acts on weights that spectral norm divides by their norm "
                "afterwards, so it does next to nothing; use one of the two",
                stacklevel=2,
            )
