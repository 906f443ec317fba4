"""The dual discriminator of DVD-GAN (Clark et al. 2019, arXiv:1907.06571): single frames, and coarse motion."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, View, pick_frames, required_labels
from networks.dvd_gan import init_normalized
from networks.frame_networks import distinct_frames
from networks.spectral_norm import weights_computed_once


class DVDGANDiscriminator(Discriminator):
    """D_S judges some full frames one by one, D_T all frames at half the resolution (arXiv:1907.06571, section 3).

    | layer, at ch = base_channels | D_S: 8 frames of 64x64 | D_T: 16 frames of 64x64 |
    |---|---|---|
    | random frames / average pooling by 2 | 8, 3, 64, 64 | 16, 3, 32, 32 |
    | first block 3 -> 2 ch, in D_T 3-D | 8, 2 ch, 32, 32 | 8, 2 ch, 16, 16 |
    | block 2 ch -> 4 ch, in D_T 3-D | 8, 4 ch, 16, 16 | 4, 4 ch, 8, 8 |
    | block 4 ch -> 8 ch | 8, 8 ch, 8, 8 | 4, 8 ch, 4, 4 |
    | block 8 ch -> 16 ch, ReLU, sum of pixels | 8, 16 ch | 4, 16 ch |
    | Linear 16 ch -> 1, plus <e(y), features> | 8 | 4 |
    | sum | 1 | 1 |

    Block: ReLU, conv 3, ReLU, conv 3, average pooling by 2, plus a shortcut of average pooling, conv 1; the first lacks
    the first ReLU.  A head is the sum of the scores of its frames.  With classes each score has the projection
    <e(y), features> (Miyato and Koyama 2018, arXiv:1802.05637).  Weights are orthogonal at the start and have spectral
    norm 1, embeddings too; there is no other norm, so clips stay independent.

    10,237,698 parameters at the default size (D_S 4,859,073, D_T 5,378,625); with 5 classes 5,120 more.

    Args:
        num_frames: T, a multiple of 4.
        size: H = W in pixels, a multiple of 32.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name; 0 ignores labels.
        base_channels: ch.
        num_spatial_frames: how many frames D_S sees of a clip, 1 to T; 8 in the paper.

    Shapes: (B, channels, num_frames, size, size) in [-1, 1], view {"image_frames": (B, num_spatial_frames) int64} ->
        two heads, (B,) each.
    Raises: ValueError if an argument is out of its range, without a view, or if there are classes and no labels.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        base_channels: int = 32,
        num_spatial_frames: int = 8,
    ) -> None:
        super().__init__(num_classes)
        for name, length, step in (("num_frames", num_frames, 4), ("size", size, 32)):
            if length < step or length % step:
                raise ValueError(f"{name} is {length}; DVD-GAN's discriminator takes multiples of {step} only")
        if not 1 <= num_spatial_frames <= num_frames:
            raise ValueError(f"num_spatial_frames is {num_spatial_frames}; it must be 1 to {num_frames}")
        self.num_frames = num_frames
        self.num_spatial_frames = num_spatial_frames
        self.spatial = FrameSum(channels, base_channels, num_classes, num_volume_blocks=0)
        self.temporal = FrameSum(channels, base_channels, num_classes, num_volume_blocks=2)
        self.num_features = (base_channels * 16,) * 2
        self.apply(init_normalized)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Which frames of each clip D_S sees: "image_frames", (num_clips, num_spatial_frames), distinct, ascending."""
        return {"image_frames": distinct_frames(num_clips, self.num_frames, self.num_spatial_frames, rng)}

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        if not view:
            raise ValueError("DVDGANDiscriminator needs a view: which frames to see, from its sample_view")
        if self.num_classes:
            labels = required_labels(labels, self)
        frames = pick_frames(seen, view["image_frames"])  # (B, C, num_spatial_frames, H, W)
        with weights_computed_once(self, seen):
            judged = [self.spatial(frames, labels), self.temporal(F.avg_pool3d(seen, (1, 2, 2)), labels)]
        return Judgement(tuple(logit for logit, _ in judged), tuple(features for _, features in judged))


class FrameSum(nn.Module):
    """Residual blocks, the first of them 3-D, and the sum of the frames' scores.

    Shapes: (B, channels, T, H, W) -> logits (B,) and features (B, 16 * base_channels), summed over frames and pixels.
    """

    def __init__(self, channels: int, base_channels: int, num_classes: int, num_volume_blocks: int) -> None:
        super().__init__()
        widths = [channels, *(base_channels * 2**number for number in range(1, 5))]
        blocks = [
            DownBlock(inputs, outputs, is_first=number == 0, is_volume=number < num_volume_blocks)
            for number, (inputs, outputs) in enumerate(pairwise(widths))
        ]
        self.volume_blocks = nn.Sequential(*blocks[:num_volume_blocks])
        self.frame_blocks = nn.Sequential(*blocks[num_volume_blocks:])
        self.to_score = nn.Linear(widths[-1], 1)
        self.embed = nn.Embedding(num_classes, widths[-1]) if num_classes else None

    def forward(self, clips: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """See the class."""
        volumes = self.volume_blocks(clips)
        frames = self.frame_blocks(volumes.transpose(1, 2).flatten(0, 1))  # (B, C, T, H, W) -> (B * T, C, H, W)
        features = F.relu(frames).sum(dim=(2, 3)).unflatten(0, (len(clips), -1))  # (B, T, 16 ch)
        scores = self.to_score(features).squeeze(2)
        if self.embed is not None:
            scores = scores + (self.embed(labels)[:, None] * features).sum(dim=2)
        return scores.sum(dim=1), features.sum(dim=1)


class DownBlock(nn.Module):
    """All axes of frames (N, inputs, H, W), or of volumes (N, inputs, T, H, W), halved: BigGAN's residual block."""

    def __init__(self, inputs: int, outputs: int, is_first: bool, is_volume: bool) -> None:
        super().__init__()
        self.is_first = is_first
        conv = nn.Conv3d if is_volume else nn.Conv2d
        self.first = conv(inputs, outputs, kernel_size=3, padding=1)
        self.second = conv(outputs, outputs, kernel_size=3, padding=1)
        self.shortcut = conv(inputs, outputs, kernel_size=1)
        self.pool = nn.AvgPool3d(2) if is_volume else nn.AvgPool2d(2)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        hidden = self.second(F.relu(self.first(features if self.is_first else F.relu(features))))
        return self.pool(hidden) + self.shortcut(self.pool(features))
