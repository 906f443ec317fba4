"""Children that hang, die, run out of memory: what becomes of their files, and of the others."""

import os
import signal
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from packs.formats import Size
from packs.index import PACKED, REFUSED
from preparing.children import Limits, run
from preparing.entries import ARRAY, FRAME_FOLDER, Entry
from preparing.file_packing import Request, ShardError
from tests.numbered_videos import write_numbered
from tests.processes import children_of

PATIENT = Limits(120.0, 4 * 2**30)


class Files:
    """A lane of files that only looks at them, or writes them to a shard."""

    def __init__(self, root, entries, shard=None):
        self.root, self.entries, self.shard = root, list(entries), shard
        self.rows = []

    def request(self):
        if len(self.rows) == len(self.entries):
            return None
        return Request(self.root, (self.entries[len(self.rows)],), "raw", Size(16, 16), 25.0, self.shard)

    def take(self, rows):
        self.rows += rows


def a_good_folder(root, name):
    (root / name).mkdir()
    for index in range(3):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(root / name / f"{index}.png")
    return Entry(name, FRAME_FOLDER)


def a_hanging_folder(root, name):
    """Who reads its second picture waits until somebody writes to it."""
    entry = a_good_folder(root, name)
    (root / name / "1.png").unlink()
    os.mkfifo(root / name / "1.png")
    return entry


def test_many_lanes_and_few_children(tmp_path):
    write_numbered(tmp_path / "v.mp4", num_frames=20)
    lanes = [Files(tmp_path, [a_good_folder(tmp_path, f"{lane}{i}") for i in range(2)]) for lane in "abc"]
    lanes += [Files(tmp_path, []), Files(tmp_path, [Entry("v.mp4"), Entry("missing.mp4")])]
    answered = [job.entries[0].file for job, _ in run(lanes, 2, PATIENT)]
    assert sorted(answered) == ["a0", "a1", "b0", "b1", "c0", "c1", "missing.mp4", "v.mp4"]
    assert [[row.status for row in lane.rows] for lane in lanes[3:]] == [[], [PACKED, REFUSED]]
    assert all(row.status == PACKED and row.num_frames == 3 for lane in lanes[:3] for row in lane.rows)
    assert children_of() == []


def test_a_file_that_hangs_is_given_up_after_two_tries(tmp_path):
    entries = [a_good_folder(tmp_path, "a"), a_hanging_folder(tmp_path, "b"), a_good_folder(tmp_path, "c")]
    lane = Files(tmp_path, entries)
    for _ in run([lane], 1, Limits(2.0, PATIENT.memory_bytes)):
        pass
    assert [row.status for row in lane.rows] == [PACKED, REFUSED, PACKED]
    assert lane.rows[1].reason == "no new frame for 2 s, 2 times"
    assert children_of() == []


def test_a_decoder_that_dies_costs_its_file(tmp_path):
    lane = Files(tmp_path, [a_hanging_folder(tmp_path, "a"), a_good_folder(tmp_path, "b")])
    over = threading.Event()

    def kill_readers():
        """Kill the child as a decoder would, as soon as it has the pipe open: before, nobody can write to it."""
        while not over.wait(0.05):
            with suppress(OSError):
                pipe = os.open(tmp_path / "a" / "1.png", os.O_WRONLY | os.O_NONBLOCK)
                for child in children_of():
                    os.kill(child, signal.SIGABRT)
                os.close(pipe)

    killer = threading.Thread(target=kill_readers)
    killer.start()
    try:
        for _ in run([lane], 1, PATIENT):
            pass
    finally:
        over.set()
        killer.join()
    assert [row.status for row in lane.rows] == [REFUSED, PACKED]
    assert lane.rows[0].reason == "the decoder died (SIGABRT), 2 times"


def test_memory_is_limited(tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((2, 1, 16, 16), np.uint8))
    np.save(tmp_path / "large.npy", np.zeros((200, 1, 1000, 1000), np.uint8))  # 600 MB as colour frames
    entries = [Entry("small.npy", ARRAY, "0"), Entry("large.npy", ARRAY, "0")]
    lane = Files(tmp_path, entries)
    for _ in run([lane], 1, Limits(120.0, 400 * 2**20)):
        pass
    assert [row.status for row in lane.rows] == [PACKED, REFUSED]
    assert "Unable to allocate" in lane.rows[1].reason


def test_a_shard_that_cannot_be_written_ends_everything(tmp_path):
    lane = Files(tmp_path, [a_good_folder(tmp_path, "a")], shard=tmp_path)
    with pytest.raises(ShardError, match="Is a directory"):
        list(run([lane], 1, PATIENT))
    deadline = time.monotonic() + 60
    while children_of() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert children_of() == []
