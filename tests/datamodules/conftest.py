from pathlib import Path

import pytest

from tests.numbered_videos import write_numbered

CLASSES = ("bow", "jump", "wave")
NUM_FRAMES = (24, 40, 31, 24, 33, 40, 26, 30, 24)


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, empty."""
    monkeypatch.setenv("KINOGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def numbered_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine numbered videos in three class folders, three people: 0 bow, 1 bow, 2 bow, 3 jump, ..."""
    root = tmp_path_factory.mktemp("numbered")
    for video, num_frames in enumerate(NUM_FRAMES):
        folder = root / CLASSES[video // 3]
        write_numbered(folder / f"person{video % 3}_{video}.mp4", video, num_frames)
    return root
