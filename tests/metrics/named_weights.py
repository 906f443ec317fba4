"""Weights that depend on nothing but a parameter's name and shape, as the reference implementations had them."""

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def named_weights(network: nn.Module) -> dict[str, Tensor]:
    """State dict for `network`, float32 (int64 for num_batches_tracked)."""
    return {name: torch.from_numpy(_values(name, tuple(value.shape))) for name, value in network.state_dict().items()}


def _values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        values = 1.0 + 0.1 * np.abs(noise)
    elif len(shape) >= 2:  # convolution or linear weight: He
        values = noise * math.sqrt(2.0 / np.prod(shape[1:]))
    elif name.endswith("weight"):  # scale of a normalisation
        values = 1.0 + 0.05 * noise
    else:  # bias, running_mean
        values = 0.05 * noise
    return values.astype(np.float32)
