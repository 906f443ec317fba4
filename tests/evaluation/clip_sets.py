"""Sets of clips whose features are given, and whose clips are of one brightness: their number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from evaluation.clip_set import ClipSet


def clip_set(
    side: str, features: Sequence[Sequence[float]] | Tensor, labels: Sequence[int] | None = None, channels: int = 3
) -> ClipSet:
    rows = torch.as_tensor(features, dtype=torch.float32)

    def clip(index: int) -> Tensor:
        return torch.full((channels, 4, 8, 12), 10 * index, dtype=torch.uint8)

    return ClipSet(side, [f"{side} {index}" for index in range(len(rows))], clip, rows, labels)
