"""The layers of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958 and arXiv:2006.06676) in plain tensor operations.

Equalised learning rates: weights are drawn from N(0, 1) and multiplied at run time by 1 / sqrt(fan_in), times a
learning rate multiplier.  A layer that `activates` is followed by leaky ReLU 0.2 and gain sqrt(2), which keeps the
second moment.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.base import Discriminator, Generator, required_labels


def in_float32(tensor: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the device of `tensor`."""
    if tensor.is_meta:  # a network can be built and run there for its shapes, but there is no autocast
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU 0.2 and gain sqrt(2)."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def second_moment_normalized(x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2)) along the last axis."""
    return x * (x.square().mean(dim=-1, keepdim=True) + 1e-8).rsqrt()


def num_channels(size: int, base_channels: int, max_channels: int) -> int:
    """min(base_channels / size, max_channels): the channels at a resolution."""
    return max(min(base_channels // size, max_channels), 1)


def resolutions(size: int) -> list[int]:
    """4, 8, ..., size, or an error that names the sizes that can be made."""
    if size < 8 or size & (size - 1):
        raise ValueError(f"size is {size}; the networks of the StyleGAN family make powers of two from 8 only")
    return [2**exponent for exponent in range(2, size.bit_length())]


def one_hot(labels: Tensor | None, network: Generator | Discriminator) -> Tensor | None:
    """(B,) class indices -> (B, num_classes) float32; None if there are no classes, an error if labels are missing."""
    if network.num_classes == 0:
        return None
    return F.one_hot(required_labels(labels, network), network.num_classes).float()


class EqualizedLinear(nn.Module):
    """A linear layer with equalised learning rate, see the module's docstring."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool = True,
        initial_bias: float = 0.0,
        activates: bool = False,
        learning_rate_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / learning_rate_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), initial_bias)) if bias else None
        self.gain = learning_rate_multiplier / math.sqrt(inputs)
        self.bias_gain = learning_rate_multiplier
        self.activates = activates

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        bias = None if self.bias is None else self.bias * self.bias_gain
        x = F.linear(x, self.weight * self.gain, bias)
        return activated(x) if self.activates else x


class EqualizedConv2d(nn.Module):
    """A 2-D convolution with equalised learning rate, see the module's docstring."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        activates: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * kernel_size**2)
        self.stride, self.padding, self.activates = stride, padding, activates

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        x = F.conv2d(x, self.weight * self.gain, self.bias, self.stride, self.padding)
        return activated(x) if self.activates else x


class MappingNetwork(nn.Module):
    """z and a condition to w: both normalised to second moment 1, concatenated, then activated linear layers.

    Their learning rate multiplier is 0.01.  Where there is a z, `w_avg` follows the mean of w in training mode, with
    decay 0.995 a call; with several processes each follows its own clips.

    Args:
        latent_dim: length of z; 0 maps the condition alone.
        w_dim: length of w, of the hidden layers and of the embedded condition.
        num_layers: at least 1.
        condition_dim: length of the condition, which goes through a linear layer first; 0 for none.

    Shapes: (B, latent_dim), (B, condition_dim) -> (B, w_dim) float32, under autocast too.
    """

    w_avg: Tensor

    def __init__(self, latent_dim: int, w_dim: int, num_layers: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.embed = EqualizedLinear(condition_dim, w_dim) if condition_dim else None
        lengths = [latent_dim + (w_dim if condition_dim else 0)] + [w_dim] * num_layers
        self.layers = nn.Sequential(
            *(
                EqualizedLinear(inputs, outputs, activates=True, learning_rate_multiplier=0.01)
                for inputs, outputs in pairwise(lengths)
            )
        )
        if latent_dim:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """See the class."""
        with in_float32(next(self.parameters())):
            parts = [] if z is None else [second_moment_normalized(z.float())]
            if self.embed is not None and condition is not None:
                parts.append(second_moment_normalized(self.embed(condition.float())))
            w = self.layers(torch.cat(parts, dim=1))
        if self.training and z is not None:
            with torch.no_grad():
                self.w_avg.lerp_(w.mean(dim=0), 0.005)
        return w

    def truncated(self, w: Tensor, psi: Tensor | None) -> Tensor:
        """w_avg + psi (w - w_avg), psi (B,); None is 1."""
        return w if psi is None else self.w_avg + psi.unsqueeze(1) * (w - self.w_avg)


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
        mbstd_group_size: pictures that share a standard deviation; 4 in the paper, 0 for no such channel.
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
                x = with_minibatch_deviation(x, self.mbstd_group_size)
            features = self.hidden(self.conv(x).flatten(1))
            logits = self.out(features)
            if self.map_condition is None:
                return logits.squeeze(1), features
            mapped = self.map_condition(None, condition)
            return (logits * mapped).sum(dim=1) / math.sqrt(mapped.shape[1]), features


def with_minibatch_deviation(x: Tensor, group_size: int) -> Tensor:
    """Append one channel: the standard deviation over groups of pictures, averaged over everything else.

    Karras et al. 2018, arXiv:1710.10196, section 3.  A batch that `group_size` does not divide has the largest smaller
    groups that do.
    """
    group = next(size for size in range(min(group_size, len(x)), 0, -1) if len(x) % size == 0)
    groups = x.reshape(group, -1, *x.shape[1:])  # picture i is in group i mod (N / group)
    variances = (groups - groups.mean(dim=0)).square().mean(dim=0)
    deviations = (variances + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (N / group,)
    channel = deviations.repeat(group).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, channel], dim=1)


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


def take_frames(videos: Tensor, times: Tensor) -> Tensor:
    """The frames of each video at `times` (B, N), indices: (B, C, T, H, W) -> (B, C, N, H, W)."""
    return videos.take_along_dim(times[:, None, :, None, None], dim=2)
