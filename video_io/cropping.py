"""Where a picture is scaled to and cut, so that it covers a wanted size."""

import numpy as np


def scaled_size(source_size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
    """The least (width, height) with the aspect of `source_size` (width, height) that covers `crop` (height, width).

    One side is that of the crop, the other to the nearest pixel.
    """
    width, height = source_size
    crop_height, crop_width = crop
    over, under = (crop_width, width) if crop_width * height >= crop_height * width else (crop_height, height)
    return (2 * width * over + under) // (2 * under), (2 * height * over + under) // (2 * under)


def middle(frames: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """The middle of frames (T, height, width, C), `crop` (height, width) in size."""
    crop_height, crop_width = crop
    top, left = (frames.shape[1] - crop_height) // 2, (frames.shape[2] - crop_width) // 2
    return frames[:, top : top + crop_height, left : left + crop_width]
