"""A generator whose frames are driven by a temporal convolutional network."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from networks.base import Latents
from networks.frame_networks import FrameGenerator

KERNEL = 3
DILATIONS = (1, 2, 4, 8)
RECEPTIVE_FIELD = 1 + 2 * (KERNEL - 1) * sum(DILATIONS)  # 61 frames: two convolutions a block


class TCNGenerator(FrameGenerator):
    """A sequence of noise through a temporal convolutional network (Bai et al. 2018, arXiv:1803.01271) to the codes of
    the frames, beside a content code that all frames share.

    Nothing is padded (as in the motion codes of Skorokhodov et al. 2022, arXiv:2112.14683, section 3.1): the latents
    hold the noise of the 60 frames before the first as well.  So all frames have the same distribution, any number of
    them can be made, and, given z_content, frames that are 61 or more apart are independent.

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | e_(-59) ... e_T | 64, 76 |
    | Conv1d k1 | 128, 76 |
    | CausalBlock, dilation 1 | 128, 72 |
    | CausalBlock, dilation 2 | 128, 64 |
    | CausalBlock, dilation 4 | 128, 48 |
    | CausalBlock, dilation 8 | 128, 16 |
    | beside it z_content, repeated | 228, 16 |
    | `networks.frame_networks.FrameDecoder` | 3, 16, 64, 64 |

    No norm runs over time: weight norm (Salimans and Kingma 2016, arXiv:1602.07868) instead; the paper's dropout is
    left out.  5,028,864 parameters at the default size.  `networks.mocogan.MoCoGANDiscriminator` judges it.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        content_dim: length of z_content ~ N(0, I); 0 for none.
        noise_dim: length of e_t ~ N(0, I).
        hidden_dim: channels of the temporal network.
        base_channels: channels before the last layer.

    Shapes: latents {"content": (B, content_dim), "noise": (B, T + 60, noise_dim)} -> (B, channels, T, size, size) in
        [-1, 1], for any T.
    Raises: ValueError if a size cannot be made.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        content_dim: int = 100,
        noise_dim: int = 64,
        hidden_dim: int = 128,
        base_channels: int = 64,
    ) -> None:
        super().__init__(content_dim + hidden_dim, num_frames, size, channels, base_channels=base_channels)
        self.content_dim = content_dim
        self.noise_dim = noise_dim
        self.temporal = nn.Sequential(
            nn.Conv1d(noise_dim, hidden_dim, 1), *(CausalBlock(hidden_dim, dilation) for dilation in DILATIONS)
        )

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z_content, (num_videos, content_dim), and the noise, (num_videos, T + 60, noise_dim), from N(0, I)."""
        length = self.checked_num_frames(num_frames) + RECEPTIVE_FIELD - 1
        return {
            "content": torch.randn(num_videos, self.content_dim, generator=rng),
            "noise": torch.randn(num_videos, length, self.noise_dim, generator=rng),
        }

    def frame_codes(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """z_content and the temporal network's output, (B, T, content_dim + hidden_dim)."""
        motion = self.temporal(latents["noise"].transpose(1, 2)).transpose(1, 2)  # (B, T, hidden_dim)
        content = latents["content"][:, None].expand(-1, motion.shape[1], -1)
        return torch.cat([content.to(motion.dtype), motion], dim=2)


class CausalBlock(nn.Module):
    """relu(x + relu(conv(relu(conv(x))))) with dilated convolutions of kernel 3 (arXiv:1803.01271, section 3.3).

    Shapes: (B, channels, L) -> (B, channels, L - 4 * dilation); position t of the output has seen the input up to
        the same moment, which is its position t + 4 * dilation, and as far back as position t.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first, self.second = (
            weight_norm(nn.Conv1d(channels, channels, KERNEL, dilation=dilation)) for _ in range(2)
        )

    def forward(self, sequence: Tensor) -> Tensor:
        """See the class."""
        change = F.relu(self.second(F.relu(self.first(sequence))))
        return F.relu(sequence[:, :, -change.shape[2] :] + change)
