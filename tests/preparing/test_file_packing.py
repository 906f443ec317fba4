"""One file into a shard: ranges, kinds of sources, refusals; in this process, without children."""

import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from packs.formats import FORMATS, Size
from packs.index import PACKED, REFUSED
from preparing.entries import ARRAY, FRAME_FOLDER, FRAME_ZIP, STRIP, Entry
from preparing.file_packing import Request, ShardError, pack_file
from tests.numbered_videos import board, read_clip_numbers, write_numbered
from video_io.reading import read_clip

SIZE = Size(64, 64)


def request(root: Path, *entries: Entry, name: str = "raw", offset: int = 0, size: Size = SIZE) -> Request:
    return Request(root, entries, name, size, 25.0, root / "shard", 7, offset)


def frames_of(wanted: Request, row) -> torch.Tensor:
    content = wanted.shard.read_bytes()[row.offset : row.offset + row.num_bytes]

    def read_at(place: int, count: int) -> bytes:
        place = place if place >= 0 else len(content) + place
        return content[place : place + count]

    frames = FORMATS[wanted.format].read(read_at, row.num_frames, 0, row.num_frames, wanted.size)
    return torch.from_numpy(frames).permute(3, 0, 1, 2)


def numbers_of(wanted: Request, row) -> list[int]:
    return read_clip_numbers(frames_of(wanted, row)).frames


def pack(wanted: Request):
    return pack_file(wanted, lambda: None)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    write_numbered(root / "a.mp4", num_frames=50, width=96)
    write_numbered(root / "b.avi", num_frames=40, codec="mpeg4", bf="2", g="20")
    return root


@pytest.mark.parametrize("size", [Size(64, 64), Size(24, 40)])
def test_a_whole_file(videos, size):
    wanted = request(videos, Entry("a.mp4"), size=size)
    (row,) = pack(wanted)
    assert (row.status, row.path, row.num_frames, row.first_frame) == (PACKED, "a.mp4", 50, 0)
    assert (row.width, row.height, row.fps, row.shard, row.offset, row.exact_seek) == (96, 64, 25, 7, 0, None)
    assert torch.equal(frames_of(wanted, row), read_clip(videos / "a.mp4", range(50), tuple(size)))


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_decord_seeks_wrongly_in_are_packed_right(videos, name):
    wanted = request(videos, Entry("b.avi"), name=name)
    assert numbers_of(wanted, *pack(wanted)) == list(range(40))


@pytest.mark.parametrize("name", FORMATS)
def test_ranges_of_a_file_from_one_pass(videos, name):
    bounds = [(0, 10), (5, 8), (6, 20), (30, None), (49, 50)]
    entries = [Entry("a.mp4", start=start, stop=stop, caption=f"{start}") for start, stop in bounds]
    wanted = request(videos, *entries, name=name)
    rows = pack(wanted)
    for row, (start, stop) in zip(rows, bounds, strict=True):
        assert row.first_frame == start and numbers_of(wanted, row) == list(range(start, stop or 50))
    ends = [row.offset + row.num_bytes for row in rows]
    assert [row.offset for row in rows] == [0, *ends[:-1]] and wanted.shard.stat().st_size == ends[-1]


def test_seconds_are_times_of_frames(videos):
    entries = [Entry("a.mp4", start=a, stop=b, in_seconds=True) for a, b in ((0, 0.4), (0.4, 0.5), (1.9, None), (3, 4))]
    wanted = request(videos, *entries)
    *rows, beyond = pack(wanted)
    assert [numbers_of(wanted, row) for row in rows] == [list(range(10)), [10, 11, 12], [48, 49]]
    assert beyond.status == REFUSED and beyond.reason == "seconds 3 to 4 hold no frame: it is 1.96 s long"


def test_what_lay_behind_the_offset_is_lost(videos):
    (videos / "shard").write_bytes(b"x" * 1_000_000)
    wanted = request(videos, Entry("a.mp4", stop=2), offset=1000)
    (row,) = pack(wanted)
    assert row.offset == 1000 and wanted.shard.stat().st_size == 1000 + 2 * 64 * 64 * 3
    assert wanted.shard.read_bytes()[:1000] == b"x" * 1000 and numbers_of(wanted, row) == [0, 1]


def test_ranges_outside_are_refused_alone(videos):
    good, bad = pack(request(videos, Entry("a.mp4", start=1, stop=3), Entry("a.mp4", start=40, stop=51)))
    assert good.status == PACKED and good.num_frames == 2
    assert (bad.status, bad.reason) == (REFUSED, "frames 40 to 50 asked for, it has 0 to 49")


@pytest.mark.parametrize("name", FORMATS)
def test_a_refused_range_leaves_nothing_in_the_shard(videos, name):
    bounds = [(40, 51), (42, 44), (45, 60), (46, None)]
    wanted = request(videos, *(Entry("a.mp4", start=start, stop=stop) for start, stop in bounds), name=name)
    rows = pack(wanted)
    assert [row.status for row in rows] == [REFUSED, PACKED, REFUSED, PACKED]
    assert numbers_of(wanted, rows[1]) == [42, 43] and numbers_of(wanted, rows[3]) == [46, 47, 48, 49]
    assert wanted.shard.stat().st_size == rows[1].num_bytes + rows[3].num_bytes
    between = Entry("a.mp4", start=0.41, stop=0.42, in_seconds=True)
    (row,) = pack(request(videos, between, name=name))
    assert (row.status, row.reason) == (REFUSED, "seconds 0.41 to 0.42 hold no frame")


def bad_files(root: Path) -> None:
    whole = write_numbered(root / "whole.mp4", num_frames=60).read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "text.mp4").write_text("no video")
    (root / "empty.mp4").touch()
    (root / "drawing.gif").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "list.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    (root / "folder.mp4").mkdir()
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    (root / "picture.jpg").write_text("no picture")
    Image.new("RGB", (30, 8)).save(root / "strip.png")
    Image.new("I;16", (16, 8)).save(root / "deep.png")
    (root / "a.zip").write_text("no zip")
    (root / "none").mkdir()
    (root / "sizes").mkdir()
    for index, side in enumerate((8, 8, 9)):
        Image.new("RGB", (side, side)).save(root / "sizes" / f"{index}.png")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("cut.mp4"), "cannot decode this file"),
        (Entry("text.mp4"), "cannot decode this file"),
        (Entry("empty.mp4"), "cannot decode this file"),
        (Entry("drawing.gif"), "cannot decode this file"),
        (Entry("list.mp4"), "cannot decode this file"),
        (Entry("folder.mp4"), "is no regular file"),
        (Entry("missing.mp4"), "no such video file"),
        (Entry("loop.mp4"), "no such video file"),
        (Entry("picture.jpg", STRIP), "cannot decode this picture"),
        (Entry("strip.png", STRIP), "is 30x8: not a row of square frames"),
        (Entry("deep.png", STRIP), "8 bits a channel"),
        (Entry("a.zip", FRAME_ZIP, "v"), "zip"),
        (Entry("none", FRAME_FOLDER), "holds no picture"),
        (Entry("sizes", FRAME_FOLDER), "picture 2 is 9x9, the first one is not"),
    ],
)
def test_bad_files_are_refused_with_the_reason(tmp_path, entry, reason):
    bad_files(tmp_path)
    (row,) = pack(request(tmp_path, entry))
    assert row.status == REFUSED and reason in row.reason and "\n" not in row.reason
    assert str(tmp_path) not in row.reason


def test_without_a_shard_random_reads_are_tried(videos):
    for name, exact in (("a.mp4", True), ("b.avi", False)):
        (row,) = pack(request(videos, Entry(name))._replace(shard=None))
        assert (row.status, row.exact_seek) == (PACKED, exact)


def test_a_shard_that_cannot_be_written_is_no_fault_of_the_file(videos, tmp_path):
    with pytest.raises(ShardError, match="Is a directory"):
        pack(request(videos, Entry("a.mp4"))._replace(shard=tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(ShardError, match="shard: File too large"):
            pack(request(videos, Entry("a.mp4"))._replace(shard=tmp_path / "shard"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def pictures():
    return [board(3, frame, 64, 64) for frame in range(12)]


def packed_like(root: Path, entry: Entry, pictures: list[np.ndarray]) -> None:
    wanted = request(root, entry)
    (row,) = pack(wanted)
    assert (row.status, row.num_frames, row.width, row.height, row.fps) == (PACKED, len(pictures), 64, 64, 25)
    assert np.array_equal(frames_of(wanted, row).permute(1, 2, 3, 0), np.stack(pictures))


@pytest.mark.parametrize("axis", [0, 1])
def test_strips_of_square_frames(tmp_path, pictures, axis):
    strip = np.concatenate(pictures, axis)
    alpha = np.full((*strip.shape[:2], 1), 255, np.uint8)
    Image.fromarray(np.concatenate([strip, alpha], -1)).save(tmp_path / "00000001.jpg", format="PNG")  # as MoCoGAN's
    packed_like(tmp_path, Entry("00000001.jpg", STRIP), pictures)


def test_folders_and_zips_of_frames(tmp_path, pictures):
    for index, frame in enumerate(pictures):
        (tmp_path / "v").mkdir(exist_ok=True)
        Image.fromarray(frame).save(tmp_path / "v" / f"{index}.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted((tmp_path / "v").iterdir()):
            archive.write(path, f"sky/v/{path.name}")
    packed_like(tmp_path, Entry("v", FRAME_FOLDER), pictures)
    packed_like(tmp_path, Entry("a.zip", FRAME_ZIP, "sky/v"), pictures)


def test_moving_mnist(tmp_path, pictures):
    grey = np.stack(pictures)[..., 0]
    np.save(tmp_path / "a.npy", np.stack([grey, 255 - grey], 1))
    packed_like(tmp_path, Entry("a.npy", ARRAY, "0"), pictures)
    packed_like(tmp_path, Entry("a.npy", ARRAY, "1"), [255 - frame for frame in pictures])
