"""Clips as a page needs them: their features, their names and classes, and a way to see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipSet:
    """Some clips: real ones, generated ones, or those that were trained with.

    Args:
        side: what they are, in a word: "real", "generated", "training".
        names: of each clip.
        clip: gives clip number i, uint8 (C, T, H, W), C 3 or 1.
        features: (N, D), one row a clip; None where nothing is measured on features.
        labels: class of each clip; None if there are none.

    Raises: ValueError if the lengths differ, if there is no clip, or if a feature is not finite.
    """

    side: str
    names: Sequence[str]
    clip: Callable[[int], Tensor]
    features: Tensor | None = None
    labels: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if len(self.names) == 0:
            raise ValueError(f"there is no {self.side} clip")
        if self.labels is not None and len(self.labels) != len(self.names):
            raise ValueError(f"{len(self.labels)} labels do not fit {len(self.names)} {self.side} clips")
        if self.features is None:
            return
        if self.features.ndim != 2 or len(self.features) != len(self.names):
            raise ValueError(
                f"features of {len(self.names)} {self.side} clips must be (N, D), not {tuple(self.features.shape)}"
            )
        if not torch.isfinite(self.features).all():
            raise ValueError(f"the features of the {self.side} clips are not finite; check the clips")

    def __len__(self) -> int:
        return len(self.names)
