"""The backbone of R3GAN (Huang et al. 2024, arXiv:2501.05441, section 3) with 3-D convolutions, for clips."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, Judgement, Latents, View, required_labels

FIRST_SIZE = 4  # H = W of the first grid
MIN_FIRST_FRAMES = 2  # a first grid of one frame would have no neighbours in time to convolve
EXPANSION = 2  # of channels inside a block
MAX_WIDENING = 8  # of channels from the full resolution to the first grid
LEAK = 0.2


class Stage(NamedTuple):
    """One resolution: channels, and (T, H, W) of the grid."""

    channels: int
    grid: tuple[int, int, int]


class R3GANVideoGenerator(Generator):
    """A learned basis, scaled by the latents, through residual blocks without any norm (arXiv:2501.05441, section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | basis * Linear 64 -> 512, 2 blocks | 512, 2, 4, 4 |
    | doubling in space, 2 blocks | 512, 2, 8, 8 |
    | Conv3d k1 512 -> 256, doubling, 2 blocks | 256, 4, 16, 16 |
    | Conv3d k1 256 -> 128, doubling, 2 blocks | 128, 8, 32, 32 |
    | Conv3d k1 128 -> 64, doubling, 2 blocks | 64, 16, 64, 64 |
    | ConvTranspose3d k1 64 -> 3 | 3, 16, 64, 64 |

    A block is x + Conv3d k1 (LeakyReLU (Conv3d k3 in groups of 16 channels (LeakyReLU (Conv3d k1)))), twice as wide
    inside, whose last convolution starts at 0 (section 3.3).  Doubling is interpolation, the filter (1, 3, 3, 1) / 4
    along each axis, with copies of the border outside, where the reference code has zeros, which would darken the first
    and the last frame.  Time doubles with space in the last stages, as often as leaves the first grid two frames.

    The paper makes images.  Channels halve with each doubling as in its preset for 256x256, from `base_channels` at the
    full resolution to at most 8 times as many; its preset for 64x64 has 384 there and 768 elsewhere, which a clip's 16
    times as many positions do not allow.  7,659,200 parameters at the default size.

    The last convolution is linear, as in the paper: in training mode videos may leave [-1, 1], in evaluation mode they
    are clamped to it, as they would be when they are quantised.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 8 (times patch_size).
        channels: 3 for RGB.
        num_classes: classes; an embedding of the label is appended to z.  0 ignores labels.
        latent_dim: length of z ~ N(0, I) and of the embedding; 64 in the paper.
        base_channels: channels at the full resolution, a multiple of group_channels / 2.
        blocks_per_stage: 2 in the paper.
        group_channels: channels that a k3 convolution sees at once; 16 in the paper.
        patch_size: edge of the cube of pixels that the finest stage has one position for; 1 in the paper.  With 2 the
            stages end at half the resolution and the last convolution is k2 s2: an eighth of the cost.

    Shapes: latents {"z": (B, latent_dim)}, labels (B,) -> (B, channels, num_frames, size, size).
    Raises: ValueError if a size cannot be made, or if labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        latent_dim: int = 64,
        base_channels: int = 64,
        blocks_per_stage: int = 2,
        group_channels: int = 16,
        patch_size: int = 1,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        self.latent_dim = latent_dim
        stages = stages_of(num_frames, size, base_channels, patch_size)
        gain = block_gain(blocks_per_stage * len(stages))
        self.basis = nn.Parameter(torch.randn(stages[0].channels, *stages[0].grid))
        self.scale = fan_in_normal(nn.Linear(latent_dim * (2 if num_classes else 1), stages[0].channels, bias=False))
        self.embedding = class_embedding(num_classes, latent_dim)
        self.stages = nn.ModuleList(
            [residual_blocks(stage.channels, blocks_per_stage, group_channels, gain) for stage in stages]
        )
        self.doublings = nn.ModuleList([Doubling(before, after) for before, after in pairwise(stages)])
        self.to_pixels = nn.ConvTranspose3d(stages[-1].channels, channels, patch_size, stride=patch_size, bias=False)
        nn.init.normal_(self.to_pixels.weight, std=stages[-1].channels ** -0.5)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ N(0, I), (num_videos, latent_dim)."""
        self.checked_num_frames(num_frames)
        return {"z": torch.randn(num_videos, self.latent_dim, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        z = latents["z"]
        if self.embedding is not None:
            z = torch.cat([z, self.embedding(required_labels(labels, self))], dim=1)  # (B, 2 * latent_dim)
        features = self.basis * self.scale(z).view(len(z), -1, 1, 1, 1)  # (B, C, T0, 4, 4)
        features = self.stages[0](features)
        for double, blocks in zip(self.doublings, self.stages[1:], strict=True):
            features = blocks(double(features))
        videos: Tensor = self.to_pixels(features)
        return videos if self.training else videos.clamp(-1, 1)


class R3GANVideoDiscriminator(Discriminator):
    """The generator backwards: residual blocks without any norm, halvings, one logit (arXiv:2501.05441, section 3).

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | Conv3d k1 3 -> 64, 2 blocks | 64, 16, 64, 64 |
    | halving, Conv3d k1 64 -> 128, 2 blocks | 128, 8, 32, 32 |
    | halving, Conv3d k1 128 -> 256, 2 blocks | 256, 4, 16, 16 |
    | halving, Conv3d k1 256 -> 512, 2 blocks | 512, 2, 8, 8 |
    | halving in space, 2 blocks | 512, 2, 4, 4 |
    | Conv3d k(2,4,4), each channel alone | 512, 1, 1, 1 |
    | Linear 512 -> 1 | 1 |

    Blocks, channels and resampling are the generator's; halving has the filter (1, 3, 3, 1) / 8.  With classes the
    linear layer gives 512 numbers whose product with an embedding of the label is the logit (projection, Miyato and
    Koyama 2018, arXiv:1802.05637).  7,626,944 parameters at the default size.  There is no norm: clips stay apart, as
    R1 and R2 require.

    Args:
        num_frames, size, channels, num_classes, base_channels, blocks_per_stage, group_channels, patch_size: as in
            `R3GANVideoGenerator`.

    Shapes: (B, channels, num_frames, size, size) -> one head, (B,).
    Raises: ValueError if a size cannot be judged, or if labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        base_channels: int = 64,
        blocks_per_stage: int = 2,
        group_channels: int = 16,
        patch_size: int = 1,
    ) -> None:
        super().__init__(num_classes)
        stages = stages_of(num_frames, size, base_channels, patch_size)[::-1]
        last = stages[-1]
        gain = block_gain(blocks_per_stage * len(stages))
        self.from_pixels = fan_in_normal(
            nn.Conv3d(channels, stages[0].channels, kernel_size=patch_size, stride=patch_size, bias=False)
        )
        self.stages = nn.ModuleList(
            [residual_blocks(stage.channels, blocks_per_stage, group_channels, gain) for stage in stages]
        )
        self.halvings = nn.ModuleList([Halving(before, after) for before, after in pairwise(stages)])
        self.basis = fan_in_normal(
            nn.Conv3d(last.channels, last.channels, kernel_size=last.grid, groups=last.channels, bias=False)
        )
        self.to_logit = fan_in_normal(nn.Linear(last.channels, last.channels if num_classes else 1, bias=False))
        self.embedding = class_embedding(num_classes, last.channels, gain=1 / math.sqrt(last.channels))
        self.num_features = (last.channels,)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        features = self.stages[0](self.from_pixels(seen))
        for halve, blocks in zip(self.halvings, self.stages[1:], strict=True):
            features = blocks(halve(features))
        features = self.basis(features).flatten(1)  # (B, C, T0, 4, 4) -> (B, C)
        logits = self.to_logit(features)
        if self.embedding is not None:
            logits = (logits * self.embedding(required_labels(labels, self))).sum(dim=1, keepdim=True)
        return Judgement((logits.squeeze(1),), (features,))


def residual_blocks(channels: int, num_blocks: int, group_channels: int, gain: float) -> nn.Sequential:
    """Residual blocks at one resolution, (B, C, T, H, W) -> the same."""
    return nn.Sequential(*(ResidualBlock(channels, group_channels, gain) for _ in range(num_blocks)))


class ResidualBlock(nn.Module):
    """x + k1(LeakyReLU(grouped k3(LeakyReLU(k1(x))))), the last convolution 0 at first; (B, C, T, H, W) -> the same."""

    def __init__(self, channels: int, group_channels: int, gain: float) -> None:
        super().__init__()
        inner = channels * EXPANSION
        if inner % group_channels:
            raise ValueError(f"{channels} channels: twice that must be a multiple of group_channels, {group_channels}")
        groups = inner // group_channels
        self.expand = fan_in_normal(nn.Conv3d(channels, inner, kernel_size=1), gain)
        self.mix = fan_in_normal(nn.Conv3d(inner, inner, kernel_size=3, padding=1, groups=groups), gain)
        self.contract = fan_in_normal(nn.Conv3d(inner, channels, kernel_size=1, bias=False), gain=0)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        inner = F.leaky_relu(self.mix(F.leaky_relu(self.expand(features), LEAK)), LEAK)
        return features + self.contract(inner)


class Doubling(nn.Module):
    """From one stage of the generator to the next: change of channels, interpolation."""

    def __init__(self, before: Stage, after: Stage) -> None:
        super().__init__()
        self.grid = after.grid
        self.change = channel_change(before.channels, after.channels)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return F.interpolate(self.change(features), size=self.grid, mode="trilinear", align_corners=False)


class Halving(nn.Module):
    """From one stage of the discriminator to the next: smoothing and decimation, change of channels."""

    def __init__(self, before: Stage, after: Stage) -> None:
        super().__init__()
        self.axes = [axis for axis in range(3) if after.grid[axis] < before.grid[axis]]
        self.change = channel_change(before.channels, after.channels)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        for axis in self.axes:
            features = halved(features, dim=axis + 2)
        return self.change(features)


def halved(features: Tensor, dim: int) -> Tensor:
    """Filter (1, 3, 3, 1) / 8 along one axis, every second value; outside are copies of the border."""
    even, odd = features.unflatten(dim, (-1, 2)).unbind(dim + 1)
    last = even.shape[dim] - 1
    before = torch.cat([even.narrow(dim, 0, 1), odd.narrow(dim, 0, last)], dim)
    after = torch.cat([even.narrow(dim, 1, last), odd.narrow(dim, last, 1)], dim)
    return 0.375 * (even + odd) + 0.125 * (before + after)


def stages_of(num_frames: int, size: int, base_channels: int, patch_size: int) -> list[Stage]:
    """The stages from the first grid to the finest, which has one position for patch_size^3 pixels.

    Raises: ValueError if no doublings lead there.
    """
    finest = size // patch_size
    num_doublings = (finest // FIRST_SIZE).bit_length() - 1
    if num_doublings < 1 or FIRST_SIZE * 2**num_doublings * patch_size != size:
        raise ValueError(
            f"size is {size}; the R3GAN networks make patch_size ({patch_size}) times a power of two from 8"
        )
    if num_frames < 1 or num_frames % patch_size:
        raise ValueError(f"num_frames is {num_frames}; it must be a multiple of patch_size, {patch_size}")
    grid, stages = (num_frames // patch_size, finest, finest), []
    for widening in range(num_doublings + 1):
        stages.append(Stage(base_channels * min(2**widening, MAX_WIDENING), grid))
        halves = grid[0] % 2 == 0 and grid[0] // 2 >= MIN_FIRST_FRAMES
        grid = (grid[0] // 2 if halves else grid[0], grid[1] // 2, grid[2] // 2)
    return stages[::-1]


def channel_change(inputs: int, outputs: int) -> nn.Module:
    """A k1 convolution, where the number changes."""
    return nn.Identity() if inputs == outputs else fan_in_normal(nn.Conv3d(inputs, outputs, kernel_size=1, bias=False))


def class_embedding(num_classes: int, dim: int, gain: float = 1.0) -> nn.Embedding | None:
    """A vector for each class, as a linear layer of one-hot labels would be initialised; None without classes."""
    if num_classes == 0:
        return None
    embedding = nn.Embedding(num_classes, dim)
    nn.init.normal_(embedding.weight, std=gain / math.sqrt(num_classes))
    return embedding


def block_gain(num_blocks: int) -> float:
    """Gain of a block's first two convolutions: leaky ReLU's, times num_blocks^(-1/4).

    So a step changes all blocks together as much as it would change one (Zhang et al. 2019, arXiv:1901.09321, for three
    layers a block).
    """
    return math.sqrt(2 / (1 + LEAK**2)) * num_blocks**-0.25


def fan_in_normal(layer: nn.Linear | nn.Conv3d, gain: float = 1.0) -> nn.Module:
    """The layer, its weight from N(0, gain^2 / fan_in) and its bias 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
