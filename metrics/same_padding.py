"""TensorFlow's "SAME" padding, with which I3D and EfficientNet were trained."""

import torch.nn.functional as F
from torch import Tensor


def pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around (N, C, *sizes) so that a window of `kernel`, moved by `stride`, gives ceil(size / stride) outputs.

    An odd zero goes to the end of its axis (below, right, after), where torch's own padding is always symmetric.
    """
    padding: list[int] = []  # F.pad counts axes from the last
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding) if any(padding) else x
