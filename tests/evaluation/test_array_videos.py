import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluation.array_videos import ArrayVideos
from evaluation.open_videos import open_videos


@pytest.fixture
def videos() -> np.ndarray:
    """(N, T, H, W, C)"""
    return np.random.default_rng(0).integers(0, 256, (12, 5, 8, 10, 3)).astype(np.uint8)


def saved(path: Path, array: Any) -> Path:
    np.save(path, array) if path.suffix == ".npy" else torch.save(array, path)
    return path


def test_both_layouts_and_both_kinds_of_file_are_the_same_videos(tmp_path: Path, videos: np.ndarray) -> None:
    channels_first = np.ascontiguousarray(np.moveaxis(videos, -1, 1))
    sources = [
        open_videos(saved(tmp_path / "a.npy", videos)),
        open_videos(saved(tmp_path / "b.npy", channels_first)),
        open_videos(saved(tmp_path / "c.pt", torch.from_numpy(videos))),
        open_videos(saved(tmp_path / "d.pt", torch.from_numpy(channels_first))),
        open_videos(saved(tmp_path / "e.pt", torch.from_numpy(videos).permute(0, 4, 1, 2, 3))),
    ]
    assert len({source.fingerprint for source in sources}) == 1
    for source in sources:
        assert source.names == tuple(f"{number:02}" for number in range(12))
        assert source.lengths == (5,) * 12
        assert source.frame_size(0) == (8, 10)
        assert np.array_equal(source.read(7, [0, 2]).numpy(), videos[7, [0, 2]].transpose(3, 0, 1, 2))
    assert sources[0].class_names == ("a",)


def test_another_pixel_is_another_fingerprint_at_once(tmp_path: Path, videos: np.ndarray) -> None:
    path = saved(tmp_path / "a.npy", videos)
    first = ArrayVideos(path)
    assert first.sha256(3) == ArrayVideos(path).sha256(3)
    videos[3, 1, 1, 1, 1] ^= 1
    path.unlink()
    second = ArrayVideos(saved(path, videos))
    assert second.fingerprint != first.fingerprint
    assert [index for index in range(12) if second.sha256(index) != first.sha256(index)] == [3]


def test_the_array_stays_on_the_disk(tmp_path: Path, videos: np.ndarray) -> None:
    assert isinstance(ArrayVideos(saved(tmp_path / "a.npy", videos)).videos, np.memmap)


def test_grey_videos(tmp_path: Path, videos: np.ndarray) -> None:
    source = ArrayVideos(saved(tmp_path / "a.npy", videos[..., :1]))
    assert source.read(0, [1], (4, 4)).shape == (1, 1, 4, 4)


def test_one_video(tmp_path: Path, videos: np.ndarray) -> None:
    assert ArrayVideos(saved(tmp_path / "a.npy", videos[:1])).names == ("0",)


MISTAKES: dict[str, tuple[str, Any, str]] = {
    "floats": ("a.npy", np.zeros((2, 4, 8, 8, 3), np.float32), r"float32 pixels.*convert them from \[-1, 1\] with "),
    "integers": ("a.npy", np.zeros((2, 4, 8, 8, 3), int), r"int64 pixels.*convert them with x.astype\('uint8'\)"),
    "float tensor": ("a.pt", torch.zeros(2, 4, 8, 8, 3), r"torch.float32, .*convert it from \[-1, 1\] with "),
    "either": ("a.npy", np.zeros((2, 3, 8, 8, 3), np.uint8), r"could be of either layout; .*save it as"),
    "neither": ("a.npy", np.zeros((2, 4, 8, 8, 4), np.uint8), "channels nowhere"),
    "one video": ("a.npy", np.zeros((4, 8, 8, 3), np.uint8), r"of shape \(4, 8, 8, 3\); videos are uint8 \(N, T, "),
    "empty": ("a.npy", np.zeros((0, 4, 8, 8, 3), np.uint8), "nothing empty"),
    "bfloat16": ("a.pt", torch.zeros(2, 4, 8, 8, 3).bfloat16(), "a tensor of torch.bfloat16, .*convert it"),
    "a gradient": ("a.pt", torch.zeros(2, 4, 8, 8, 3, requires_grad=True), "a tensor of torch.float32"),
    "sparse": ("a.pt", torch.zeros(2, 4, 8, 8, 3, dtype=torch.uint8).to_sparse(), "torch.sparse_coo"),
    "objects": ("a.npy", np.array([{}, {}]), "cannot be read as an array"),
    "a dict": ("a.pt", {"videos": torch.zeros(1)}, "holds a dict; save one tensor"),
    "code": ("a.pt", print, "cannot be read as a tensor"),
}


@pytest.mark.parametrize(("name", "content", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_is_wrong_is_one_line(tmp_path: Path, name: str, content: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as raised:
        ArrayVideos(saved(tmp_path / name, content))
    assert "\n" not in str(raised.value)


def test_an_archive_of_arrays_under_another_name(tmp_path: Path, videos: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", videos)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="holds a NpzFile; save one array of videos"):
        ArrayVideos(tmp_path / "a.npy")


def test_another_array_of_the_same_size_and_modification_time(tmp_path: Path, videos: np.ndarray) -> None:
    path = saved(tmp_path / "a.npy", videos)
    os.utime(path, ns=(1, 1))
    first = ArrayVideos(path).fingerprint
    other = saved(tmp_path / "b.npy", 255 - videos)
    os.utime(other, ns=(1, 1))
    other.replace(path)
    assert ArrayVideos(path).fingerprint != first


def test_a_damaged_and_a_missing_file(tmp_path: Path) -> None:
    for name in ("a.npy", "a.pt"):
        (tmp_path / name).write_text("?")
        with pytest.raises(ValueError, match="cannot be read as"):
            ArrayVideos(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        ArrayVideos(tmp_path / "none.npy")
