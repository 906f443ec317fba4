"""The layers of DIGAN's generator (Yu et al. 2022, arXiv:2202.10571), which works on (B, C, T, H, W) pixel by pixel."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.equalized import EqualizedLinear, activated


class FourierFeatures(nn.Module):
    """Sines and cosines of positions in a video, whose phases move with time (arXiv:2202.10571, section 3).

    For each frequency the angle at (x, y, t) is

        sqrt(10) W (x, y) + b + MLP(leaky_relu(sigma t A [w, motion])),

    with W and b affine functions of w.

    Args:
        w_dim: length of w.
        motion_dim: length of the motion's noise.
        size: H = W.
        motion_sigma: 0.25 in the paper; larger is more motion and, beyond some point, flicker.
        num_frequencies: 128 in the paper.

    Shapes: w (B, w_dim), motion (B, motion_dim), times (B, T) -> (B, 2 num_frequencies, T, size, size).
    """

    positions: Tensor

    def __init__(
        self, w_dim: int, motion_dim: int, size: int, motion_sigma: float = 0.25, num_frequencies: int = 128
    ) -> None:
        super().__init__()
        self.num_frequencies = num_frequencies
        self.num_outputs = 2 * num_frequencies
        self.motion_sigma = motion_sigma
        self.to_waves = EqualizedLinear(w_dim, 3 * num_frequencies)  # W (two each) and b
        self.to_motion = EqualizedLinear(w_dim + motion_dim, num_frequencies)
        self.motion_mlp = nn.Sequential(
            EqualizedLinear(num_frequencies, num_frequencies, activates=True),
            EqualizedLinear(num_frequencies, num_frequencies),
        )
        line = torch.arange(size) / size * 2 - 1
        positions = torch.stack([line.expand(size, size), -line[:, None].expand(size, size)])
        self.register_buffer("positions", positions.flatten(1), persistent=False)  # (2, H * W)
        self.size = size

    def forward(self, w: Tensor, motion: Tensor, times: Tensor) -> Tensor:
        """See the class."""
        slopes, phases = self.to_waves(w).split([2 * self.num_frequencies, self.num_frequencies], dim=1)
        slopes = math.sqrt(10) * slopes.unflatten(1, (-1, 2))  # (B, 128, 2)
        speeds = self.to_motion(torch.cat([w, motion], dim=1)).unsqueeze(1)  # (B, 1, 128)
        moved = self.motion_mlp(F.leaky_relu(self.motion_sigma * times.unsqueeze(2) * speeds))  # (B, T, 128)
        phases = (phases.unsqueeze(1) + moved).transpose(1, 2)  # (B, 128, T)
        angles = (slopes @ self.positions).unsqueeze(2) + phases.unsqueeze(3)  # (B, 128, T, H * W)
        return torch.cat([angles.sin(), angles.cos()], dim=1).unflatten(3, (self.size, self.size))


class FactorizedModulation(nn.Module):
    """A 1x1 layer whose weights a matrix of low rank changes for each video, and leaky ReLU.

    W' = W * (1 + A B / sqrt(rank)) with A (outputs, rank) and B (rank, inputs) affine functions of w; every row of W'
    is divided by its length (Skorokhodov et al. 2021, arXiv:2011.12026).

    Args:
        inputs: input channels.
        outputs: output channels.
        w_dim: length of w.
        rank: 10 in the paper.

    Shapes: (B, inputs, T, H, W), w (B, w_dim) -> (B, outputs, T, H, W).
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, rank: int = 10) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, (inputs + outputs) * rank)
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.rank = rank

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """See the class."""
        outputs, inputs = self.weight.shape
        left, right = self.affine(w).split([outputs * self.rank, inputs * self.rank], dim=1)
        change = left.unflatten(1, (outputs, self.rank)) @ right.unflatten(1, (self.rank, inputs))
        weights = F.normalize(self.weight * (1 + change / math.sqrt(self.rank)), dim=2)
        return activated(pixelwise(weights, x) + self.bias[:, None, None, None])


class ToPixels(nn.Module):
    """StyleGAN2's layer to pixels: a 1x1 convolution whose inputs an affine function of w scales.

    Shapes: (B, inputs, T, H, W), w (B, w_dim) -> (B, channels, T, H, W).
    """

    def __init__(self, inputs: int, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, initial_bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """See the class."""
        weights = self.weight * self.affine(w).unsqueeze(1) / math.sqrt(self.weight.shape[1])
        return pixelwise(weights, x) + self.bias[:, None, None, None]


def pixelwise(weights: Tensor, x: Tensor) -> Tensor:
    """Each video's own matrix (B, outputs, inputs) at every pixel of (B, inputs, T, H, W)."""
    return (weights @ x.flatten(2)).unflatten(2, x.shape[2:])


def doubled(x: Tensor) -> Tensor:
    """(..., H, W) -> (..., 2H, 2W), each pixel four times."""
    return x.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)
