"""The feature network that comes with the installation: its FVD rises with damage of every kind, step by step."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from benchmarks.metric_curves import DAMAGES, measure, read_clips, swap_frames
from metrics.efficientnet_lite import EfficientNetLite0
from tests.metrics.conftest import SHARED


def check_curves(clips: Tensor) -> None:
    curves, still = measure(EfficientNetLite0(), clips)
    for kind, points in curves.items():
        fvd = [0.0, *(point["fvd"] for point in points)]
        # 1% of what a still picture costs is the least step that counts.
        assert all(after - before > 0.01 * still["fvd"] for before, after in pairwise(fvd)), (kind, fvd)
    swaps = curves["pairs of frames swapped in time"]
    assert max(point["fid"] for point in swaps) < 1e-3 * still["fid"]
    assert still["fvd"] > max(point["fvd"] for point in swaps)
    others = [points for kind, points in curves.items() if "swapped" not in kind]
    assert all(points[0]["fid"] < points[1]["fid"] < points[2]["fid"] for points in others)


def test_curves_of_moving_shapes(clips: Tensor) -> None:
    check_curves(clips)


@pytest.mark.slow
def test_curves_of_people() -> None:
    folder = SHARED / "data" / "weizmann_actions"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    check_curves(read_clips(folder, num_frames=12, size=64)[::4])


def test_every_damage_is_one(clips: Tensor) -> None:
    for damage, strengths in DAMAGES.values():
        for strength in strengths:
            damaged = damage(clips, strength)
            assert damaged.shape == clips.shape
            assert damaged.dtype == torch.uint8
            assert not torch.equal(damaged, clips)


def test_swapped_frames_are_the_same_frames(clips: Tensor) -> None:
    swapped = swap_frames(clips, 4)
    frames, others = (each[0].flatten(2).sum((0, 2)).sort().values for each in (clips, swapped))
    assert torch.equal(frames, others)
