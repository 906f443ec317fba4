import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from evaluation.open_videos import open_videos
from evaluation.source_clips import ClipsOfSource
from metrics.clip_rules import ALL_WINDOWS, END_TO_END, STYLEGAN_V, TATS, choose
from tests.numbered_videos import read_clip_numbers, write_numbered


@pytest.mark.parametrize(("rule", "stride"), [(ALL_WINDOWS, 1), (TATS, 2), (END_TO_END, 3), (STYLEGAN_V, 1)])
def test_items_are_the_chosen_clips(video_folder: Path, rule: object, stride: int) -> None:
    source = open_videos(video_folder)
    choices = choose(rule, source.lengths, 30, 5, stride, seed=1)
    clips = ClipsOfSource(source, choices, 5, stride)
    assert len(clips) == len(choices)
    for index, (video, start) in enumerate(choices):
        item = clips[index]
        assert read_clip_numbers(item["clip"]) == (video, list(range(start, start + 5 * stride, stride)), False)
        assert item["label"] == clips.labels[index] == source.labels[video]
        assert item["name"] == source.names[video] + (f" from frame {start}" if start else "")


def test_a_batch_reads_each_frame_once(video_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_videos(video_folder)
    clips = ClipsOfSource(source, choose(ALL_WINDOWS, source.lengths, None, 5), 5, size=(32, 32))
    one_by_one = torch.stack([clips[index]["clip"] for index in range(len(clips))])
    read: list[tuple[int, int]] = []
    original = source.read
    monkeypatch.setattr(
        source,
        "read",
        lambda index, frames, size: (read.append((index, len(frames))), original(index, frames, size))[1],
    )
    batches = [batch["clip"] for batch in DataLoader(clips, batch_size=len(clips))]
    assert torch.equal(torch.cat(batches), one_by_one)
    assert read == [(0, 20), (1, 16), (2, 24), (3, 10)]
    read.clear()
    items = clips.__getitems__([15, 0, 3, 0])  # windows from frames 15, 0 and 3 of the first video
    assert [read_clip_numbers(item["clip"]).frames[0] for item in items] == [15, 0, 3, 0]
    assert read == [(0, 8), (0, 5)]


def test_videos_of_several_sizes_need_one(tmp_path: Path, video_folder: Path) -> None:
    shutil.copy(video_folder / "bow/0.mp4", tmp_path)
    write_numbered(tmp_path / "1.mp4", 1, 8, width=96, height=64)
    source = open_videos(tmp_path)
    assert "(and 1 other size)" in source.describe()
    choices = choose(STYLEGAN_V, source.lengths, None, 5)
    with pytest.raises(ValueError, match="the videos are of 2 sizes, 64x64 and 96x64 among them; say to which size"):
        ClipsOfSource(source, choices, 5)
    clips = ClipsOfSource(source, choices, 5, size=(48, 48))
    assert {item["clip"].shape for item in clips.__getitems__([0, 1])} == {(3, 5, 48, 48)}


def test_no_clip(video_folder: Path) -> None:
    with pytest.raises(ValueError, match="no clip was chosen"):
        ClipsOfSource(open_videos(video_folder), [], 5)
