"""The layers of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958 and arXiv:2006.06676) in plain tensor operations."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import in_float32
from networks.equalized import EqualizedConv2d, EqualizedLinear, activated
from networks.minibatch import with_deviations
from networks.stylegan2_mapping import MappingNetwork


def num_channels(size: int, base_channels: int, max_channels: int) -> int:
    """min(base_channels / size, max_channels): the channels at a resolution."""
    return max(min(base_channels // size, max_channels), 1)


def resolutions(size: int) -> list[int]:
    """4, 8, ..., size, or an error that names the sizes that can be made."""
    if size < 8 or size & (size - 1):
        raise ValueError(f"size is {size}; the networks of the StyleGAN family make powers of two from 8 only")
    return [2**exponent for exponent in range(2, size.bit_length())]


class ModulatedConv2d(nn.Module):
    """A convolution whose input channels are scaled by an affine function s of w (arXiv:1912.04958, section 2.2).

    Demodulation divides each output channel by sqrt(sum (s_i weight_oik)^2), the standard deviation that unit input
    would have.  Both factors are applied to the activations, which is the same as scaling weights of each video's own.

    Args:
        inputs: input channels.
        outputs: output channels.
        w_dim: length of w.
        kernel_size: odd.
        size: H = W of what comes out.
        doubles: double the resolution: transposed convolution, then the filter [1, 3, 3, 1].
        demodulates: see above; without it s is scaled by 1 / sqrt(fan_in), which equalises the learning rate.
        activates: see the module's docstring.
    """

    blur: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        kernel_size: int,
        size: int,
        doubles: bool = False,
        demodulates: bool = True,
        activates: bool = True,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, inputs, initial_bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 if demodulates else 1 / math.sqrt(inputs * kernel_size**2)
        self.doubles, self.demodulates, self.activates = doubles, demodulates, activates
        if doubles:
            self.register_buffer("blur", 2 * filter_matrix(size + 1, padding=1), persistent=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (N, inputs, H, W), w (N, w_dim) -> (N, outputs, size, size)."""
        with in_float32(x):
            scales = self.affine(w.float()) * self.gain  # (N, inputs)
            energies = scales.square() @ self.weight.square().sum(dim=(2, 3)).T  # (N, outputs)
            demodulation = (energies + 1e-8).rsqrt()
        x = x * scales.to(x.dtype)[:, :, None, None]
        if self.doubles:
            x = filtered(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), self.blur)
        else:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulates:
            x = x * demodulation.to(x.dtype)[:, :, None, None]
        x = x + self.bias.to(x.dtype)[:, None, None]
        return activated(x) if self.activates else x


class SynthesisBlock(nn.Module):
    """Double the resolution, two modulated 3x3 convolutions, and add to the picture made so far (skip architecture).

    The first block (size 4) has one convolution and doubles nothing.

    Args:
        inputs: input channels.
        outputs: output channels.
        w_dim: length of w.
        size: H = W of what comes out.
        channels: of the picture.
    """

    doubling: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: int, channels: int) -> None:
        super().__init__()
        self.is_first = size == 4
        if not self.is_first:
            self.conv0 = ModulatedConv2d(inputs, outputs, w_dim, kernel_size=3, size=size, doubles=True)
            self.register_buffer("doubling", doubling_matrix(size // 2), persistent=False)
        self.conv1 = ModulatedConv2d(inputs if self.is_first else outputs, outputs, w_dim, kernel_size=3, size=size)
        self.to_pixels = ModulatedConv2d(outputs, channels, w_dim, 1, size, demodulates=False, activates=False)

    def forward(self, x: Tensor, pixels: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, inputs, H, W), the picture (N, channels, H, W) or None, w (N, w_dim) -> both at `size`."""
        if not self.is_first:
            x = self.conv0(x, w)
        x = self.conv1(x, w)
        added = self.to_pixels(x, w).float()
        if pixels is None:
            return x, added
        with in_float32(x):
            return x, filtered(pixels, self.doubling) + added


class ResidualBlock(nn.Module):
    """The discriminator's block: two 3x3 convolutions, the second strided, beside a strided 1x1; halves H and W.

    Both ways are filtered with [1, 3, 3, 1] before the stride and their sum is scaled by sqrt(1/2).

    Args:
        inputs: input channels.
        outputs: output channels.
        size: H = W of what goes in.
        hidden: channels between the two convolutions; None for `inputs`.
    """

    blur: Tensor
    halving: Tensor

    def __init__(self, inputs: int, outputs: int, size: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = inputs if hidden is None else hidden
        self.conv0 = EqualizedConv2d(inputs, hidden, kernel_size=3, padding=1, activates=True)
        self.conv1 = EqualizedConv2d(hidden, outputs, kernel_size=3, stride=2, activates=True)
        self.skip = EqualizedConv2d(inputs, outputs, kernel_size=1, bias=False)
        self.register_buffer("blur", filter_matrix(size, padding=2), persistent=False)
        self.register_buffer("halving", filter_matrix(size, padding=1, stride=2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H/2, W/2)."""
        skipped = self.skip(filtered(x, self.halving))
        return (self.conv1(filtered(self.conv0(x), self.blur)) + skipped) * math.sqrt(0.5)


class Epilogue(nn.Module):
    """4x4 features to a logit: minibatch standard deviation, 3x3 convolution, two linear layers; in float32.

    With a condition the last layer gives a vector instead, and the logit is its inner product with the mapped condition
    divided by the square root of its length.

    Args:
        channels: of the features, and of the hidden layers.
        mbstd_group_size: consecutive pictures that share a standard deviation, see
            `networks.minibatch.with_deviations`; 4 in the paper, 0 for no such channel.
        condition_dim: length of the condition; 0 for none.
        num_mapping_layers: of the condition's mapping network.
    """

    def __init__(
        self, channels: int, mbstd_group_size: int = 4, condition_dim: int = 0, num_mapping_layers: int = 8
    ) -> None:
        super().__init__()
        self.mbstd_group_size = mbstd_group_size
        self.map_condition = MappingNetwork(0, channels, num_mapping_layers, condition_dim) if condition_dim else None
        added = 1 if mbstd_group_size else 0
        self.conv = EqualizedConv2d(channels + added, channels, kernel_size=3, padding=1, activates=True)
        self.hidden = EqualizedLinear(channels * 16, channels, activates=True)
        self.out = EqualizedLinear(channels, channels if condition_dim else 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, channels, 4, 4), (N, condition_dim) -> logits (N,), features (N, channels)."""
        with in_float32(x):
            x = x.float()
            if self.mbstd_group_size:
                x = with_deviations(x, self.mbstd_group_size)
            features = self.hidden(self.conv(x).flatten(1))
            logits = self.out(features)
            if self.map_condition is None:
                return logits.squeeze(1), features
            mapped = self.map_condition(None, condition)
            return (logits * mapped).sum(dim=1) / math.sqrt(mapped.shape[1]), features


def filter_matrix(length: int, padding: int, stride: int = 1) -> Tensor:
    """M such that M @ signal is the signal, with zeros around, filtered with [1, 3, 3, 1] / 8 and strided."""
    taps = torch.tensor([[[1.0, 3.0, 3.0, 1.0]]]) / 8
    return F.conv1d(torch.eye(length).unsqueeze(1), taps, stride=stride, padding=padding).squeeze(1).T.contiguous()


def doubling_matrix(length: int) -> Tensor:
    """M such that M @ signal has zeros inserted between the samples and is filtered with [1, 3, 3, 1] / 4."""
    return 2 * filter_matrix(2 * length, padding=2)[:-1, ::2].contiguous()


def filtered(x: Tensor, matrix: Tensor) -> Tensor:
    """Apply a filter's matrix along H and W: (..., H, W) -> (..., H', W').

    Matrix products are quick on CPUs and GPUs and can be differentiated as often as a penalty wishes.
    """
    matrix = matrix.to(x.dtype)
    return matrix @ x @ matrix.T
