"""Frames whose motion is known: a blurred noise that moves as a whole by any fraction of a pixel."""

import torch
from torch import Tensor


def moving_texture(velocity: tuple[float, float], num_frames: int, size: int, seed: int = 0) -> Tensor:
    """uint8 (T, size, size); velocity (x, y) in pixels per frame; what enters the frame is new."""
    return torch.stack([texture_at((velocity[0] * t, velocity[1] * t), size, seed) for t in range(num_frames)])


def texture_at(place: tuple[float, float], size: int, seed: int = 0) -> Tensor:
    """uint8 (size, size): the texture, moved by `place` (x, y) pixels."""
    large = 3 * size
    noise = torch.randn(large, large, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    frequency = torch.fft.fftfreq(large, dtype=torch.float64)
    x, y = frequency[None], frequency[:, None]
    blur = torch.exp(-64 * (x**2 + y**2))
    shift = torch.exp(-2j * torch.pi * (x * place[0] + y * place[1]))
    texture = torch.fft.ifft2(torch.fft.fft2(noise) * blur * shift).real
    texture = texture[size : 2 * size, size : 2 * size] / texture.std()
    return (127 + 35 * texture).clamp(0, 255).round().to(torch.uint8)
