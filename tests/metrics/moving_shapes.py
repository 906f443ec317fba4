"""Clips with enough to look at: textured shapes that move over textured ground."""

import numpy as np
import torch
from torch import Tensor


def moving_shapes(num_clips: int, num_frames: int, size: int) -> Tensor:
    """uint8 (num_clips, 3, num_frames, size, size); clip i is a function of i alone."""
    clips = [_clip(np.random.default_rng([7, index]), num_frames, size) for index in range(num_clips)]
    return torch.from_numpy(np.stack(clips))


def _clip(rng: np.random.Generator, num_frames: int, size: int) -> np.ndarray:
    clip = np.repeat(_texture(rng, size)[:, None], num_frames, axis=1)  # (3, T, H, W)
    row, column = np.mgrid[:size, :size]
    for _ in range(3):
        paint, radius = _texture(rng, size), rng.uniform(0.1, 0.25) * size
        start, velocity = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(-0.06, 0.06, 2) * size
        round_shape = rng.random() < 0.5
        for frame in range(num_frames):
            y, x = start + frame * velocity
            away = np.abs(row - y), np.abs(column - x)
            inside = np.hypot(*away) < radius if round_shape else np.maximum(*away) < radius
            clip[:, frame][:, inside] = paint[:, inside]
    return clip.round().astype(np.uint8)


def _texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Stripes of a random direction and width between two random colours, (3, H, W) in 0..255."""
    row, column = np.mgrid[:size, :size] / size
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(4, 14)
    wave = np.sin(2 * np.pi * frequency * (np.cos(angle) * row + np.sin(angle) * column)) / 2 + 0.5  # (H, W)
    low, high = rng.uniform(20, 235, (2, 3, 1, 1))
    return low + (high - low) * wave
