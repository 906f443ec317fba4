"""The one-stream spatiotemporal GAN of Kratzwald et al. 2017 (iVGAN, arXiv:1711.11453): 3-D convolutions throughout."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, View

NUM_DOUBLINGS = 4  # the first grid is 1/16 of the video along each axis


class SpatiotemporalGenerator(Generator):
    """Latents through four transposed 3-D convolutions to a video; one stream, no mask (arXiv:1711.11453, section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Linear 100 -> 8192, view, BN, ReLU | 512, 1, 4, 4 |
    | ConvTranspose3d 512 -> 256, BN, ReLU | 256, 2, 8, 8 |
    | ConvTranspose3d 256 -> 128, BN, ReLU | 128, 4, 16, 16 |
    | ConvTranspose3d 128 -> 64, BN, ReLU | 64, 8, 32, 32 |
    | ConvTranspose3d 64 -> 3, tanh | 3, 16, 64, 64 |

    All convolutions have kernel 4, stride 2, padding 1.  11,852,099 parameters at the default size.  The paper makes
    32 frames from a first grid of 2 in time; here the first grid is num_frames / 16.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        latent_dim: length of z ~ N(0, I); 100 in the paper.
        base_channels: channels before the last layer; 64 in the paper.

    Shapes: latents {"z": (B, latent_dim)} -> (B, channels, num_frames, size, size) in [-1, 1].
    Raises: ValueError if a size is not a multiple of 16.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        base_channels: int = 64,
    ) -> None:
        super().__init__(num_frames, size, channels)
        self.latent_dim = latent_dim
        self.grid = first_grid(num_frames, size)
        widths = [base_channels * 8, base_channels * 4, base_channels * 2, base_channels]
        self.project = nn.Linear(latent_dim, widths[0] * math.prod(self.grid))
        self.first_norm = nn.BatchNorm3d(widths[0])
        # All layers have a bias, which a norm takes away, because the reference code's have.
        blocks = [
            nn.Sequential(
                nn.ConvTranspose3d(inputs, outputs, kernel_size=4, stride=2, padding=1),
                nn.BatchNorm3d(outputs),
                nn.ReLU(),
            )
            for inputs, outputs in pairwise(widths)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.to_pixels = nn.ConvTranspose3d(widths[-1], channels, kernel_size=4, stride=2, padding=1)
        self.apply(init_weights)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class; labels are not used."""
        grid = self.project(latents["z"]).unflatten(1, (-1, *self.grid))  # (B, F) -> (B, 512, T/16, H/16, W/16)
        videos = self.blocks(F.relu(self.first_norm(grid)))
        return torch.tanh(self.to_pixels(videos))


class SpatiotemporalCritic(Discriminator):
    """Five strided 3-D convolutions and a linear layer to one score (arXiv:1711.11453, section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Conv3d 3 -> 64, LN, LeakyReLU | 64, 8, 32, 32 |
    | Conv3d 64 -> 128, LN, LeakyReLU | 128, 4, 16, 16 |
    | Conv3d 128 -> 256, LN, LeakyReLU | 256, 2, 8, 8 |
    | Conv3d 256 -> 512, LN, LeakyReLU | 512, 1, 4, 4 |
    | Conv3d 512 -> 1 | 1, 1, 2, 2 |
    | Linear 4 -> 1 | 1 |

    All convolutions have kernel 4 and stride 2 with TensorFlow's "SAME" padding, which for a time axis of length 1 is
    one before and two after.  Layer norm is over (C, T, H, W) of each clip with one gain and bias a channel, so clips
    stay independent, as a gradient penalty requires.  11,057,990 parameters at the default size.

    Args:
        num_frames: T, a multiple of 16.
        size: H = W in pixels, a multiple of 16.
        channels: 3 for RGB.
        base_channels: channels after the first layer; 64 in the paper.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1] -> one head, (B,).
    Raises: ValueError if a size is not a multiple of 16.
    """

    def __init__(self, num_frames: int = 16, size: int = 64, channels: int = 3, base_channels: int = 64) -> None:
        super().__init__()
        grid = first_grid(num_frames, size)
        widths = [channels, base_channels, base_channels * 2, base_channels * 4, base_channels * 8]
        blocks = [
            nn.Sequential(
                nn.Conv3d(inputs, outputs, kernel_size=4, stride=2, padding=1),
                nn.GroupNorm(1, outputs),  # one group: the layer norm of the reference code
                nn.LeakyReLU(0.2),
            )
            for inputs, outputs in pairwise(widths)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.pad = [padding for length in reversed(grid) for padding in same_padding(length)]
        self.to_map = nn.Conv3d(widths[-1], 1, kernel_size=4, stride=2)
        self.to_score = nn.Linear(math.prod(math.ceil(length / 2) for length in grid), 1)
        self.num_features = (widths[-1] * math.prod(grid),)
        self.apply(init_weights)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        features = self.blocks(seen)  # (B, 512, T/16, H/16, W/16)
        score_map = self.to_map(F.pad(features, self.pad))  # (B, 1, T/32, H/32, W/32), rounded up
        return Judgement((self.to_score(score_map.flatten(1)).squeeze(1),), (features.flatten(1),))


def first_grid(num_frames: int, size: int) -> tuple[int, int, int]:
    """(T, H, W) before the first doubling, or an error that names the sizes that can be made."""
    step = 2**NUM_DOUBLINGS
    for name, length in (("num_frames", num_frames), ("size", size)):
        if length < step or length % step:
            raise ValueError(f"{name} is {length}; it must be a multiple of {step} for these networks")
    return num_frames // step, size // step, size // step


def same_padding(length: int, kernel: int = 4, stride: int = 2) -> tuple[int, int]:
    """Zeros (before, after) an axis in TensorFlow's "SAME" convention: output length is ceil(length / stride)."""
    total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def init_weights(module: nn.Module) -> None:
    """The reference code's initialisation.

    Linear N(0, 0.01); convolutions uniform with standard deviation sqrt(4 / (fan_in + fan_out)), where fan_out is
    divided by the product of the strides, in transposed ones too (the WGAN-GP code divides their fan_in); biases 0.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        taps, strides = math.prod(module.kernel_size), math.prod(module.stride)
        fan_in, fan_out = module.in_channels * taps, module.out_channels * taps / strides
        bound = math.sqrt(3) * math.sqrt(4 / (fan_in + fan_out))
        nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
