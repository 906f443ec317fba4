"""Files that change, vanish, crash their decoder or hang it, in the middle of a run."""

import json
import os
from collections import Counter
from itertools import islice
from types import SimpleNamespace

import pytest
import torch

from datamodules import file_guard
from datamodules.clip_dataset import ClipDataset
from datamodules.clip_sampling import ClipChoice
from datamodules.data_ledger import LEDGER, DataLedger, TooManyBadFilesError
from datamodules.file_guard import FileGuard
from datamodules.isolated_reading import BadFileError
from datamodules.video_folder import VideoFolder
from datamodules.video_index import index_videos
from tests.numbered_videos import read_clip_numbers, write_numbered
from tests.processes import children_of

NUM_VIDEOS = 12


@pytest.fixture
def root(tmp_path):
    for video in range(NUM_VIDEOS):
        write_numbered(tmp_path / "videos" / f"class{video % 2}" / f"{video:02d}.mp4", video, 24)
    return tmp_path / "videos"


def data_of(root, run, num_workers=0, global_step=0, **others):
    """The data of a run in its folder."""
    settings = {"num_frames": 6, "size": 32, "batch_size": 4, "validation_fraction": 0, "max_bad_share": 0.5}
    data = VideoFolder(str(root), num_workers=num_workers, **{**settings, **others})
    run.mkdir(exist_ok=True)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1, global_step=global_step, default_root_dir=str(run))
    data.setup()
    return data


def batches(data, count):
    return [(batch["clip"].clone(), batch["label"].tolist()) for batch in islice(data.train_dataloader(), count)]


def same(some, others):
    return all(torch.equal(a, b) and one == two for (a, one), (b, two) in zip(some, others, strict=True))


def named(run):
    return Counter(json.loads(line)["path"] for line in (run / LEDGER).read_text().splitlines())


def entries_of(run):
    ledger = DataLedger(run / LEDGER)
    ledger.refresh()
    return ledger.entries.values()


def spoil(root):
    """Damage three of the twelve in three ways; their names."""
    (root / "class0/02.mp4").unlink()
    (root / "class1/05.mp4").write_bytes((root / "class1/07.mp4").read_bytes())
    content = bytearray((root / "class0/08.mp4").read_bytes())
    status = (root / "class0/08.mp4").stat()
    content[len(content) // 2] ^= 1
    (root / "class0/08.mp4").write_bytes(content)
    os.utime(root / "class0/08.mp4", ns=(status.st_atime_ns, status.st_mtime_ns))
    return {"class0/02.mp4", "class1/05.mp4", "class0/08.mp4"}


def test_the_same_batches_for_any_workers_and_after_a_stop(root, tmp_path):
    index_videos(root)  # in the cache from here on
    sets = {f"{workers}": data_of(root, tmp_path / f"{workers}", workers) for workers in (0, 1, 2)}
    first = data_of(root, tmp_path / "stopped", 2)
    good = batches(data_of(root, tmp_path / "good"), 6)
    bad = spoil(root)
    whole = batches(sets["0"], 6)
    assert not same(whole, good)
    clips = [read_clip_numbers(clip) for batch, _ in whole for clip in batch]
    assert {written.video for written in clips} == set(range(NUM_VIDEOS)) - {2, 5, 8}
    for (batch, labels), (_, labels_before) in zip(whole, good, strict=True):
        assert labels == labels_before == [read_clip_numbers(clip).video % 2 for clip in batch]
    for workers in ("1", "2"):
        assert same(batches(sets[workers], 6), whole)
    begun = batches(first, 3)
    again = data_of(root, tmp_path / "stopped", 1, global_step=3)  # indexes what there is, and what was set aside
    assert same(begun + batches(again, 3), whole)
    assert again.fingerprint("train") == sets["0"].fingerprint("train")
    for run in ("0", "1", "2", "stopped"):
        assert named(tmp_path / run) == dict.fromkeys(bad, 1)


def test_two_processes_share_a_ledger(root, tmp_path):
    ranks = [data_of(root, tmp_path / "run", 1) for _ in range(2)]
    alone = data_of(root, tmp_path / "alone")
    for rank, data in enumerate(ranks):
        data.trainer.global_rank, data.trainer.world_size = rank, 2
    bad = spoil(root)
    halves = [batches(data, 6) for data in ranks]
    joined = [(torch.cat([a, b]), la + lb) for (a, la), (b, lb) in zip(*halves, strict=True)]
    assert same(joined, batches(alone, 6))
    assert named(tmp_path / "run") == dict.fromkeys(bad, 1)


def test_kept_videos_are_read_the_same_way(root, tmp_path):
    streamed, kept = data_of(root, tmp_path / "a"), data_of(root, tmp_path / "b", keep_decoded=True)
    bad = spoil(root)
    assert same(batches(streamed, 6), batches(kept, 6))
    assert named(tmp_path / "b") == dict.fromkeys(bad, 1)


def test_a_file_that_hangs_is_set_aside(root, tmp_path):
    data = data_of(root, tmp_path / "run", deadline_seconds=8.0)
    (root / "class0/04.mp4").unlink()
    os.mkfifo(root / "class0/04.mp4")  # who opens it to read waits for a writer
    clips = [clip for batch, _ in batches(data, 6) for clip in batch]
    assert {read_clip_numbers(clip).video for clip in clips} == set(range(NUM_VIDEOS)) - {4}
    (entry,) = entries_of(tmp_path / "run")
    assert entry.kind == "silent" and entry.reason == "not decoded after 8 s"


def test_measuring_does_without_bad_files_and_keeps_the_labels(root, tmp_path):
    data = data_of(root, tmp_path / "run")
    clips = data.evaluation_dataset(24, "train")
    spoil(root)
    items = [clips[index] for index in range(24)]
    assert [item["label"] for item in items] == clips.labels
    assert {read_clip_numbers(item["clip"]).video for item in items} == set(range(NUM_VIDEOS)) - {2, 5, 8}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_too_many_bad_files_stop_the_run_in_a_line(root, tmp_path, num_workers):
    data = data_of(root, tmp_path / "run", num_workers, max_bad_share=0.2)
    spoil(root)
    with pytest.raises(TooManyBadFilesError) as caught:
        batches(data, 12)
    message = str(caught.value)
    assert "\n" not in message and "3 of 12 videos" in message and str(tmp_path / "run" / LEDGER) in message
    assert all(name in message for name in ("class0/02.mp4 (is missing)", "class0/08.mp4", "class1/05.mp4"))


def test_a_file_whose_decoder_fails_for_some_frames_is_replaced_where_it_does(tmp_path, root, monkeypatch):
    """So that nothing depends on who has noticed; far behind, where everybody knows, it is left out wholly."""
    monkeypatch.setattr(file_guard, "_HORIZON", 100)
    videos = index_videos(root).videos

    def choose(position):
        return ClipChoice(position % NUM_VIDEOS, start_frame=position % 5, flip=False)

    def read(number, frames):
        if number == 3 and frames.start == 3:
            raise BadFileError("deadly", "the decoder died (SIGSEGV)")
        return torch.tensor([number, frames.start])

    def read_at(positions, ledger):
        guard = FileGuard(videos, ledger, NUM_VIDEOS, 1.0)
        dataset = ClipDataset(videos, choose, 6, read, guard=guard)
        return [dataset[position]["clip"].tolist() for position in positions]

    in_order = read_at(range(400), DataLedger(tmp_path / "one.jsonl"))
    other = DataLedger(tmp_path / "two.jsonl")
    odd = read_at(range(1, 400, 2), other)  # a worker that is far ahead of the other, but not out of sight
    assert [read_at(range(0, 160, 2), other), odd] == [in_order[0:160:2], in_order[1::2]]
    assert [3, 0] in in_order[:200] and all(number != 3 for number, _ in in_order[200:])
    assert list(other.entries) == ["class0/06.mp4"]


def test_no_child_is_left(root, tmp_path):
    before = set(children_of())
    loader = iter(data_of(root, tmp_path / "run", 2).train_dataloader())
    next(loader)
    workers = set(children_of()) - before
    decoders = {child for worker in workers for child in children_of(worker)}
    assert decoders
    loader.close()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)  # noqa: PTH110
