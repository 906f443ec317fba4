"""A GAN of single frames: the floor of temporal quality, and the reference for the quality of a frame."""

import math
from typing import Literal

import torch
from torch import Tensor

from networks.base import Discriminator, Judgement, Latents, View, pick_frames
from networks.frame_networks import FrameGenerator, ImageDiscriminatorNetwork, check_clips, distinct_frames
from networks.normalization import Norm

LatentProcess = Literal["independent", "static", "autoregressive"]


class FrameGANGenerator(FrameGenerator):
    """The DCGAN (Radford et al. 2016, arXiv:1511.06434) on every frame; time is in the latents alone.

    latent_process says how the latents z_t ~ N(0, I) of a video's frames hang together:

    | process | z_t | video |
    |---|---|---|
    | independent | e_t | flickers: every frame is a new scene |
    | static | e_1 | stands still |
    | autoregressive | rho z_(t-1) + sqrt(1 - rho^2) e_t | drifts: Gauss-Markov, correlation rho^k over k frames |

    with e_t ~ N(0, I).  All have the same distribution of single frames.

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | `networks.frame_networks.FrameDecoder` on each z_t | 3, 16, 64, 64 |

    3,576,704 parameters at the default size.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        latent_process: see above.
        correlation: rho of "autoregressive", from 0 to 1.
        latent_dim: length of z_t; 100 in the DCGAN.
        base_channels: channels before the last layer.

    Shapes: latents {"z": (B, T, latent_dim)} -> (B, channels, T, size, size) in [-1, 1], for any T.
    Raises: ValueError if a size or the correlation is out of its range.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        latent_process: LatentProcess = "autoregressive",
        correlation: float = 0.95,
        latent_dim: int = 100,
        base_channels: int = 64,
    ) -> None:
        super().__init__(latent_dim, num_frames, size, channels, base_channels=base_channels)
        if not 0 <= correlation <= 1:
            raise ValueError(f"correlation is {correlation}; it must be from 0 to 1")
        self.correlation = {"independent": 0.0, "static": 1.0, "autoregressive": correlation}[latent_process]
        self.latent_dim = latent_dim

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z_1 ... z_T of the latent process, (num_videos, T, latent_dim)."""
        fresh = torch.randn(num_videos, self.checked_num_frames(num_frames), self.latent_dim, generator=rng)
        codes = [fresh[:, 0]]
        for noise in fresh[:, 1:].unbind(1):
            codes.append(self.correlation * codes[-1] + math.sqrt(1 - self.correlation**2) * noise)
        return {"z": torch.stack(codes, dim=1)}

    def frame_codes(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """The latents themselves."""
        return latents["z"]


class FrameGANDiscriminator(Discriminator):
    """Judges single frames; it cannot know how they follow each other.

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | `networks.frame_networks.ImageDiscriminatorNetwork` on each frame | 16 |

    2,765,568 parameters at the default size.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        frames_per_clip: how many random frames it sees of each clip, all different, from 1 to T; None is all of them.
        base_channels: channels after the first layer; 64 in MoCoGAN.
        norm: "batch" in the DCGAN; gradient penalties need another, which does not mix clips.

    Shapes: (B, channels, k, size, size) in [-1, 1] with k the frames that are seen -> one head, (B, k).  Features are
        means over a clip's frames.
    Raises: ValueError if a size or frames_per_clip is out of its range, or for other clips.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        frames_per_clip: int | None = None,
        base_channels: int = 64,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if frames_per_clip is not None and not 1 <= frames_per_clip <= num_frames:
            raise ValueError(f"frames_per_clip is {frames_per_clip}; it must be from 1 to num_frames, {num_frames}")
        self.num_frames = num_frames
        self.frames_per_clip = frames_per_clip
        self.seen_shape = (channels, frames_per_clip or num_frames, size, size)
        self.image_network = ImageDiscriminatorNetwork(size, channels, base_channels, norm=norm)
        self.num_features = (self.image_network.num_features,)

    def sample_view(self, num_clips: int, rng: torch.Generator) -> View:
        """Which frames to see: "times", (num_clips, frames_per_clip), ascending; nothing where all are seen."""
        if self.frames_per_clip is None:
            return {}
        return {"times": distinct_frames(num_clips, self.num_frames, self.frames_per_clip, rng)}

    def look(self, videos: Tensor, view: View) -> Tensor:
        """The frames of the view."""
        return pick_frames(videos, view["times"]) if "times" in view else videos

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        """See the class; labels are not used."""
        check_clips(seen, self.seen_shape, self)
        logits, features = self.image_network(seen.transpose(1, 2).flatten(0, 1))  # (B, C, k, H, W) -> (B * k, C, H, W)
        features = features.unflatten(0, (len(seen), -1)).mean(dim=1)  # (B * k, F) -> (B, F)
        return Judgement((logits.reshape(len(seen), -1),), (features,))
