"""DRAGAN's gradient penalty around real clips."""

import torch
from torch import Tensor, nn

from losses.base import AdversarialObjective, DiscriminatorFunction, Draw, Judged, Term, precise
from losses.gradient_penalties import one_centred_penalty, refuse_batch_norm, warn_of_spectral_norm

NOISE_SCALE = 0.5  # of a clip's standard deviation, as in the released code


class DRAGAN(Term):
    """mean (||grad_x D(x + delta)||_2 - 1)^2 around real clips x (Kodali et al. 2017, arXiv:1705.07215).

    delta is normal, as in the paper, with half the clip's standard deviation, as in the released code (where the noise
    is uniform and the deviation the batch's; a clip's own does not depend on the number of processes).  One norm a clip
    over all its axes, in float32; heads add up.

    Noise for every pixel is too large to draw outside, so one seed a clip is drawn there and expanded on the clip's
    device: CPUs and GPUs see different noise.

    Args:
        weight: lambda; 10 in the paper.  At least 0.
        interval: as in `Term`; 1 in the paper.

    Shapes: clips (B, ...) -> a scalar over this process's clips.
    Raises: ValueError if an argument is out of its range, or if the discriminator has batch norm.
    """

    penalizes_gradients = True

    def __init__(self, weight: float = 10.0, interval: int = 1) -> None:
        super().__init__(weight, interval)

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """What each clip's noise is made from: `seed`, (B,), int64."""
        return {"seed": torch.randint(2**63 - 1, (num_clips,), generator=rng)}

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        """See the class."""
        perturbed = with_noise(precise(real.clips.detach()), draw.noise["seed"])
        return one_centred_penalty(discriminator, perturbed, real.labels)

    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        """Refuse batch norm, warn of spectral norm."""
        refuse_batch_norm(discriminator, type(self).__name__)
        warn_of_spectral_norm(discriminator, type(self).__name__)


def with_noise(clips: Tensor, seeds: Tensor) -> Tensor:
    """Clips (B, ...) with normal noise of half each clip's standard deviation, from the clip's own seed, (B,)."""
    noise = []
    for clip, seed in zip(clips, seeds.tolist(), strict=True):
        rng = torch.Generator(clips.device).manual_seed(seed)
        noise.append(torch.randn(clip.shape, generator=rng, device=clips.device, dtype=clips.dtype))
    deviation = clips.flatten(1).std(dim=1, correction=0).view(-1, *[1] * (clips.dim() - 1))  # (B, 1, ...)
    return clips + NOISE_SCALE * deviation * torch.stack(noise)
