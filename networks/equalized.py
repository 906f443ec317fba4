"""Layers with equalised learning rates (Karras et al. 2018, arXiv:1710.10196, section 4.1).

Weights are drawn from N(0, 1) and multiplied at run time by 1 / sqrt(fan_in), times a learning rate multiplier.  A
layer that `activates` is followed by leaky ReLU 0.2 and gain sqrt(2), which keeps the second moment.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU 0.2 and gain sqrt(2)."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


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
