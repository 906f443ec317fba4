"""Tiles several videos into one, for looking at."""

import torch
from torch import Tensor


def video_grid(videos: Tensor, num_columns: int, gap: int = 2) -> Tensor:
    """Lay videos out row by row in one video, white between them and in tiles left over.

    Args:
        videos: (N, C, T, H, W) uint8, N at least 1.
        num_columns: videos beside each other, at least 1; the last row may be short.
        gap: pixels between two neighbours; none at the edge.

    Shapes: returns (C, T, rows * (H + gap) - gap, num_columns * (W + gap) - gap) uint8.
    Raises: ValueError if an argument is not as above.
    """
    if videos.dtype != torch.uint8 or videos.ndim != 5 or 0 in videos.shape:
        raise ValueError(
            f"videos must be uint8 (N, C, T, H, W), nothing empty, not {videos.dtype} {tuple(videos.shape)}"
        )
    if num_columns < 1 or gap < 0:
        raise ValueError(f"num_columns must be at least 1 and gap at least 0, not {num_columns} and {gap}")
    num_videos, channels, num_frames, height, width = videos.shape
    num_rows = -(-num_videos // num_columns)
    step_y, step_x = height + gap, width + gap
    grid = videos.new_full((channels, num_frames, num_rows * step_y - gap, num_columns * step_x - gap), 255)
    for index, video in enumerate(videos):
        top, left = index // num_columns * step_y, index % num_columns * step_x
        grid[:, :, top : top + height, left : left + width] = video
    return grid
