"""The discriminator of TGANv2 (Saito et al. 2020, arXiv:1811.09245): one network for each level."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, View, required_labels
from networks.tgan_v2 import check_sizes, every_second_frame, init_glorot


class TGANv2Discriminator(Discriminator):
    """For each level a 3-D residual network without norm and a head (arXiv:1811.09245).

    Level l of a clip has T / 2^l frames, every second one of the level before from a random offset, of size
    S / 2^(num_levels - 1 - l), by average pooling.  What `look` makes of a clip are all levels in one row, so a
    gradient penalty takes one norm for each clip and level; a level depends on no other.

    | layer | level 0 | level 1 | level 2 |
    |---|---|---|---|
    | input | 3, 16, 16, 16 | 3, 8, 32, 32 | 3, 4, 64, 64 |
    | first block 3 -> 32 | 32, 16, 8, 8 | 32, 8, 16, 16 | 32, 4, 32, 32 |
    | block 32 -> 64 | 64, 8, 4, 4 | 64, 4, 8, 8 | 64, 2, 16, 16 |
    | block 64 -> 128 | 128, 4, 2, 2 | 128, 2, 4, 4 | 128, 1, 8, 8 |
    | block 128 -> 256 | 256, 2, 1, 1 | 256, 1, 2, 2 | 256, 1, 4, 4 |
    | block 256 -> 512, ReLU, sum | 512 | 512 | 512 |
    | Linear 512 -> 1 | 1 | 1 | 1 |

    Block: ReLU, conv 3x3x3, ReLU, conv 3x3x3, average pooling by 2, plus a shortcut of average pooling, conv 1x1x1; the
    first lacks the first ReLU and does not pool time.  Axes of length 1 stay (the reference code pads them to 3),
    other odd ones are padded with zeros.  With classes each level adds the projection <e(y), features> (Miyato and
    Koyama 2018, arXiv:1802.05637).

    21,772,995 parameters at the default size, 7,257,665 a level.

    Args:
        num_frames: T, a multiple of 2^(num_levels - 1).
        size: H = W in pixels, a multiple of 2^(num_levels + 2).
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.
        num_levels: at least 1.
        base_channels: channels after the first block; 64 in the paper, with 4 levels.

    Shapes: seen (B, N), see `look` -> a head for each level, (B,).
    Raises: ValueError if a size is not such a multiple or if there are classes and no labels.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        num_levels: int = 3,
        base_channels: int = 32,
    ) -> None:
        super().__init__(num_classes)
        check_sizes(num_frames, size, num_levels)
        sizes = [size // 2 ** (num_levels - 1 - level) for level in range(num_levels)]
        self.level_shapes = [(channels, num_frames // 2**level, side, side) for level, side in enumerate(sizes)]
        self.levels = nn.ModuleList(LevelDiscriminator(channels, base_channels, num_classes) for _ in sizes)
        self.num_features = (base_channels * 16,) * num_levels

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """The offset, 0 or 1, with which every second frame is dropped after each level but the last."""
        return {"offsets": torch.randint(2, (num_clips, len(self.levels) - 1), generator=rng)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        """(B, C, T, H, W) -> (B, N): each level's (C, T / 2^l, H / 2^i, W / 2^i), flattened, one after the other."""
        frames = videos.transpose(1, 2)  # (B, T, C, H, W)
        parts = []
        for level, (_, _, side, _) in enumerate(self.level_shapes):
            if level:
                frames = every_second_frame(frames, view["offsets"][:, level - 1])
            pooled = F.avg_pool3d(frames.transpose(1, 2), (1, videos.shape[3] // side, videos.shape[4] // side))
            parts.append(pooled.flatten(1))
        return torch.cat(parts, dim=1)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; the view is not used."""
        if self.num_classes:
            labels = required_labels(labels, self)
        rows = seen.split([math.prod(shape) for shape in self.level_shapes], dim=1)
        judged = [
            level(row.unflatten(1, shape), labels)
            for level, row, shape in zip(self.levels, rows, self.level_shapes, strict=True)
        ]
        return Judgement(tuple(logit for logit, _ in judged), tuple(features for _, features in judged))


class LevelDiscriminator(nn.Module):
    """(B, channels, T, H, W) -> logits (B,) and features (B, 16 * base_channels)."""

    def __init__(self, channels: int, base_channels: int, num_classes: int) -> None:
        super().__init__()
        widths = [base_channels * 2**number for number in range(5)]
        blocks = [DownBlock(inputs, outputs) for inputs, outputs in pairwise(widths)]
        self.blocks = nn.Sequential(DownBlock(channels, base_channels, is_first=True), *blocks)
        self.to_logit = nn.Linear(widths[-1], 1)
        self.embed = nn.Embedding(num_classes, widths[-1]) if num_classes else None
        init_glorot(self.to_logit)
        if self.embed is not None:
            nn.init.xavier_uniform_(self.embed.weight)

    def forward(self, clips: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = F.relu(self.blocks(clips)).sum(dim=(2, 3, 4))
        logits = self.to_logit(features).squeeze(1)
        if self.embed is not None:
            logits = logits + (self.embed(labels) * features).sum(dim=1)
        return logits, features


class DownBlock(nn.Module):
    """(B, inputs, T, H, W) -> (B, outputs, T/2, H/2, W/2), or with T as it was: the residual block."""

    def __init__(self, inputs: int, outputs: int, is_first: bool = False) -> None:
        super().__init__()
        self.is_first = is_first
        hidden = outputs if is_first else inputs
        self.first = nn.Conv3d(inputs, hidden, kernel_size=3, padding=1)
        self.second = nn.Conv3d(hidden, outputs, kernel_size=3, padding=1)
        self.shortcut = nn.Conv3d(inputs, outputs, kernel_size=1)
        init_glorot(self.first, self.second, gain=math.sqrt(2))
        init_glorot(self.shortcut)

    def forward(self, clips: Tensor) -> Tensor:
        """See the class."""
        hidden = self.second(F.relu(self.first(clips if self.is_first else F.relu(clips))))
        return self.pooled(hidden) + self.shortcut(self.pooled(clips))

    def pooled(self, clips: Tensor) -> Tensor:
        """Average pooling by 2 of the axes that can be halved."""
        lengths = [1 if self.is_first else clips.shape[2], *clips.shape[3:]]  # 1: an axis that stays
        padding = [length % 2 if length > 1 else 0 for length in lengths]
        return F.avg_pool3d(clips, [min(length, 2) for length in lengths], padding=padding)
