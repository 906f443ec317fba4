"""StyleGAN-V (Skorokhodov et al. 2022, arXiv:2112.14683): StyleGAN2 in continuous time, judged by three frames."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from networks.base import Discriminator, Judgement, Latents, View, pick_frames
from networks.equalized import EqualizedConv2d
from networks.stylegan2 import SynthesisNetwork
from networks.stylegan2_layers import Epilogue, ResidualBlock, num_channels, resolutions
from networks.stylegan2_mapping import MappingNetwork, StyleGenerator, one_hot
from networks.stylegan_v_motion import MotionCodes

NUM_SEEN = 3  # frames that the discriminator sees
JOINING_SIZE = 16  # the resolution at which it lays their features side by side


class StyleGANVGenerator(StyleGenerator):
    """Each frame by StyleGAN2 from the content z and a motion code of its own time (arXiv:2112.14683, section 3.1).

    | layer | out, at 64x64 |
    |---|---|
    | 2 x Linear 512 -> 512, leaky ReLU (mapping) | 512 |
    | motion codes, see `networks.stylegan_v_motion.MotionCodes` | T, 512 |
    | constant beside the frame's motion code, conv | 512, 4, 4 |
    | conv doubling, conv | 512, 8, 8 |
    | conv doubling, conv | 512, 16, 16 |
    | conv doubling, conv | 512, 32, 32 |
    | conv doubling, conv | 256, 64, 64 |
    | sum of each resolution's 1x1 conv to pixels | 3, 64, 64 |

    All 2-D convolutions are modulated by the video's w.  31,158,031 parameters at the default size.  Clips begin at a
    whole time drawn uniformly from a video of `max_num_frames`, as the paper's do, so that long videos can be made.
    No noise inputs.  In training mode pixels may leave [-1, 1]; in evaluation mode they are clamped.

    Args:
        num_frames: T.
        size: H = W in pixels, a power of two from 8.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name, beside z and beside the motion's noise; 0 is unconditional.
        latent_dim: length of z ~ N(0, I) and of the motion's noise; 512 in the paper.
        w_dim: length of w; 512 in the paper.
        motion_dim: length of a motion code, even; 512 in the paper.
        motion_distance: frames between the knots of the motion's noise; 16 in the paper (256 for slow motion).
        max_period: longest period of the motion codes, in frames; 1024 in the paper.
        max_num_frames: frames of the videos that clips are taken from; 1024 in the paper.
        base_channels: channels are min(base_channels / resolution, max_channels); 16384 in the paper.
        max_channels: 512 in the paper.

    Shapes: latents {"z": (B, latent_dim), "motion": (B, K, latent_dim), "times": (B, T) in frames} ->
        (B, channels, T, size, size).
    Raises: ValueError if a size cannot be made, or if labels are needed and missing.
    """

    any_num_frames = True
    renders = frozenset({"times"})

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        latent_dim: int = 512,
        w_dim: int = 512,
        motion_dim: int = 512,
        motion_distance: int = 16,
        max_period: int = 1024,
        max_num_frames: int = 1024,
        base_channels: int = 16384,
        max_channels: int = 512,
    ) -> None:
        super().__init__(num_frames, size, channels, num_classes)
        if motion_dim % 2:
            raise ValueError(f"motion_dim is {motion_dim}; half of it are sines and half cosines, so it must be even")
        self.latent_dim = latent_dim
        self.max_num_frames = max_num_frames
        self.mapping = MappingNetwork(latent_dim, w_dim, 2, num_classes)
        self.motion = MotionCodes(latent_dim, motion_dim, motion_distance, max_period, num_classes)
        self.synthesis = SynthesisNetwork(size, channels, w_dim, base_channels, max_channels, motion_dim)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z and the motion's noise ~ N(0, I), and the frames' times."""
        num_frames = self.checked_num_frames(num_frames)
        last_start = max(self.max_num_frames - num_frames, 0)
        starts = torch.randint(last_start + 1, (num_videos, 1), generator=rng)
        return {
            "z": torch.randn(num_videos, self.latent_dim, generator=rng),
            "motion": torch.randn(num_videos, self.motion.num_knots(num_frames), self.latent_dim, generator=rng),
            "times": (starts + torch.arange(num_frames)).float(),
        }

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.frames_at(latents, labels, latents["times"])

    def render(self, latents: Latents, labels: Tensor | None, view: View) -> Tensor:
        """The frames of a view alone: view["times"] (B, N), indices of frames -> (B, channels, N, size, size)."""
        return self.frames_at(latents, labels, latents["times"].take_along_dim(view["times"], dim=1))

    def frames_at(self, latents: Latents, labels: Tensor | None, times: Tensor) -> Tensor:
        """The frames at any times (B, N) between the first and the last of the latents, whole or not."""
        w = self.truncated_w(latents, labels)
        origin = latents["times"][:, :1]
        codes = self.motion(latents["motion"], times, origin, one_hot(labels, self))  # (B, N, motion_dim)
        frames = self.synthesis(w.repeat_interleave(times.shape[1], dim=0), codes.flatten(0, 1))
        videos = frames.unflatten(0, times.shape).transpose(1, 2)  # (B * N, C, H, W) -> (B, C, N, H, W)
        return self.bounded(videos)


class StyleGANVDiscriminator(Discriminator):
    """Three frames of a clip, each by itself down to 16x16, then together (arXiv:2112.14683, section 3.2).

    | layer | out, at 64x64 |
    |---|---|
    | 1x1 conv, leaky ReLU | 3 frames of 256, 64, 64 |
    | residual block | 3 frames of 512, 32, 32 |
    | residual block | 3 frames of 256, 16, 16 |
    | side by side | 768, 16, 16 |
    | residual block | 512, 8, 8 |
    | residual block | 512, 4, 4 |
    | minibatch standard deviation, conv, leaky ReLU | 512, 4, 4 |
    | Linear 8192 -> 512, leaky ReLU | 512 |
    | Linear 512 -> 512, times the mapped time differences | 1 |

    24,739,840 parameters at the default size.  The last frame follows the first after d frames, d a power of two drawn
    uniformly from 2 <= d <= min(num_frames - 1, 32); where the first lies is uniform, and so is where the other lies
    between them.  The paper draws fractional times for its fakes; here a real and a fake clip share a view, so they
    are whole.

    Args:
        num_frames: T of the clips, from 3 to max_num_frames.
        size: H = W in pixels, a power of two from 32.
        channels: 3 for RGB.
        num_classes: classes that `labels` may name, beside the time differences; 0 is unconditional.
        max_num_frames: time differences are below it; 1024 in the paper.
        base_channels: channels are min(base_channels / resolution, max_channels); 16384 in the paper.
        max_channels: 512 in the paper.
        mbstd_group_size: consecutive clips that share a standard deviation; 4 in the paper, 0 keeps the clips apart.

    Shapes: (B, channels, 3, size, size) with view {"times": (B, 3), indices of frames} -> one head, (B,).
    Raises: ValueError if a size cannot be judged, or if the view or needed labels are missing.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        num_classes: int = 0,
        max_num_frames: int = 1024,
        base_channels: int = 16384,
        max_channels: int = 512,
        mbstd_group_size: int = 4,
    ) -> None:
        super().__init__(num_classes)
        if not NUM_SEEN <= num_frames <= max_num_frames:
            raise ValueError(f"num_frames is {num_frames}; StyleGAN-V judges {NUM_SEEN} to {max_num_frames}")
        if size < 2 * JOINING_SIZE:
            raise ValueError(f"size is {size}; the discriminator of StyleGAN-V needs at least {2 * JOINING_SIZE}")
        self.num_frames = num_frames
        falling = resolutions(size)[::-1]
        width = {resolution: num_channels(resolution, base_channels, max_channels) for resolution in falling}
        joined = width[JOINING_SIZE] // 2
        self.from_pixels = EqualizedConv2d(channels, width[size], kernel_size=1, activates=True)
        self.frame_blocks, self.clip_blocks = nn.Sequential(), nn.Sequential()
        for resolution, after in pairwise(falling):
            outputs = joined if after == JOINING_SIZE else width[after]
            if resolution > JOINING_SIZE:
                self.frame_blocks.append(ResidualBlock(width[resolution], outputs, resolution))
            else:
                inputs = NUM_SEEN * joined if resolution == JOINING_SIZE else width[resolution]
                self.clip_blocks.append(ResidualBlock(inputs, outputs, resolution, hidden=width[resolution]))
        self.differences = TimeDifferences(max_num_frames)
        condition_dim = (NUM_SEEN - 1) * self.differences.num_outputs + num_classes
        self.epilogue = Epilogue(width[4], mbstd_group_size, condition_dim, num_mapping_layers=2)
        self.num_features = (width[4],)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Three rising indices of frames, see the class: {"times": (num_clips, 3)}."""
        spans = 2 ** torch.arange(1, min(self.num_frames - 1, 32).bit_length())
        span = spans[torch.randint(len(spans), (num_clips,), generator=rng)]
        first = (torch.rand(num_clips, generator=rng) * (self.num_frames - span)).long()
        between = 1 + (torch.rand(num_clips, generator=rng) * (span - 1)).long()
        return {"times": torch.stack([first, first + between, first + span], dim=1)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        """(B, C, T, H, W) -> (B, C, 3, H, W)."""
        return pick_frames(videos, view["times"])

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class."""
        if view is None:
            raise ValueError("StyleGANVDiscriminator needs the view that its clips were seen with")
        frames = seen.transpose(1, 2).flatten(0, 1)  # (B, C, 3, H, W) -> (B * 3, C, H, W)
        features = self.frame_blocks(self.from_pixels(frames))
        features = self.clip_blocks(features.unflatten(0, (len(seen), NUM_SEEN)).flatten(1, 2))
        condition = self.differences(view["times"].diff(dim=1)).flatten(1)
        classes = one_hot(labels, self)
        condition = condition if classes is None else torch.cat([condition, classes], dim=1)
        logits, features = self.epilogue(features, condition)
        return Judgement((logits,), (features,))


class TimeDifferences(nn.Module):
    """Whole numbers of frames as a learned vector of 256, and sines and cosines of periods 4, 8, ..., 2 x longest.

    Args:
        longest: differences are below it; rounded up to a power of two for the periods.

    Shapes: (...) int -> (..., num_outputs).
    """

    frequencies: Tensor

    def __init__(self, longest: int) -> None:
        super().__init__()
        num_frequencies = math.ceil(math.log2(longest))
        self.embedding = nn.Embedding(longest, 256)
        frequencies = math.pi * 2.0 ** (torch.arange(num_frequencies) - num_frequencies)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.num_outputs = 256 + 2 * num_frequencies

    def forward(self, differences: Tensor) -> Tensor:
        """See the class."""
        angles = differences.unsqueeze(-1) * self.frequencies
        return torch.cat([self.embedding(differences), angles.sin(), angles.cos()], dim=-1)
