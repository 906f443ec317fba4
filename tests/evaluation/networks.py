"""A feature network without weights that counts the clips it sees, and short ways to measure with it."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from evaluation.file_side import Files
from evaluation.measuring import FeatureMeasurement
from evaluation.open_videos import open_videos
from evaluation.results import Outcome
from metrics.card import MetricCard
from metrics.protocols import protocol_named
from tests.metrics.small_network import SmallNetwork

NUM_FRAMES = 8


class Quarters(SmallNetwork):
    """With logits of clips, too."""

    num_features = {"fid": 12, "fvd": 12, "is": 5}  # noqa: RUF012
    logits_of = "clips"
    seen: ClassVar[int] = 0
    digest: ClassVar[str] = "0" * 64

    @property
    def weights_sha256(self) -> str:
        return self.digest

    def __call__(self, clips: Tensor) -> dict[str, Tensor]:
        type(self).seen += len(clips)
        return super().__call__(clips)

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        rows = super().extract(network, clips)
        return {**rows, "is": rows["fvd"][:, :5] / 20}


def array(
    path: Path, num_videos: int, seed: int = 0, num_frames: int = NUM_FRAMES, size: int = 16, shift: int = 0
) -> Path:
    """Videos of coarse noise that differ in brightness, (N, T, H, W, 3); the first ones of more are those of fewer."""
    videos = []
    for number in range(num_videos):
        rng = np.random.default_rng([seed, number])
        coarse = rng.integers(60, 180, (1, 2, 2, 3)).repeat(size // 2, 1).repeat(size // 2, 2)
        noise = rng.integers(-50, 50, (num_frames, size, size, 3))
        videos.append((coarse + noise + shift).clip(0, 255).astype(np.uint8))
    np.save(path, np.stack(videos))
    return path


def files(path: Path, **given: Any) -> Files:
    """A side of videos that are read some at a time."""
    return Files(open_videos(path), **{"batch_size": 4, **given})


def outcomes(real: Files | None, fake: Files, *names: str, **given: Any) -> dict[str, Outcome]:
    protocols = [protocol_named(name, NUM_FRAMES) for name in names]
    return {each.name: each for each in FeatureMeasurement(real, fake, protocols, **given).measure()}


def measured(real: Files | None, fake: Files, *names: str, **given: Any) -> dict[str, MetricCard]:
    """The cards by their keys; nothing may fail."""
    found = outcomes(real, fake, *names, **given)
    assert [each.failure for each in found.values()] == [""] * len(names)
    return {card.key: card for each in found.values() for card in each.cards}
