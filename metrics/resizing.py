"""How a frame gets to a feature network's size: what a card must say, because published numbers differ in it."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Method = Literal["bilinear", "bilinear_antialiased", "bilinear_corners", "bilinear_tf1", "bicubic", "bicubic_pil"]
WORDS: dict[str, str] = {
    "bilinear": "bilinear, not antialiased",
    "bilinear_antialiased": "bilinear, antialiased",
    "bilinear_corners": "bilinear, corners aligned",
    "bilinear_tf1": "bilinear as TensorFlow 1",
    "bicubic": "bicubic, not antialiased",
    "bicubic_pil": "bicubic as PIL, antialiased",
}


@dataclass(frozen=True)
class Resize:
    """Resizes frames to a square; called with (N, C, H, W), `str()` of it is the text on a card.

    | method | what it is | who measures with it |
    |---|---|---|
    | bilinear | half-pixel centres, nothing smoothed | FVD of VideoGPT, DIGAN, TATS |
    | bilinear_antialiased | the same, smoothed where a frame shrinks | torchmetrics' FID |
    | bilinear_corners | the corner pixels' centres stay corners | Inception score of TGANv2 (Chainer's resize_images) |
    | bilinear_tf1 | pixel i lies at i * (input size / size) | FID as torch-fidelity and TensorFlow 1 |
    | bicubic | a = -0.75, nothing smoothed, what overshoots is kept | Inception score of TGAN (OpenCV's INTER_CUBIC) |
    | bicubic_pil | a = -0.5, smoothed, each channel as float32, clipped to 0..255 | FID as clean-fid (2104.11222) |

    Bicubic as PIL is computed in float64, on the CPU where the frames' device has none, and agrees with Pillow's own to
    1e-4 of 255 grey levels: float32 weights would be off by 1e-2.  Nothing is rounded back to whole grey levels.

    Args:
        size: height and width of the result in pixels, at least 1.
        method: a row of the table.
        crop: true: the short side is scaled to `size`, the long one by the same factor, rounded up, and the middle is
            cut out, as VideoGPT, DIGAN and MCVD do (bilinear); false: height and width are stretched each on its own.

    Raises: ValueError for another size or method.
    """

    size: int
    method: Method = "bilinear"
    crop: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1; got {self.size}.")
        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(get_args(Method))}; got {self.method!r}.")

    def __str__(self) -> str:
        shape = "short side scaled, middle cut out" if self.crop else "stretched"
        return f"{self.size}x{self.size}, {WORDS[self.method]}, {shape}"

    def __call__(self, frames: Tensor) -> Tensor:
        """Frames (N, C, H, W), uint8 or floating point of 0..255 -> float32 (N, C, size, size), on the same device.

        Raises: ValueError if the shape or dtype is another.
        """
        if frames.ndim != 4 or 0 in frames.shape[1:]:
            raise ValueError(f"Resize takes frames (N, C, H, W); got shape {tuple(frames.shape)}.")
        if frames.dtype != torch.uint8 and not frames.is_floating_point():
            raise ValueError(f"Resize takes uint8 or floating point frames of 0..255; got {frames.dtype}.")
        if not self.crop:
            return _resized(frames, self.size, self.size, self.method)
        height, width = self._scaled_size(*frames.shape[2:])
        top, left = (height - self.size) // 2, (width - self.size) // 2
        scaled = _resized(frames, height, width, self.method)
        return scaled[:, :, top : top + self.size, left : left + self.size]

    def _scaled_size(self, height: int, width: int) -> tuple[int, int]:
        # VideoGPT's arithmetic, rounding included: a float just above a whole number is rounded up to the next one, and
        # of a square the height.
        scale = self.size / min(height, width)
        if height < width:
            return self.size, math.ceil(width * scale)
        return math.ceil(height * scale), self.size


def resize_bilinear_tf1(images: Tensor, height: int, width: int) -> Tensor:
    """Resize (N, C, H, W) floats to (N, C, height, width) as TensorFlow 1's `resize_bilinear` did.

    Output pixel i lies at i * (input size / size): the corners' edges are aligned, not the pixels' centres, and nothing
    is smoothed when an image shrinks.
    """
    for axis, size in ((2, height), (3, width)):
        length = images.shape[axis]
        position = torch.arange(size, device=images.device, dtype=torch.float32) * (length / size)
        below = position.long()
        above = (below + 1).clamp(max=length - 1)
        weight = (position - below).view(-1, *[1] * (3 - axis))
        low, high = images.index_select(axis, below), images.index_select(axis, above)
        images = low + (high - low) * weight  # (N, C, height, W), then (N, C, height, width)
    return images


def _resized(frames: Tensor, height: int, width: int, method: Method) -> Tensor:
    size = (height, width)
    if method == "bilinear_tf1":
        return resize_bilinear_tf1(frames.float(), height, width)
    if method == "bicubic_pil":
        place = "cpu" if frames.device.type == "mps" else frames.device  # Apple's GPUs have no float64
        exact = F.interpolate(frames.to(place, torch.float64), size, mode="bicubic", antialias=True)
        return exact.clamp(0, 255).to(frames.device, torch.float32)
    if method == "bicubic":
        return F.interpolate(frames.float(), size, mode="bicubic", align_corners=False)
    return F.interpolate(
        frames.float(),
        size,
        mode="bilinear",
        align_corners=method == "bilinear_corners",
        antialias=method == "bilinear_antialiased",
    )
