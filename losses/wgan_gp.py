"""Wasserstein GAN with gradient penalty."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Term
from losses.gradient_penalties import one_centred_penalty, refuse_batch_norm, warn_of_spectral_norm
from losses.wasserstein import Wasserstein


class GradientPenalty(Term):
    """mean (||grad_x D(x)||_2 - 1)^2 between real and fake clips (Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3).

    x is uniform on the segment between a real and a fake clip, one segment a clip; one norm a clip over all its axes,
    in float32.  A discriminator of several heads is a sum of critics: each head has its own penalty.

    Args:
        weight: lambda; 10 in the paper.  At least 0.
        interval: as in `Term`; 1 in the paper.
        heads: the heads to penalise, by number from 0, at least one; None is all.

    Shapes: real, fake (B, ...) -> a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range, if the discriminator has batch norm or no such head.
    """

    penalizes_gradients = True

    def __init__(self, weight: float = 10.0, interval: int = 1, heads: list[int] | None = None) -> None:
        super().__init__(weight, interval)
        if heads is not None and (not heads or min(heads) < 0):
            raise ValueError(f"heads are {heads}; name at least one, by its number from 0, or give null for all")
        self.heads = heads

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Where on its segment each clip is penalised: `mix`, (B,), uniform in [0, 1)."""
        return {"mix": torch.rand(num_clips, generator=rng)}

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        mix = draw.noise["mix"].view(-1, *[1] * (real.clips.dim() - 1))  # (B,) -> (B, 1, ...): one point a clip
        between = mix * real.clips.detach() + (1 - mix) * fake.clips.detach()
        return one_centred_penalty(discriminator, between, real.labels, self.heads)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse batch norm, warn of spectral norm."""
        refuse_batch_norm(discriminator, type(self).__name__)
        warn_of_spectral_norm(discriminator, type(self).__name__)


class WGANGP(Wasserstein):
    """Wasserstein objective with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3, Algorithm 1).

    D minimises  mean D(fake) - mean D(real) + weight * mean((||grad_x D(x)||_2 - 1)^2),
    x uniform on the segment between a real and a fake clip, one segment a clip.  G minimises  -mean D(fake).

    Args:
        gradient_penalty_weight: lambda; 10 in the paper.  At least 0.
        terms: further penalties and aids, by name.

    Shapes: real, fake (B, C, T, H, W) float32 in [-1, 1]; every term is a scalar over this process's clips.
    Raises: ValueError if the weight is negative, or if real and fake differ in shape.
    """

    def __init__(self, gradient_penalty_weight: float = 10.0, terms: Mapping[str, Term] | None = None) -> None:
        if gradient_penalty_weight < 0:
            raise ValueError(f"gradient_penalty_weight is {gradient_penalty_weight}; it must be at least 0")
        super().__init__({"gradient_penalty": GradientPenalty(gradient_penalty_weight), **(terms or {})})
