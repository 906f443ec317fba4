"""Instance noise (Sønderby et al. 2017)."""

import math

import torch
from torch import Tensor

from losses.base import Augmentation

# SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), constants as int64.
INCREMENT = 0x9E3779B97F4A7C15 - 2**64
FIRST_FACTOR = 0xBF58476D1CE4E5B9 - 2**64
SECOND_FACTOR = 0x94D049BB133111EB - 2**64


class InstanceNoise(Augmentation):
    """Gaussian noise on what the discriminator sees, real and fake (Sønderby et al. 2017, arXiv:1610.04490).

    x -> x + sigma * N(0, I): the two distributions overlap, so that no detail alone tells them apart; sigma goes
    linearly to 0.  Every voxel of every frame has noise of its own, made from one seed a clip: see `gaussian_field`.

    Args:
        sigma: standard deviation at the start, in units of the clips' range [-1, 1]; at least 0.
        decay_clips: real clips after which there is no noise; None keeps it as it is.

    Shapes: (B, ...) -> the same, at least float32, any number of axes.
    Raises: ValueError if an argument is out of its range.
    """

    num_clips: Tensor

    def __init__(self, sigma: float = 0.1, decay_clips: int | None = None) -> None:
        super().__init__()
        if sigma < 0:
            raise ValueError(f"sigma is {sigma}; it must be at least 0")
        if decay_clips is not None and decay_clips < 1:
            raise ValueError(f"decay_clips is {decay_clips}; it must be at least 1, or null")
        self.sigma = sigma
        self.decay_clips = decay_clips
        self.register_buffer("num_clips", torch.tensor(0))

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """A seed for each clip, (num_clips,) int64: whole noise would be as large as the batch of all processes."""
        return {"seed": torch.randint(-(2**63), 2**63 - 1, (num_clips,), generator=rng)}

    def forward(self, clips: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """See the class."""
        clips = clips.to(torch.promote_types(clips.dtype, torch.float32))
        sigma = self.current_sigma()
        if self.sigma == 0 or (sigma.device.type == "cpu" and sigma == 0):  # a GPU, for which it is little, would wait
            return clips
        field = gaussian_field(noise["seed"].to(clips.device), clips[0].numel())
        return clips + (sigma * field).to(clips).view(clips.shape)

    def current_sigma(self) -> Tensor:
        """The standard deviation now, a scalar."""
        left = 1 - self.num_clips / self.decay_clips if self.decay_clips else torch.ones_like(self.num_clips)
        return self.sigma * left.clamp(min=0)

    def adapt(self, signs_real: Tensor, num_clips: int) -> dict[str, Tensor]:
        """Count the clips."""
        self.num_clips += num_clips
        return {"instance_noise_sigma": self.current_sigma()}


def gaussian_field(seeds: Tensor, num_values: int) -> Tensor:
    """N(0, 1) as a function of a seed and a place: on all devices (up to rounding), in any batch, the same.

    The n-th output of SplitMix64 from each seed has the bits of two uniform numbers, from which Box and Muller's
    formula makes two normal ones.  They have 24 bits each, so no value is further than 5.8 from 0.

    Shapes: seeds (B,) int64 -> (B, num_values) float32.
    """
    numbers = torch.arange(1, (num_values + 1) // 2 + 1, device=seeds.device)
    bits = seeds.unsqueeze(1) + numbers * INCREMENT  # (B, num_values / 2); int64 wraps around, as it should
    bits = (bits ^ shifted_right(bits, 30)) * FIRST_FACTOR
    bits = (bits ^ shifted_right(bits, 27)) * SECOND_FACTOR
    bits = bits ^ shifted_right(bits, 31)
    radius = (-2 * ((shifted_right(bits, 40) + 1) / 2**24).log()).sqrt()  # of a uniform number in (0, 1]
    angle = 2 * math.pi / 2**24 * (shifted_right(bits, 16) & (2**24 - 1))
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :num_values]


def shifted_right(bits: Tensor, count: int) -> Tensor:
    """As of unsigned integers: zeros come in."""
    return (bits >> count) & (2 ** (64 - count) - 1)
