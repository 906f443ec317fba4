"""Recurrent layers whose states are pictures: convolutions take the place of matrix products."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvLSTM(nn.Module):
    """A convolutional LSTM without peepholes (Shi et al. 2015, arXiv:1506.04214, Eq. 3), from a state of zeros.

    i, f, g, o = W_x * x_t + W_h * h_{t-1} + b,   c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),
    h_t = sigmoid(o) tanh(c_t);  * is a convolution that keeps height and width.

    Args:
        in_channels: channels of x_t.
        hidden_channels: channels of h_t and c_t.
        kernel_size: an odd number of pixels.

    Shapes: (B, T, in_channels, H, W) -> (B, num_frames, hidden_channels, H, W) in (-1, 1).
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.hidden_channels = hidden_channels
        self.from_input = nn.Conv2d(in_channels, 4 * hidden_channels, kernel_size, padding=padding, bias=False)
        self.from_hidden = nn.Conv2d(hidden_channels, 4 * hidden_channels, kernel_size, padding=padding)

    def forward(self, inputs: Tensor, num_frames: int | None = None) -> Tensor:
        """See the class; with `num_frames`, at least T, the inputs after the last one are zeros."""
        num_inputs = inputs.shape[1]
        driven = self.from_input(inputs.flatten(0, 1)).unflatten(0, (-1, num_inputs))  # (B, T, 4 hidden, H, W)
        hidden = cell = zero_state(inputs, self.hidden_channels)
        states = []
        for frame in range(num_frames or num_inputs):
            gates = self.from_hidden(hidden)
            if frame < num_inputs:  # without a bias, an input of zeros adds nothing
                gates = gates + driven[:, frame]
            i, f, g, o = gates.chunk(4, dim=1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            states.append(hidden)
        return torch.stack(states, dim=1)


class ConvGRU(nn.Module):
    """The convolutional GRU of DVD-GAN (Clark et al. 2019, arXiv:1907.06571), from a state of zeros.

    r, u = sigmoid(W_g * [x_t; h_{t-1}] + b_g),   c = relu(W_c * [x_t; r h_{t-1}] + b_c),
    h_t = u h_{t-1} + (1 - u) c;  * is a convolution that keeps height and width.

    Both convolutions are modules that see x and h together, so a spectral norm put on them is that of the whole weight.

    Args:
        in_channels: channels of x_t.
        hidden_channels: channels of h_t.
        kernel_size: an odd number of pixels; 3 in the paper.

    Shapes: (B, T, in_channels, H, W) -> (B, T, hidden_channels, H, W), at least 0.
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.padding = kernel_size // 2
        self.gates = nn.Conv2d(in_channels + hidden_channels, 2 * hidden_channels, kernel_size, padding=self.padding)
        self.candidate = nn.Conv2d(in_channels + hidden_channels, hidden_channels, kernel_size, padding=self.padding)

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        # Once a sequence, not once a frame: a spectral norm makes a weight anew whenever it is asked for.
        parts = [self.in_channels, self.hidden_channels]
        gates_of_x, gates_of_h = self.gates.weight.split(parts, dim=1)
        candidate_of_x, candidate_of_h = self.candidate.weight.split(parts, dim=1)
        weight_of_x = torch.cat([gates_of_x, candidate_of_x])
        driven = F.conv2d(inputs.flatten(0, 1), weight_of_x, padding=self.padding)
        driven = driven.unflatten(0, inputs.shape[:2])  # (B, T, 3 hidden, H, W)
        hidden = zero_state(inputs, self.hidden_channels)
        states = []
        for frame in driven.unbind(1):
            gates_driven, candidate_driven = frame.split([2 * self.hidden_channels, self.hidden_channels], dim=1)
            gates = torch.sigmoid(gates_driven + F.conv2d(hidden, gates_of_h, self.gates.bias, padding=self.padding))
            reset, update = gates.chunk(2, dim=1)
            remembered = F.conv2d(reset * hidden, candidate_of_h, self.candidate.bias, padding=self.padding)
            candidate = F.relu(candidate_driven + remembered)
            hidden = update * hidden + (1 - update) * candidate
            states.append(hidden)
        return torch.stack(states, dim=1)


def zero_state(inputs: Tensor, channels: int) -> Tensor:
    """(B, channels, H, W) of zeros, at least float32: under autocast, rounding would add up from frame to frame."""
    dtype = torch.promote_types(inputs.dtype, torch.float32)
    return inputs.new_zeros(inputs.shape[0], channels, *inputs.shape[3:], dtype=dtype)
