"""A pack gives the clips of the files that were packed."""

import json
import os
import pickle
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch

from datamodules import packed_videos
from datamodules.packed_videos import PackedVideos
from datamodules.video_folder import VideoFolder
from packs.index import INDEX_FILE, shard_path
from prepare import main
from tests.numbered_videos import read_clip_numbers, write_numbered

SETTINGS = {"num_frames": 6, "size": 64, "batch_size": 4, "num_workers": 0}


def packed(source: Path, folder: Path, *options: str) -> Path:
    assert main([str(source), "--output", str(folder), "--processes", "1", *options]) == 0
    return folder


@pytest.fixture(scope="module")
def packs(numbered_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("packs")
    return {name: packed(numbered_folder, root / name, "--format", name) for name in ("raw", "jpeg", "h264")}


def from_files(root: Path, **arguments: object) -> VideoFolder:
    return VideoFolder(**{"root": str(root), **SETTINGS, **arguments})


def from_pack(root: Path, **arguments: object) -> PackedVideos:
    return PackedVideos(**{"root": str(root), **SETTINGS, **arguments})


def open_files(folder: Path) -> list[str]:
    """Files in a folder that this process has open."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.append(str(path.readlink()))
    return [name for name in found if name.startswith(str(folder.resolve()))]


def batches(data: VideoFolder, number: int = 6) -> list[dict[str, torch.Tensor]]:
    return list(islice(data.train_dataloader(), number))


def equal(one: list[dict[str, torch.Tensor]], other: list[dict[str, torch.Tensor]]) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"seed": 3, "frame_stride": 3},
        {"sampling": "by_clip", "max_frame_stride": 4},
        {"sampling": "by_class", "group_pattern": r"person(\d)", "flip": False},
    ],
)
def test_a_raw_pack_gives_the_very_clips_of_the_files(numbered_folder, packs, rule):
    files, pack = from_files(numbered_folder, **rule), from_pack(packs["raw"], **rule)
    assert equal(batches(files), batches(pack))
    for split in ("train", "validation"):
        fixed, from_it = files.evaluation_dataset(7, split), pack.evaluation_dataset(7, split)
        assert fixed.labels == from_it.labels
        assert all(torch.equal(fixed[index]["clip"], from_it[index]["clip"]) for index in range(7))
        assert [video.path for video in files.videos(split)] == [video.path for video in pack.videos(split)]
    assert (files.class_names, files.fps, files.video_shape) == (pack.class_names, pack.fps, pack.video_shape)
    assert files.summary().split(": ")[1] == pack.summary().split(": ")[1]


@pytest.mark.parametrize("name", ["a.avi", "a.gif", "open_groups.mp4"])
def test_files_that_are_read_in_order_give_the_same_clips_too(tmp_path, name):
    how = {
        "a.avi": {"codec": "mpeg4", "bf": "2", "g": "12"},
        "a.gif": {"codec": "gif", "pixel_format": "rgb8"},
        "open_groups.mp4": {"codec": "libx264", "x264-params": "open-gop=1:keyint=10"},
    }[name]
    for video in range(2):
        write_numbered(tmp_path / "videos" / str(video) / name, video, num_frames=30, width=96, height=80, **how)
    pack = packed(tmp_path / "videos", tmp_path / "pack", "--size", "32")
    settings = {"size": 32, "validation_fraction": 0}
    assert equal(batches(from_files(tmp_path / "videos", **settings), 3), batches(from_pack(pack, **settings), 3))


@pytest.mark.parametrize(("name", "tolerance"), [("jpeg", 2), ("h264", 4)])
def test_smaller_packs_give_the_same_frames_with_a_little_less_in_them(numbered_folder, tmp_path, name, tolerance):
    pack = packed(numbered_folder, tmp_path / "pack", "--format", name, "--size", "48")
    clips = zip(batches(from_files(numbered_folder, size=48)), batches(from_pack(pack, size=48)), strict=True)
    for exact, lossy in clips:
        assert torch.equal(exact["label"], lossy["label"]) and torch.equal(exact["position"], lossy["position"])
        for one, other in zip(exact["clip"], lossy["clip"], strict=True):
            assert read_clip_numbers(one) == read_clip_numbers(other)
        assert 0 < (exact["clip"].float() - lossy["clip"].float()).abs().mean() < tolerance


@pytest.mark.parametrize("name", ["raw", "jpeg", "h264"])
def test_batches_are_the_same_for_any_number_of_workers(packs, name):
    alone = batches(from_pack(packs[name]))
    for num_workers in (1, 2):
        assert equal(batches(from_pack(packs[name], num_workers=num_workers)), alone)
    assert equal(batches(from_pack(packs[name], keep_decoded=True)), alone)


def test_a_raw_clip_is_one_read_and_nothing_stays_open(packs, monkeypatch):
    data = from_pack(packs["raw"], validation_fraction=0)
    dataset = data.evaluation_dataset(9, "train")
    reads, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: reads.append(arguments[1]) or pread(*arguments))
    for index in range(9):
        dataset[index]
    assert reads == [6 * 64 * 64 * 3] * 9
    assert open_files(packs["raw"]) == []
    with next((packs["raw"] / "shards").iterdir()).open():
        assert len(open_files(packs["raw"])) == 1
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[2]["clip"], dataset[2]["clip"])


def test_smaller_clips_than_the_pack_has(packs):
    clips = from_pack(packs["raw"], size=32, validation_fraction=0).evaluation_dataset(9, "train")
    large = from_pack(packs["raw"], validation_fraction=0).evaluation_dataset(9, "train")
    for index in range(9):
        assert clips[index]["clip"].shape == (3, 6, 32, 32)
        assert read_clip_numbers(clips[index]["clip"]) == read_clip_numbers(large[index]["clip"])


def test_another_pack_has_another_fingerprint(numbered_folder, packs):
    prints = {from_pack(folder).fingerprint("train") for folder in packs.values()}
    prints |= {from_files(numbered_folder).fingerprint("train"), from_pack(packs["raw"]).fingerprint("validation")}
    assert len(prints) == 5
    assert from_pack(packs["raw"]).fingerprint("train") == from_pack(packs["raw"], seed=1).fingerprint("train")


def listed(root: Path, *lines: str) -> Path:
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return root / "list.csv"


@pytest.fixture
def few(tmp_path):
    folder = tmp_path / "videos"
    for video in range(4):
        write_numbered(folder / f"{video}.mp4", video, num_frames=40)
    return folder


def test_the_splits_of_the_pack(few):
    source = listed(few, "path,split", "0.mp4,train", "1.mp4,Test", "2.mp4,val", "3.mp4,train")
    pack = packed(source, few.parent / "pack")
    data = from_pack(pack)
    assert [video.path for video in data.videos("train")] == ["0.mp4", "3.mp4"]
    assert [video.path for video in data.videos("validation")] == ["2.mp4"]
    by_hash = from_pack(pack, use_splits=False)
    assert by_hash.num_videos("train") == 3 and by_hash.num_videos("validation") == 1
    (few / "held_out.txt").write_text("0.mp4\n")
    by_list = from_pack(pack, validation_list=str(few / "held_out.txt"))
    assert by_list.num_videos("train") == 3 and by_list.videos("validation")[0].path == "0.mp4"


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (("train", "", "test", "test"), "1 of 4 videos have no split (1.mp4); give all of them one and pack again"),
        (("test",) * 4, "no video has the split train, there are test; set use_splits: false"),
    ],
)
def test_splits_that_do_not_do(few, splits, message):
    source = listed(few, "path,split", *(f"{index}.mp4,{split}" for index, split in enumerate(splits)))
    with pytest.raises(ValueError) as error:
        from_pack(packed(source, few.parent / "pack")).prepare_data()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_parts_of_files_are_videos_of_their_own(few):
    source = listed(
        few, "path,label,start,end", "1.mp4,a,0,0.6", "1.mp4,b,0.8,1.6", "0.mp4,b,,", "2.mp4,a,0.4,1", "3.mp4,a,,"
    )
    data = from_pack(packed(source, few.parent / "pack"), validation_fraction=0)
    paths = [video.path for video in data.videos("train")]
    assert paths == ["0.mp4", "1.mp4#0-14", "1.mp4#20-39", "2.mp4", "3.mp4"]
    assert data.class_names == ("a", "b") and data.videos("train").labels.tolist() == [1, 0, 1, 0, 0]
    clips = data.evaluation_dataset(10, "train")
    seen = {(item["label"], *read_clip_numbers(item["clip"])[:1]) for item in clips}
    assert seen == {(1, 0), (0, 1), (1, 1), (0, 2), (0, 3)}
    held_out = from_pack(few.parent / "pack", validation_fraction=0.5)
    files = [{video.path.split("#")[0] for video in held_out.videos(split)} for split in ("train", "validation")]
    assert not files[0] & files[1]


def test_the_split_of_many_videos_is_computed_once(few, cache_folder, monkeypatch):
    pack = packed(few, few.parent / "pack", "--size", "32")
    settings = {"size": 32, "validation_fraction": 0.5}

    def held_out(**others):
        return [video.path for video in from_pack(pack, **(settings | others)).videos("validation")]

    few_videos = held_out()
    assert not cache_folder.exists()
    monkeypatch.setattr(packed_videos, "_MANY", 4)
    assert held_out() == few_videos
    (kept,) = (cache_folder / "index").iterdir()
    monkeypatch.setattr(packed_videos, "split_by_fraction", None)
    assert held_out() == few_videos
    monkeypatch.undo()
    monkeypatch.setenv("KINOGAN_CACHE", str(cache_folder))
    monkeypatch.setattr(packed_videos, "_MANY", 4)
    for damage in (b"", kept.read_bytes()[:-1], b"x" * 200):
        kept.write_bytes(damage)
        assert held_out() == few_videos
    others = held_out(validation_fraction=0.25), held_out(group_pattern=r"(\d)")
    assert len(others[0]) == 1 and len(others[1]) == 2 and len(list((cache_folder / "index").iterdir())) == 3


def test_labels_for_all_or_none(few):
    source = listed(few, "path,label", "0.mp4,a", "1.mp4,", "2.mp4,a")
    with pytest.raises(ValueError, match=r"1 of 3 videos have no label \(1.mp4\)"):
        from_pack(packed(source, few.parent / "pack")).prepare_data()
    plain = from_pack(packed(few, few.parent / "plain"))
    files = from_files(few)
    assert plain.class_names == files.class_names == (few.name,)


@pytest.fixture
def captioned(few):
    lines = ("path,label,caption", '0.mp4,a,"a board, counting"', "1.mp4,a,", "2.mp4,b,größer", "3.mp4,b,three")
    return packed(listed(few, *lines), few.parent / "pack", "--size", "32")


CAPTIONS = {0: "a board, counting", 1: "", 2: "größer", 3: "three"}


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize("sampling", ["by_video", "by_class"])
def test_captions_are_those_of_the_clips(captioned, num_workers, sampling):
    settings = {"size": 32, "validation_fraction": 0, "num_workers": num_workers, "sampling": sampling}
    plain, with_captions = (from_pack(captioned, **settings, captions=asked) for asked in (False, True))
    for without, batch in zip(batches(plain), batches(with_captions), strict=True):
        assert batch.keys() - without.keys() == {"caption"} and torch.equal(batch["clip"], without["clip"])
        assert batch["caption"] == [CAPTIONS[read_clip_numbers(clip).video] for clip in batch["clip"]]


def test_captions_of_a_split_and_of_fixed_clips(captioned):
    data = from_pack(captioned, size=32, validation_fraction=0.5, captions=True)
    for split in ("train", "validation"):
        clips = pickle.loads(pickle.dumps(data.evaluation_dataset(6, split)))
        assert [clips[index]["caption"] for index in range(6)] == [
            CAPTIONS[read_clip_numbers(clips[index]["clip"]).video] for index in range(6)
        ]


def test_a_pack_without_captions_has_none_to_give(packs):
    with pytest.raises(ValueError, match="captions is true, but no video of the pack has one; pack again") as error:
        from_pack(packs["raw"], captions=True).prepare_data()
    assert "\n" not in str(error.value)


def rewritten(pack: Path, **changes: object) -> None:
    table = parquet.read_table(pack / INDEX_FILE)
    header = json.loads(table.schema.metadata[b"kinogan"]) | changes
    parquet.write_table(table.replace_schema_metadata({b"kinogan": json.dumps(header).encode()}), pack / INDEX_FILE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda pack: (pack / INDEX_FILE).unlink(), "so no finished pack; python prepare.py makes one"),
        (lambda pack: (pack / INDEX_FILE).write_bytes(b"PAR1"), "damaged, or not an index that this version can read"),
        (
            lambda pack: rewritten(pack, number=99),
            "a pack of format 99 (raw), which this version cannot read; take the",
        ),
        (lambda pack: shard_path(pack, 0).unlink(), "is missing; copy the pack again"),
        (lambda pack: shard_path(pack, 0).write_bytes(b"short"), "has 5 of"),
    ],
)
def test_what_is_no_whole_pack_is_one_line(few, damage, message):
    pack = packed(few, few.parent / "pack")
    damage(pack)
    with pytest.raises((FileNotFoundError, ValueError)) as error:
        from_pack(pack).prepare_data()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_size_that_the_pack_has_not(packs):
    with pytest.raises(ValueError, match="its frames are 64x64, smaller than size, 128; lower size, or pack again"):
        from_pack(packs["raw"], size=128).prepare_data()
    with pytest.raises(FileNotFoundError, match="no finished pack"):
        from_pack(packs["raw"].parent).prepare_data()


def test_frames_are_those_of_the_pack_when_read_by_hand(packs):
    data = from_pack(packs["raw"], validation_fraction=0)
    clip = data.evaluation_dataset(1, "train")[0]["clip"]
    assert isinstance(clip, torch.Tensor) and clip.is_contiguous() and clip.dtype == torch.uint8
    assert np.asarray(data.videos("train").num_frames).tolist() == [24, 40, 31, 24, 33, 40, 26, 30, 24]
