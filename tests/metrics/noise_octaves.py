"""Pictures of whole numbers alone, so that every machine makes the same: noise in five octaves."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor


def noise_octaves(kind: Literal["octaves", "noise", "blurred"], height: int = 200, width: int = 300) -> Tensor:
    """uint8 (height, width)."""
    rng = np.random.RandomState(3)  # its stream is frozen for good
    picture = np.zeros((height, width), dtype=int)
    for octave in range(5):
        size = 2**octave
        coarse = rng.randint(-6 * size, 6 * size + 1, (height // size + 1, width // size + 1))
        picture += np.kron(coarse, np.ones((size, size), dtype=int))[:height, :width]
    picture = 128 + picture // 2
    if kind == "noise":
        picture = picture + rng.randint(-40, 41, (height, width))
    if kind == "blurred":
        shifted = [np.roll(picture, (down, right), (0, 1)) for down in range(5) for right in range(5)]
        picture = sum(shifted, np.zeros_like(picture)) // 25
    return torch.from_numpy(np.clip(picture, 0, 255).astype(np.uint8))
