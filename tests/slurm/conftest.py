from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.slurm.cluster import Cluster, why_not
from video_io.writing import write_video


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes of SLURM, for as long as the tests run."""
    if reason := why_not():
        pytest.skip(reason)
    started = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for index in range(3):
        write_video(folder / f"{index}.mp4", torch.randint(0, 255, (3, 20, 32, 32), dtype=torch.uint8), fps=25)
    return folder
