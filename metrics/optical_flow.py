"""Where each pixel goes from one frame to the next: dense optical flow without weights, for frames of 12 pixels and
more.

The method is DIS (Kroeger et al. 2016, arXiv:1603.03590) of OpenCV, which needs no weights.  Farneback's, the other one
there, moves pixels of equal frames by up to a quarter of a pixel, and is 3 to 40 times as far off where a textured
object moves over textured ground at 32 to 128 pixels.  The settings are OpenCV's preset "fast" with the finest scale
at full resolution, since the frames of video GANs are small: patches of 8 x 8 every 4 pixels, 16 iterations, 5 of
variational refinement.  So set, it finds steps of up to a tenth of the frame.  A constant added to a frame changes
nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

METHOD = f"OpenCV {cv2.__version__} DIS, preset fast, finest scale 0"
MIN_SIZE = 12  # of OpenCV's DIS


def grey(clips: Tensor) -> Tensor:
    """Luma uint8 (N, T, H, W) of clips uint8 (N, 3 or 1, T, H, W): ITU-R BT.601, rounded."""
    red, green, blue = clips.expand(-1, 3, -1, -1, -1).float().unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).round().to(torch.uint8)


def optical_flows(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Flow forward and backward between neighbouring frames of clips uint8 (N, T, H, W), grey.

    Returns float32 (N, T - 1, 2, H, W) each, on the CPU: x and y in pixels.  What is at p in frame t is at p +
    forward[t] in frame t + 1; what is at p in frame t + 1 was at p + backward[t] in frame t.
    """
    return _flows(frames, 0, 1), _flows(frames, 1, 0)


def forward_flows(frames: Tensor) -> Tensor:
    """The first of `optical_flows` alone, at half its cost."""
    return _flows(frames, 0, 1)


def _flows(frames: Tensor, before: int, after: int) -> Tensor:
    images = np.ascontiguousarray(frames.cpu().numpy())
    num_clips, num_frames, height, width = images.shape
    flows = np.zeros((num_clips, num_frames - 1, height, width, 2), dtype=np.float32)
    with _one_thread():
        estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        estimator.setFinestScale(0)
        for clip in range(num_clips):
            for frame in range(num_frames - 1):
                pair = images[clip, frame + before], images[clip, frame + after]
                flows[clip, frame] = estimator.calc(*pair, None)  # type: ignore[call-overload]
    return torch.from_numpy(flows).movedim(-1, 2)


def moved_back(images: Tensor, flow: Tensor) -> Tensor:
    """Images (N, C, H, W) looked up at p + flow[p], flow (N, 2, H, W) in pixels; bilinear, the border repeated."""
    height, width = images.shape[2:]
    # Not F.grid_sample: its units of half a frame round, and a flow of zero would not give back the same image.
    x, y = (each.to(images.dtype) for each in _targets(flow))
    x, y = x.clamp(0, width - 1)[:, None], y.clamp(0, height - 1)[:, None]
    left, top = x.floor().clamp(max=width - 2).long(), y.floor().clamp(max=height - 2).long()
    right_share, lower_share = x - left, y - top

    def at(row: Tensor, column: Tensor) -> Tensor:
        places = (row * width + column).flatten(2).expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, places).view_as(images)

    upper = at(top, left) * (1 - right_share) + at(top, left + 1) * right_share
    lower = at(top + 1, left) * (1 - right_share) + at(top + 1, left + 1) * right_share
    return upper * (1 - lower_share) + lower * lower_share


def is_followed(flow: Tensor, opposite: Tensor) -> Tensor:
    """Which pixels (N, H, W) of the frame that `flow` starts from are seen at its end, too: not occluded.

    Not so where flow w and the opposite flow w' at its end do not cancel, |w + w'|^2 > 0.01 (|w|^2 + |w'|^2) + 0.5;
    on the edge of a motion, |grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002; or where w leads out of the frame.
    Ruder et al. 2016 (arXiv:1604.08610), after Sundaram et al. 2010 (ECCV); the constants are in pixels, the gradients
    steps to the next pixel.  Equals `detect_occlusion` of Lai et al.'s program but for the last: that keeps what leaves
    the frame.
    """
    height, width = flow.shape[2:]
    at_end = moved_back(opposite, flow)
    size, opposite_size = flow.square().sum(1), at_end.square().sum(1)
    cancels = (flow + at_end).square().sum(1) <= 0.01 * (size + opposite_size) + 0.5
    across, down = F.pad(flow.diff(dim=3), (0, 1)), F.pad(flow.diff(dim=2), (0, 0, 0, 1))
    is_smooth = across.square().sum(1) + down.square().sum(1) <= 0.01 * size + 0.002
    x, y = _targets(flow)
    is_inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return cancels & is_smooth & is_inside


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """x and y (N, H, W) of the points that flow (N, 2, H, W) leads to, in pixels."""
    rows = torch.arange(flow.shape[2], dtype=flow.dtype, device=flow.device)
    columns = torch.arange(flow.shape[3], dtype=flow.dtype, device=flow.device)
    return flow[:, 0] + columns, flow[:, 1] + rows[:, None]


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV's own threads fight with a data loader's workers and with the processes of a distributed run."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
