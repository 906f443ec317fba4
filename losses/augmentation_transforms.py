"""What augmentations have in common: matrices, one a clip, and what they do to all frames of it."""

import torch
import torch.nn.functional as F
from torch import Tensor


def as_clips(clips: Tensor) -> Tensor:
    """The clips in at least float32, or an error if frames cannot be told apart from pixels."""
    if clips.dim() != 5:
        raise ValueError(
            f"the discriminator sees {tuple(clips.shape)}; augmentations need clips, (B, C, T, H, W): use none with it"
        )
    return clips.to(torch.promote_types(clips.dtype, torch.float32))


def per_clip(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1, 1)


def warp(clips: Tensor, inverse: Tensor) -> Tensor:
    """Resample the frames of each clip by one affine map: bilinear, reflected at the border pixels.

    Differentiable with respect to the clips any number of times, which `grid_sample` is from PyTorch 2.13 on.

    Args:
        clips: (B, C, T, H, W).
        inverse: (B, 3, 3), from a homogeneous position (x, y, 1) in the result to that in the clip, both in pixels
            from the middle of the frame, x to the right and y downwards.

    Shapes: the result is like `clips`.
    """
    height, width = clips.shape[-2:]
    x = torch.arange(width, device=clips.device).to(clips) - (width - 1) / 2
    y = torch.arange(height, device=clips.device).to(clips) - (height - 1) / 2
    positions = torch.stack(torch.broadcast_tensors(x, y[:, None], torch.ones_like(x)), dim=-1)  # (H, W, 3)
    source = positions.flatten(0, 1) @ inverse[:, :2].mT  # (B, H * W, 2)
    corner = torch.stack([x[-1], y[-1]]).clamp(min=0.5)  # 1 for grid_sample; a single row or column is its own corner
    grid = (source / corner).view(-1, height, width, 2)
    frames = clips.flatten(1, 2)  # (B, C * T, H, W)
    return F.grid_sample(frames, grid, padding_mode="reflection", align_corners=True).view(clips.shape)


def recolor(clips: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """matrix @ color + offset at every pixel.

    Args:
        clips: (B, C, T, H, W), C = 3, or 1: then grey goes in and the mean of the three channels comes out.
        matrix: (B, 3, 3).
        offset: (B, 3).

    Shapes: the result is like `clips`.
    Raises: ValueError for another number of channels.
    """
    channels = clips.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"clips have {channels} channels; colors can be changed of 1 or 3 channels only")
    if channels == 1:
        matrix = matrix.sum(dim=2, keepdim=True).mean(dim=1, keepdim=True)  # (B, 1, 1)
        offset = offset.mean(dim=1, keepdim=True)  # (B, 1)
    colors = matrix @ clips.flatten(2) + offset.unsqueeze(2)  # (B, C, T * H * W)
    return colors.view(clips.shape)


def translation(shift: Tensor) -> Tensor:
    """(B, 2) pixels to the right and downwards -> (B, 3, 3)."""
    zero, one = torch.zeros_like(shift[:, 0]), torch.ones_like(shift[:, 0])
    return matrices([[one, zero, shift[:, 0]], [zero, one, shift[:, 1]], [zero, zero, one]])


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """(B,) factors of width and height -> (B, 3, 3)."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrices([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation(angle: Tensor) -> Tensor:
    """(B,) radians, from the x axis towards the y axis -> (B, 3, 3)."""
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    cosine, sine = angle.cos(), angle.sin()
    return matrices([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]])


def grey_projection(like: Tensor) -> Tensor:
    """(3, 3), v v^T with v = (1, 1, 1) / sqrt(3): what of a color is grey."""
    return torch.full((3, 3), 1 / 3, device=like.device, dtype=like.dtype)


def hue_rotation(angle: Tensor) -> Tensor:
    """(B,) radians around the grey axis -> (B, 3, 3), Rodrigues' formula."""
    grey = grey_projection(angle)
    identity = torch.eye(3, device=angle.device, dtype=angle.dtype)
    cross = (identity.roll(1, dims=0) - identity.roll(1, dims=1)) / 3**0.5  # cross @ color = v x color
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cosine * identity + sine * cross + (1 - cosine) * grey


def matrices(rows: list[list[Tensor]]) -> Tensor:
    """Rows of entries (B,) -> (B, rows, columns)."""
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
