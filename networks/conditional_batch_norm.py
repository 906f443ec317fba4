"""Batch norm of frames whose gain and bias depend on the video's latents or class."""

import torch
from torch import Tensor, nn


class ConditionalBatchNorm(nn.Module):
    """Batch norm with gain  g + W_g c  and bias  b + W_b c  for the condition c of a video.

    c = [z; e(y)] gives the norm of BigGAN (Brock et al. 2019, arXiv:1809.11096, appendix B) and of DVD-GAN
    (arXiv:1907.06571); c one-hot gives a gain and a bias for each class (Miyato and Koyama 2018, arXiv:1802.05637).
    g starts at 1 and b at 0; W_g and W_b start at 0, where the owner does not initialise them otherwise.

    Frames of one video follow each other in the batch and share its condition.

    Args:
        num_channels: C.
        condition_dim: length of c; 0 is an ordinary batch norm.
        num_frames: T, if every time step has statistics of its own; None pools them over time, for any T.

    Shapes: frames (B * T, C, H, W), condition (B, condition_dim) or None -> (B * T, C, H, W).
    """

    def __init__(self, num_channels: int, condition_dim: int = 0, num_frames: int | None = None) -> None:
        super().__init__()
        self.num_frames = num_frames or 1
        self.norm = nn.BatchNorm2d(num_channels * self.num_frames, affine=False)
        self.gain = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        if condition_dim:
            self.to_gain = nn.Linear(condition_dim, num_channels, bias=False)
            self.to_bias = nn.Linear(condition_dim, num_channels, bias=False)
            nn.init.zeros_(self.to_gain.weight)
            nn.init.zeros_(self.to_bias.weight)

    def forward(self, frames: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class."""
        # The time steps become channels, since those are what batch norm keeps apart: (B, T * C, H, W).
        normalized = self.norm(frames.reshape(-1, frames.shape[1] * self.num_frames, *frames.shape[2:]))
        normalized = normalized.reshape(frames.shape)
        gain, bias = self.gain[None], self.bias[None]
        if condition is not None:
            num_frames = len(frames) // len(condition)
            gain = (gain + self.to_gain(condition)).repeat_interleave(num_frames, dim=0)  # (B, C) -> (B * T, C)
            bias = (bias + self.to_bias(condition)).repeat_interleave(num_frames, dim=0)
        gain, bias = (factor[:, :, None, None].to(normalized.dtype) for factor in (gain, bias))
        return torch.addcmul(bias, normalized, gain)
