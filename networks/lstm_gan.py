"""A generator whose frames are driven by a long short-term memory."""

import torch
from torch import Tensor, nn

from networks.base import Latents, in_float32
from networks.frame_networks import FrameGenerator


class LSTMGenerator(FrameGenerator):
    """Noise through an LSTM to the code of each frame, beside a content code that all frames share.

    This is MoCoGAN (Tulyakov et al. 2018, arXiv:1707.04993) with a larger recurrent part, an LSTM (Hochreiter and
    Schmidhuber 1997) for its GRU.  The forget gate's bias starts at 1 (Jozefowicz et al. 2015, section 2), the
    recurrent weights of each gate are orthogonal (Saxe et al. 2014, arXiv:1312.6120), and both states start at 0.

    | layer | out, at 16 frames of 64x64 |
    |---|---|
    | LSTMCell 32 -> 128 on e_1 ... e_T | 16, 128 |
    | beside it z_content, repeated | 16, 228 |
    | `networks.frame_networks.FrameDecoder` | 3, 16, 64, 64 |

    4,708,224 parameters at the default size.  The networks of `networks.mocogan.MoCoGANDiscriminator` judge it.

    Args:
        num_frames: T, at least 1.
        size: H = W in pixels, a power of two from 16.
        channels: 3 for RGB.
        content_dim: length of z_content ~ N(0, I).
        noise_dim: length of e_t ~ N(0, I).
        hidden_dim: length of the LSTM's output.
        base_channels: channels before the last layer.

    Shapes: latents {"content": (B, content_dim), "noise": (B, T, noise_dim)} -> (B, channels, T, size, size) in
        [-1, 1], for any T.
    Raises: ValueError if a size cannot be made.
    """

    def __init__(
        self,
        num_frames: int = 16,
        size: int = 64,
        channels: int = 3,
        content_dim: int = 100,
        noise_dim: int = 32,
        hidden_dim: int = 128,
        base_channels: int = 64,
    ) -> None:
        super().__init__(content_dim + hidden_dim, num_frames, size, channels, base_channels=base_channels)
        self.content_dim = content_dim
        self.noise_dim = noise_dim
        self.recurrent = nn.LSTMCell(noise_dim, hidden_dim)
        init_recurrent(self.recurrent)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        """z_content, (num_videos, content_dim), and e_1 ... e_T, (num_videos, T, noise_dim), from N(0, I)."""
        num_frames = self.checked_num_frames(num_frames)
        return {
            "content": torch.randn(num_videos, self.content_dim, generator=rng),
            "noise": torch.randn(num_videos, num_frames, self.noise_dim, generator=rng),
        }

    def frame_codes(self, latents: Latents, labels: Tensor | None) -> Tensor:
        """z_content and the LSTM's output, (B, T, content_dim + hidden_dim)."""
        content, noise = latents["content"], latents["noise"]
        state, outputs = None, []
        with in_float32(noise):  # the rounding of bfloat16's 8 bits would add up from frame to frame
            for noise_t in noise.float().unbind(1):
                state = self.recurrent(noise_t, state)
                outputs.append(state[0])
        return torch.cat([content[:, None].expand(-1, len(outputs), -1), torch.stack(outputs, dim=1)], dim=2)


@torch.no_grad()
def init_recurrent(cell: nn.LSTMCell) -> None:
    """Orthogonal recurrent weights for each gate, biases 0 but for the forget gate's, which is 1."""
    nn.init.zeros_(cell.bias_ih)
    nn.init.zeros_(cell.bias_hh)
    for gate in cell.weight_hh.chunk(4):
        nn.init.orthogonal_(gate)
    nn.init.ones_(cell.bias_ih.chunk(4)[1])  # input, forget, cell, output; the two biases of a gate add up
