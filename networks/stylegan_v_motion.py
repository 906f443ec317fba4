"""The continuous motion codes of StyleGAN-V (Skorokhodov et al. 2022, arXiv:2112.14683, section 3.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import in_float32
from networks.equalized import EqualizedLinear

KERNEL_SIZE = 11
NUM_EXTRA_KNOTS = 2 * (KERNEL_SIZE - 1)  # two convolutions without padding take so many


class EqualizedConv1d(nn.Module):
    """A 1-D convolution without padding, equalised with learning rate multiplier 0.01, and leaky ReLU 0.2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, KERNEL_SIZE) / 0.01)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 0.01 / math.sqrt(inputs * KERNEL_SIZE)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, K) -> (B, outputs, K - 10)."""
        return F.leaky_relu(F.conv1d(x, self.weight * self.gain, self.bias * 0.01), 0.2)


class MotionCodes(nn.Module):
    """Noise at equidistant knots to a code of motion at any time.

    Two convolutions over the noise give trajectory codes u_i, one a knot.  At time t between the knots l and r,

        a(t) = omega (tanh(P u_l) + 1) t + scale Q u_l,   scale = max_period omega / (2 pi),
        v(t) = [sin a(t), cos a(t)] - lerp of the same at t_l and t_r + lerp of A u_l and A u_r,

    so that v is A u_i at the knots and runs through them without a jump.  P, Q and A have no bias, which the authors
    found to prevent motion that is the same in all videos.  The frequencies omega belong to periods between `distance`
    and `max_period`, equidistant in their logarithm.  Computed in float32, under autocast too: phases are large.

    Args:
        latent_dim: of the noise at each knot; 512 in the paper.
        code_dim: of u and v, even; 512 in the paper.
        distance: frames between knots, also the shortest period; 16 in the paper (256 for slow motion).
        max_period: frames; 1024 in the paper.
        condition_dim: length of a condition that is laid beside the noise at every knot; 0 for none.

    Shapes: noise (B, K, latent_dim), times (B, T), origin (B, 1) and condition (B, condition_dim) -> (B, T, code_dim).
    The first knot of the noise that has a code lies at or before `origin`; every time must lie between it and the last.
    """

    frequencies: Tensor

    def __init__(
        self, latent_dim: int, code_dim: int, distance: int = 16, max_period: int = 1024, condition_dim: int = 0
    ) -> None:
        super().__init__()
        self.distance = distance
        self.max_period = max_period
        self.convolutions = nn.Sequential(
            EqualizedConv1d(latent_dim + condition_dim, latent_dim), EqualizedConv1d(latent_dim, code_dim)
        )
        self.to_amplitudes = EqualizedLinear(code_dim, code_dim // 2, bias=False)
        self.to_phases = EqualizedLinear(code_dim, code_dim // 2, bias=False)
        self.to_anchors = EqualizedLinear(code_dim, code_dim, bias=False)
        exponents = torch.linspace(math.log2(max_period), math.log2(distance), code_dim // 2)
        self.register_buffer("frequencies", 2 * math.pi / 2**exponents, persistent=False)

    def num_knots(self, num_frames: int) -> int:
        """Knots that a clip of that many frames may need, wherever it begins."""
        return math.ceil((num_frames - 1) / self.distance) + 2 + NUM_EXTRA_KNOTS

    def forward(self, noise: Tensor, times: Tensor, origin: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class."""
        with in_float32(noise):
            if condition is not None:
                noise = torch.cat([noise, condition.unsqueeze(1).expand(-1, noise.shape[1], -1)], dim=2)
            trajectory = self.convolutions(noise.transpose(1, 2)).transpose(1, 2)  # (B, K - 20, code_dim)
            knots = (times / self.distance).floor()
            indices = (knots - (origin / self.distance).floor()).long().unsqueeze(2)  # (B, T, 1)
            left = trajectory.take_along_dim(indices, dim=1)
            right = trajectory.take_along_dim(indices + 1, dim=1)
            share = (times / self.distance - knots).unsqueeze(2)
            detour = self.waves(left, times) - torch.lerp(
                self.waves(left, knots * self.distance), self.waves(left, (knots + 1) * self.distance), share
            )
            return detour + torch.lerp(self.to_anchors(left), self.to_anchors(right), share)

    def waves(self, codes: Tensor, times: Tensor) -> Tensor:
        """[sin a(t), cos a(t)] for codes (B, T, code_dim) and times (B, T) -> (B, T, code_dim)."""
        speeds = self.frequencies * (self.to_amplitudes(codes).tanh() + 1)
        phases = self.to_phases(codes) * self.frequencies * (self.max_period / (2 * math.pi))
        angles = speeds * times.unsqueeze(2) + phases
        return torch.cat([angles.sin(), angles.cos()], dim=2)
