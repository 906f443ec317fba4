"""A pack as a side of an evaluation."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.open_videos import open_videos
from packs.formats import FORMATS
from packs.index import INDEX_FILE, shard_path
from prepare import main
from tests.numbered_videos import read_clip_numbers


def packed(source: Path, folder: Path, *options: str) -> Path:
    assert main([str(source), "--output", str(folder), "--processes", "1", *options]) == 0
    return folder


@pytest.fixture
def pack(video_folder: Path, tmp_path: Path) -> Path:
    return packed(video_folder, tmp_path / "pack")


def test_it_is_what_the_files_are(pack: Path, video_folder: Path) -> None:
    files, source = open_videos(video_folder), open_videos(pack)
    assert (source.names, source.labels, source.class_names) == (files.names, files.labels, files.class_names)
    assert (source.lengths, source.fps) == (files.lengths, files.fps)
    for index in range(4):
        assert torch.equal(source.read(index, [1, 4, 9]), files.read(index, [1, 4, 9]))
        assert source.frame_size(index) == (64, 64)
        small = source.read(index, [1, 4, 9], (32, 32))
        assert small.shape == (3, 3, 32, 32) and read_clip_numbers(small) == (index, [1, 4, 9], False)
    assert source.describe() == ("pack: 4 videos in 2 classes, 10 to 24 frames of 64x64, 25 fps; pack (raw)")
    assert open_videos(pack, fps=10).fps == 10
    with pytest.raises(ValueError, match=r"frames .* asked for, but it has frames 0 to"):
        source.read(0, [0, 999])


def test_some_of_it(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("wave/3.mp4\nbow/0.mp4\n")
    some = open_videos(pack, tmp_path / "some.txt", ("wave",))
    assert some.names == ("wave/3.mp4",) and read_clip_numbers(some.read(0, [2])).video == 3


def test_a_worker_reads_the_same(pack: Path) -> None:
    source = open_videos(pack)
    assert source.fingerprint
    assert torch.equal(pickle.loads(pickle.dumps(source)).read(2, [3, 4]), source.read(2, [3, 4]))
    assert len(pickle.dumps(source)) < 20_000


def test_what_could_change_a_number_changes_the_fingerprint(video_folder: Path, pack: Path, tmp_path: Path) -> None:
    others = [packed(video_folder, tmp_path / name, "--format", name) for name in FORMATS if name != "raw"]
    others.append(packed(video_folder, tmp_path / "small", "--size", "32"))
    prints = [open_videos(path).fingerprint for path in (pack, video_folder, *others)]
    assert len(set(prints)) == len(prints)
    copy = shutil.copytree(pack, tmp_path / "copy")
    assert open_videos(copy).fingerprint == prints[0]


def test_frames_of_another_shape_are_other_videos(tmp_path: Path) -> None:
    """Grey frames of 16x32 and 32x16 are the same bytes."""
    np.save(tmp_path / "a.npy", np.full((4, 2, 32, 32), 128, np.uint8))
    one = packed(tmp_path / "a.npy", tmp_path / "one", "--size", "16x32")
    other = packed(tmp_path / "a.npy", tmp_path / "other", "--size", "32x16")
    assert shard_path(one, 0).read_bytes() == shard_path(other, 0).read_bytes()
    assert open_videos(one).sha256(0) != open_videos(other).sha256(0)


def test_other_bytes_than_were_packed_are_found(pack: Path) -> None:
    before = open_videos(pack).fingerprint
    shard = shard_path(pack, 0)
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=r"1 of 4 videos have other bytes than were packed \(bow/0.mp4\)") as error:
        _ = open_videos(pack).fingerprint
    assert "\n" not in str(error.value)
    content[100] ^= 1
    shard.write_bytes(content)
    assert open_videos(pack).fingerprint == before


def test_a_pack_that_is_not_finished(pack: Path) -> None:
    (pack / INDEX_FILE).unlink()
    with pytest.raises(FileNotFoundError, match="no finished pack"):
        open_videos(pack)
