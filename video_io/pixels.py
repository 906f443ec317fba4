"""Pixels as 8-bit integers and as floats; the one quantisation that real and generated videos share."""

import torch
from torch import Tensor


def uint8_to_float(clips: Tensor) -> Tensor:
    """x / 127.5 - 1: uint8 of any shape to float32 in [-1, 1], on the same device.

    Raises: TypeError if the tensor is not uint8.
    """
    if clips.dtype != torch.uint8:
        raise TypeError(f"clips must be uint8, not {clips.dtype}")
    return clips.to(torch.float32) / 127.5 - 1


def float_to_uint8(videos: Tensor) -> Tensor:
    """floor(clamp(127.5 x + 128, 0, 255)): floats of any shape, [-1, 1] in range, to uint8, on the same device.

    The quantisation of StyleGAN-V (Skorokhodov et al. 2022, arXiv:2112.14683) and of StyleGAN2 before it.  Values
    outside [-1, 1] are clamped.  It undoes `uint8_to_float` exactly.

    Raises: TypeError if the tensor is not of floats.
    """
    if not videos.is_floating_point():
        raise TypeError(f"videos must be floats in [-1, 1], not {videos.dtype}")
    return (videos.to(torch.float32) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
