from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.runs import trained
from tests.numbered_videos import board, write_numbered

LENGTHS = {"bow/0.mp4": 20, "bow/1.mp4": 16, "wave/2.mp4": 24, "wave/3.mp4": 10}


@pytest.fixture(scope="session")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four numbered videos of two classes, 64x64."""
    root = tmp_path_factory.mktemp("videos")
    for number, (name, num_frames) in enumerate(LENGTHS.items()):
        write_numbered(root / name, number, num_frames)
    return root


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, video_folder: Path) -> Path:
    """A run of two steps: 8 frames of 16x16, another average than the latest weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("WANDB_MODE", "offline")
        return trained(tmp_path_factory.mktemp("runs"), video_folder)


@pytest.fixture(scope="session")
def pixels() -> dict[str, np.ndarray]:
    """The same videos, (T, H, W, C) uint8, by the names that they have without ".mp4"."""
    return {
        name.removesuffix(".mp4"): np.stack([board(number, frame, 64, 64) for frame in range(num_frames)])
        for number, (name, num_frames) in enumerate(LENGTHS.items())
    }


@pytest.fixture
def frame_folder(tmp_path: Path, pixels: dict[str, np.ndarray]) -> Path:
    """The same videos as folders of png files, which are numbered without leading zeros."""
    root = tmp_path / "frames"
    for name, frames in pixels.items():
        (root / name).mkdir(parents=True)
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(root / name / f"frame_{number}.png")
    return root
