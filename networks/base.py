"""What every generator and every discriminator promises."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Latents = dict[str, Tensor]


class Generator(nn.Module, ABC):
    """Maps latents to videos, (B, C, T, H, W) float32 in [-1, 1].

    Args:
        num_frames: T, at least 1.
        size: H = W, in pixels.
        channels: C; 3 for RGB.
    """

    def __init__(self, num_frames: int, size: int, channels: int = 3) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.size = size
        self.channels = channels

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W) of every video that comes out."""
        return self.channels, self.num_frames, self.size, self.size

    @abstractmethod
    def sample_latents(self, num_videos: int, rng: torch.Generator) -> Latents:
        """Draw latents on the CPU for `num_videos` videos: named tensors, each with the videos along its first axis.

        All randomness of a video is in its latents, so the same latents always make the same video.
        """

    @abstractmethod
    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        """Make one video per latent: (B, C, T, H, W) in [-1, 1].  `labels`: (B,) class indices, or None."""


class Discriminator(nn.Module, ABC):
    """Maps videos (B, C, T, H, W) to a tuple of logits, one tensor (B, ...) per head; larger means more real."""

    @abstractmethod
    def forward(self, videos: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...]:
        """One tensor of logits per head.  `labels`: (B,) class indices, or None."""
