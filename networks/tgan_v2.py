"""TGANv2 (Saito et al. 2020, arXiv:1811.09245): trained on few frames at high resolution, many at low resolution."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Generator, Latents, View, required_labels
from networks.conditional_batch_norm import ConditionalBatchNorm
from networks.convolutional_recurrence import ConvLSTM
from networks.tgan import init_lecun_normal

NUM_BLOCKS_BEFORE_FIRST_HEAD = 3


class TGANv2Generator(Generator):
    """A convolutional LSTM and, for each of its frames, residual blocks that double the size (arXiv:1811.09245).

    "Train sparsely, generate densely": each level, from a low to the full resolution, has a head of its own that
    renders frames.  In training (`render`) every second frame is dropped between two levels, with a random offset for
    each video (the reference code has one a batch), so that the expensive blocks see few frames; at generation
    (`forward`) all frames pass all blocks and only the last head is used.  So `render` is not `look` of `forward`: the
    two agree at the last level, up to batch statistics.

    | layer | dense, T 16 | rendered for training |
    |---|---|---|
    | Linear 256 -> 1024, view | 256, 2, 2 | the input at t = 0; zeros afterwards |
    | ConvLSTM 256 -> 256, kernel 3 | 16, 256, 2, 2 | 16, 256, 2, 2 |
    | block 256 -> 256 | 16, 256, 4, 4 | 16, 256, 4, 4 |
    | block 256 -> 128 | 16, 128, 8, 8 | 16, 128, 8, 8 |
    | block 128 -> 64; head 64 -> 3 | 16, 64, 16, 16 | 16, 64, 16, 16; 3, 16, 16, 16 |
    | block 64 -> 32; head 32 -> 3 | 16, 32, 32, 32 | 8, 32, 32, 32; 3, 8, 32, 32 |
    | block 32 -> 16; head 16 -> 3 | 16, 16, 64, 64; 3, 16, 64, 64 | 4, 16, 64, 64; 3, 4, 64, 64 |

    Block: BN, ReLU, nearest x2, conv 3x3, BN, ReLU, conv 3x3, plus a shortcut of nearest x2, conv 1x1.  Head: BN, ReLU,
    conv 3x3, tanh.  6,864,729 parameters at the default size.  The paper makes 192x192 with 4 levels,
    base_channels 32 and recurrent_channels 1024.  Convolutions of the blocks have no bias, since a batch norm after
    them takes it away; with classes every batch norm has a gain and a bias for each class.

    Args:
        num_frames: T of training, a multiple of 2^(num_levels - 1).
        size: H = W in pixels, a multiple of 2^(num_levels + 2).
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.
        num_levels: at least 1; that of the discriminator.
        latent_dim: length of z ~ U(-1, 1); 256 in the paper.
        base_channels: half the channels of the fourth block; the first has 16 times as many.
        recurrent_channels: channels of the LSTM.

    Shapes: latents {"z": (B, latent_dim), "frames": (B, T) int64} -> (B, channels, T, size, size) in [-1, 1]; only the
    shape of "frames" matters.  `render` gives (B, N), what `TGANv2Discriminator.look` gives.
    Raises: ValueError if a size is not such a multiple or if there are classes and no labels.
    """

    any_num_frames = True
    renders = frozenset({"offsets"})

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        num_levels: int = 3,
        latent_dim: int = 256,
        base_channels: int = 16,
        recurrent_channels: int = 256,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        check_sizes(num_frames, size, num_levels)
        self.latent_dim = latent_dim
        self.first_size = size // 2 ** (num_levels + 2)
        widths = [base_channels * 2 ** max(4 - number, 0) for number in range(num_levels + 2)]
        self.project = nn.Linear(latent_dim, recurrent_channels * self.first_size**2)
        self.recurrence = ConvLSTM(recurrent_channels, recurrent_channels)
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, num_classes) for inputs, outputs in pairwise([recurrent_channels, *widths])
        )
        self.heads = nn.ModuleList(Head(width, channels, num_classes) for width in widths[2:])
        for part in (self.project, self.recurrence):
            part.apply(init_lecun_normal)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z ~ U(-1, 1), (num_videos, latent_dim), and "frames", (num_videos, T), which tells T by its shape alone."""
        z = 2 * torch.rand(num_videos, self.latent_dim, generator=rng) - 1
        return {"z": z, "frames": torch.arange(self.checked_num_frames(num_frames)).repeat(num_videos, 1)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """Make all frames at the full resolution."""
        condition = self.condition(labels)
        frames = self.first_level(latents, condition)
        for block in self.blocks[NUM_BLOCKS_BEFORE_FIRST_HEAD:]:
            frames = block(frames, condition)
        return self.heads[-1](frames, condition, len(latents["z"]))

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """Make each level's frames: (B, N)."""
        if view["offsets"].shape[1] != len(self.heads) - 1:
            raise ValueError(f"the generator has {len(self.heads)} levels, the view {view['offsets'].shape[1] + 1}")
        condition, num_videos = self.condition(labels), len(latents["z"])
        frames = self.first_level(latents, condition)
        levels = [self.heads[0](frames, condition, num_videos)]
        blocks = self.blocks[NUM_BLOCKS_BEFORE_FIRST_HEAD:]
        for block, head, offset in zip(blocks, self.heads[1:], view["offsets"].unbind(1), strict=True):
            kept = every_second_frame(frames.unflatten(0, (num_videos, -1)), offset)
            frames = block(kept.flatten(0, 1), condition)
            levels.append(head(frames, condition, num_videos))
        return torch.cat([level.flatten(1) for level in levels], dim=1)

    def condition(self, labels: Tensor | None) -> Tensor | None:
        """(B, num_classes) one-hot, or None without classes."""
        if not self.num_classes:
            return None
        return F.one_hot(required_labels(labels, self), self.num_classes).to(self.project.weight.dtype)

    def first_level(self, latents: Latents, condition: Tensor | None) -> Tensor:
        """What the first head gets, (B * T, C, H, W): all frames at the lowest resolution."""
        grid = self.project(latents["z"]).unflatten(1, (1, -1, self.first_size, self.first_size))  # at t = 0 only
        frames = self.recurrence(grid, latents["frames"].shape[1]).flatten(0, 1)  # (B, T, C, H, W) -> (B * T, C, H, W)
        for block in self.blocks[:NUM_BLOCKS_BEFORE_FIRST_HEAD]:
            frames = block(frames, condition)
        return frames


class UpBlock(nn.Module):
    """(B * T, inputs, H, W) -> (B * T, outputs, 2H, 2W): the residual block of the generator."""

    def __init__(self, inputs: int, outputs: int, num_classes: int) -> None:
        super().__init__()
        self.first_norm = ConditionalBatchNorm(inputs, num_classes)
        self.first = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
        self.second_norm = ConditionalBatchNorm(outputs, num_classes)
        self.second = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)
        init_glorot(self.first, self.second, gain=math.sqrt(2))
        init_glorot(self.shortcut)

    def forward(self, frames: Tensor, condition: Tensor | None) -> Tensor:
        """See the class."""
        hidden = self.first(F.interpolate(F.relu(self.first_norm(frames, condition)), scale_factor=2))
        hidden = self.second(F.relu(self.second_norm(hidden, condition)))
        # A convolution of single pixels may come before the doubling: a quarter of the work, the same result.
        return hidden + F.interpolate(self.shortcut(frames), scale_factor=2)


class Head(nn.Module):
    """(B * T, inputs, H, W) -> (B, channels, T, H, W) in [-1, 1]: a level's frames."""

    def __init__(self, inputs: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = ConditionalBatchNorm(inputs, num_classes)
        self.to_pixels = nn.Conv2d(inputs, channels, kernel_size=3, padding=1)
        init_lecun_normal(self.to_pixels)

    def forward(self, frames: Tensor, condition: Tensor | None, num_videos: int) -> Tensor:
        """See the class."""
        pixels = torch.tanh(self.to_pixels(F.relu(self.norm(frames, condition))))
        return pixels.unflatten(0, (num_videos, -1)).transpose(1, 2)


def every_second_frame(frames: Tensor, offset: Tensor) -> Tensor:
    """(B, T, ...) -> (B, T/2, ...), from frame 0 or 1 on, which `offset`, (B,), says for each video."""
    pairs = frames.unflatten(1, (-1, 2))  # (B, T/2, 2, ...)
    return pairs[torch.arange(len(frames), device=frames.device), :, offset]


def check_sizes(num_frames: int, size: int, num_levels: int) -> None:
    """Raise a ValueError that names the sizes that the levels divide."""
    if num_levels < 1:
        raise ValueError(f"num_levels is {num_levels}; it must be at least 1")
    steps = (("num_frames", num_frames, 2 ** (num_levels - 1)), ("size", size, 2 ** (num_levels + 2)))
    for name, length, step in steps:
        if length < step or length % step:
            raise ValueError(f"{name} is {length}; TGANv2 with {num_levels} levels makes multiples of {step} only")


def init_glorot(*layers: nn.Conv2d | nn.Conv3d | nn.Linear, gain: float = 1.0) -> None:
    """Glorot's uniform weights and biases of 0, as the reference code has in residual blocks."""
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight, gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
