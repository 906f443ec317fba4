"""Packs written and read: every format, damage, and what is no pack."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from packs.formats import FORMATS, Size
from packs.index import INDEX_FILE, PACKED, REFUSED, PackError, Row, shard_path, write_index
from packs.reading import Pack
from packs.writing import VideoWriter
from tests.numbered_videos import board, read_clip_numbers

LENGTHS = (40, 1, 33)
SIZE = Size(64, 64)


def write_pack(folder: Path, name: str = "raw", size: Size = SIZE, lengths: tuple[int, ...] = LENGTHS) -> Path:
    """Videos of numbered boards, two in the first shard."""
    rows: list[Row] = []
    for video, num_frames in enumerate(lengths):
        shard = shard_path(folder, video // 2)
        shard.parent.mkdir(parents=True, exist_ok=True)
        with shard.open("ab") as file:
            offset = file.tell()
            writer = VideoWriter(FORMATS[name], size, file.write)
            for frame in range(num_frames):
                writer.add(board(video, frame, size.width, size.height))
            packed = writer.finish()
        rows.append(
            Row(f"c{video}/{video}.mp4", PACKED, num_frames=num_frames, label=video, split="train", caption="a board",
                shard=video // 2, offset=offset, num_bytes=packed.num_bytes, packed_sha256=packed.sha256)
        )  # fmt: skip
        rows.append(Row(f"c{video}/bad.mp4", REFUSED, reason="cannot be decoded"))
    write_index(folder, name, size, ("c0", "c1", "c2"), rows, "somewhere")
    return folder


@pytest.fixture(scope="module", params=FORMATS)
def pack(request, tmp_path_factory):
    return Pack(write_pack(tmp_path_factory.mktemp(request.param), request.param))


@pytest.mark.parametrize(
    "frames", [range(40), range(0, 16), range(17, 33), range(39, 40), range(3, 40, 5), [0, 5, 39], [7, 7, 8]]
)
def test_a_clip_is_the_frames_asked_for(pack, frames):
    clip = pack.read_clip(0, frames)
    assert clip.dtype == torch.uint8 and clip.shape == (3, len(frames), 64, 64) and clip.is_contiguous()
    assert read_clip_numbers(clip) == (0, list(frames), False)


def test_videos_lie_where_the_index_says(pack):
    assert len(pack) == 3 and list(pack.num_frames) == [40, 1, 33] and list(pack.labels) == [0, 1, 2]
    assert [read_clip_numbers(pack.read_clip(video, [0])).video for video in range(3)] == [0, 1, 2]
    assert pack.row(1).path == "c1/1.mp4" and pack.row(1).caption == "a board" and pack.row(1).split == "train"
    assert pack.row(3).status == REFUSED and pack.row(3).reason == "cannot be decoded"
    assert pack.damaged() == []


def test_raw_frames_are_the_ones_packed(tmp_path):
    pack = Pack(write_pack(tmp_path, size=Size(36, 50)))
    clip = pack.read_clip(2, [30, 32]).permute(1, 2, 3, 0).numpy()
    assert np.array_equal(clip, np.stack([board(2, frame, 50, 36) for frame in (30, 32)]))


@pytest.mark.parametrize("frames", [[], [-1], [40], [3, 2], range(30, 41)])
def test_frames_outside_are_refused(pack, frames):
    with pytest.raises(ValueError, match="of 0 to 39"):
        pack.read_clip(0, frames)


def test_a_pack_is_sent_to_workers(pack):
    assert read_clip_numbers(pickle.loads(pickle.dumps(pack)).read_clip(2, [32])) == (2, [32], False)


def test_the_fingerprint_is_of_what_a_training_sees(tmp_path):
    same = [Pack(write_pack(tmp_path / name)).fingerprint for name in ("a", "b")]
    others = [
        Pack(write_pack(tmp_path / "c", "jpeg")).fingerprint,
        Pack(write_pack(tmp_path / "d", lengths=(40, 1, 32))).fingerprint,
        Pack(write_pack(tmp_path / "e", size=Size(64, 66))).fingerprint,
    ]
    assert same[0] == same[1] and len({same[0], *others}) == 4


def test_a_folder_without_index_is_no_pack(tmp_path):
    write_pack(tmp_path)
    (tmp_path / INDEX_FILE).unlink()
    with pytest.raises(FileNotFoundError, match=r"no finished pack.*prepare\.py"):
        Pack(tmp_path)


def test_a_short_or_missing_shard_is_named(tmp_path):
    shard = shard_path(write_pack(tmp_path), 1)
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(PackError, match=rf"00001.*has {len(content) - 1} of {len(content)} bytes"):
        Pack(tmp_path)
    shard.unlink()
    with pytest.raises(PackError, match=r"00001.*is missing"):
        Pack(tmp_path)


@pytest.mark.parametrize("place", [0, 100, -20])
def test_damaged_indexes_are_refused(tmp_path, place):
    index = write_pack(tmp_path) / INDEX_FILE
    content = bytearray(index.read_bytes())
    index.write_bytes(content[:place] if place else b"")
    with pytest.raises(PackError, match="damaged, or not an index"):
        Pack(tmp_path)


@pytest.mark.parametrize("name", ["jpeg", "h264"])
def test_a_damaged_shard_is_named(tmp_path, name):
    shard = shard_path(write_pack(tmp_path, name, lengths=(40,)), 0)
    content = bytearray(shard.read_bytes())
    pack = Pack(tmp_path)
    shard.write_bytes(content[:100] + bytes(len(content) - 100 - 41 * 8) + content[-41 * 8 :])
    with pytest.raises(PackError, match=r"00000.*cannot be decoded"):
        pack.read_clip(0, range(20, 30))
    assert pack.damaged() == ["c0/0.mp4: other bytes than were packed"]
    shard.write_bytes(content[: -41 * 8] + b"\xff" * 41 * 8)
    with pytest.raises(PackError, match="00000"):
        pack.read_clip(0, range(20, 30))


def test_held_videos_are_written_when_they_are_released():
    written: list[bytes] = []
    writer = VideoWriter(FORMATS["raw"], Size(2, 2), written.append)
    writer.hold()
    writer.add(np.full((2, 2, 3), 1, np.uint8))
    assert written == []
    writer.release()
    writer.add(np.full((2, 2, 3), 2, np.uint8))
    assert b"".join(written) == bytes([1] * 12 + [2] * 12) and writer.finish()[:2] == (2, 24)


def test_frames_of_another_size_are_refused():
    writer = VideoWriter(FORMATS["raw"], Size(2, 2), len)
    with pytest.raises(ValueError, match="a frame to pack"):
        writer.add(np.zeros((2, 3, 3), np.uint8))


@pytest.mark.parametrize("size", [Size(16, 8), Size(8, 16), Size(8, 8), Size(32, 32)])
def test_jpegs_of_another_size_are_refused(size):
    shard: list[bytes] = []
    writer = VideoWriter(FORMATS["jpeg"], Size(16, 16), shard.append)
    writer.add(np.full((16, 16, 3), 100, np.uint8))
    _, num_bytes, *_ = writer.finish()
    content = b"".join(shard)

    def read_at(place: int, count: int) -> bytes:
        start = place % num_bytes
        return content[start : start + count]

    assert (FORMATS["jpeg"].read(read_at, 1, 0, 1, Size(16, 16)) == 100).all()
    with pytest.raises(ValueError):
        FORMATS["jpeg"].read(read_at, 1, 0, 1, size)
