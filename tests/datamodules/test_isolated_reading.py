"""Decoders that crash, hang or take all memory, and what becomes of the process that asks them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules import isolated_reading
from datamodules.isolated_reading import BadFileError, IsolatedReader, Limits, Wanted, reader_of_this_thread
from tensor_files.whole_files import sha256_of
from tests.numbered_videos import write_numbered
from tests.processes import children_of, state_of, wait_until
from video_io.reading import VideoProperties, probe, read_frames

PATIENT = Limits(seconds=300.0)


@pytest.fixture
def wanted(tmp_path):
    path = write_numbered(tmp_path / "good.mp4", num_frames=24)
    return Wanted(str(path), range(2, 18, 3), 48, probe(path), sha256_of(path))


@pytest.fixture
def reader():
    one = IsolatedReader(PATIENT)
    yield one
    one.close()


def hanging(folder):
    """Who reads this file waits until somebody writes to it."""
    os.mkfifo(folder / "hanging.mp4")
    return folder / "hanging.mp4"


def test_frames_are_those_that_this_process_would_read(wanted, reader):
    here = read_frames(wanted.path, wanted.frames, wanted.size, wanted.properties)
    delivered = reader.read(wanted)
    assert delivered.frames.shape == (6, 48, 48, 3) and np.array_equal(delivered.frames, here)
    assert reader.probe(Path(wanted.path)) == (wanted.sha256, wanted.properties)


def test_the_child_does_without_torch(wanted, reader):
    reader.read(wanted)
    (child,) = children_of()
    assert "libavcodec" in Path(f"/proc/{child}/maps").read_text()
    assert "libtorch" not in Path(f"/proc/{child}/maps").read_text()


def test_content_is_compared_once(wanted, reader):
    stamp = reader.read(wanted).stamp
    reader.read(wanted._replace(sha256="unlike", stamp=stamp))  # not looked at again
    os.utime(wanted.path, ns=(0, 0))
    with pytest.raises(BadFileError, match="another content than when it was indexed") as caught:
        reader.read(wanted._replace(sha256="unlike", stamp=stamp))
    assert caught.value.kind == "changed"
    assert reader.read(wanted._replace(stamp=stamp)).stamp != stamp


def test_what_is_wrong_is_said(wanted, reader, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for changes, kind, reason in (
        ({"path": str(tmp_path / "no.mp4")}, "changed", "is missing"),
        ({"path": str(tmp_path)}, "undecodable", "Is a directory"),
        ({"frames": range(20, 30)}, "undecodable", "frames 0 to 23"),
        ({"path": str(tmp_path / "text.mp4"), "sha256": sha256_of(tmp_path / "text.mp4")}, "undecodable", "cannot"),
    ):
        with pytest.raises(BadFileError, match=reason) as caught:
            reader.read(wanted._replace(**changes))
        assert caught.value.kind == kind and "\n" not in caught.value.reason
    assert reader.read(wanted).frames.any()


def test_a_decoder_that_hangs_is_killed(wanted, tmp_path):
    impatient = IsolatedReader(Limits(seconds=1.0))
    with pytest.raises(BadFileError, match="not decoded after 1 s") as caught:
        impatient.read(wanted._replace(path=str(hanging(tmp_path))))
    assert caught.value.kind == "silent" and children_of() == []


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL])
def test_a_decoder_that_dies_twice_costs_its_file(wanted, reader, tmp_path, number):
    path, over = hanging(tmp_path), threading.Event()

    def kill_readers():
        """Kill the child as a decoder would, as soon as it has the pipe open: before, nobody can write to it."""
        while not over.wait(0.05):
            with suppress(OSError):
                pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                for child in children_of():
                    os.kill(child, number)
                    wait_until(lambda child=child: state_of(child) in ("Z", ""))
                os.close(pipe)

    killer = threading.Thread(target=kill_readers)
    killer.start()
    try:
        with pytest.raises(BadFileError, match=rf"the decoder died \({number.name}\)") as caught:
            reader.read(wanted._replace(path=str(path)))
    finally:
        over.set()
        killer.join()
    assert caught.value.kind == "deadly"
    assert reader.read(wanted).frames.any()


def test_a_child_that_dies_between_two_clips_is_not_missed(wanted, reader):
    first = reader.read(wanted).frames
    os.kill(*children_of(), signal.SIGKILL)
    assert np.array_equal(reader.read(wanted).frames, first)


def test_memory_is_limited(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    Image.new("RGB", (9000, 9000)).save(tmp_path / "large.png")  # 243 MB
    properties = VideoProperties(1, 64, 64, 1.0, exact_seek=True)
    small, large = (
        Wanted(str(path), range(1), 64, properties, sha256_of(path))
        for path in (tmp_path / "small.png", tmp_path / "large.png")
    )
    limited = IsolatedReader(Limits(300.0, 200 << 20))
    with pytest.raises(BadFileError) as caught:
        limited.read(large)
    assert caught.value.kind in ("undecodable", "deadly")
    assert limited.read(small).frames.shape == (1, 64, 64, 3)
    limited.close()


def test_a_child_is_replaced_after_so_many_clips(wanted, reader, monkeypatch):
    monkeypatch.setattr(isolated_reading, "_CLIPS_OF_A_CHILD", 2)
    seen = []
    for _ in range(5):
        reader.read(wanted)
        seen += children_of()
    assert len(seen) == 5 and [len(set(pair)) for pair in (seen[:2], seen[2:4])] == [1, 1] and len(set(seen)) == 3


def test_a_forked_process_has_a_child_of_its_own(wanted):
    mine = reader_of_this_thread(PATIENT)
    frames = mine.read(wanted).frames
    (child,) = children_of()
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def read_in_fork():
        reader = reader_of_this_thread(PATIENT)
        same = np.array_equal(reader.read(wanted).frames, frames)
        answers.put((same, children_of()))
        reader.close()

    forked = context.Process(target=read_in_fork)
    forked.start()
    same, (other,) = answers.get(timeout=300)
    forked.join()
    assert same and other != child
    assert np.array_equal(mine.read(wanted).frames, frames) and children_of() == [child]
    mine.close()


def test_a_child_ends_with_its_parent(wanted):
    program = (
        "import sys, time\n"
        "from datamodules.isolated_reading import *\n"
        f"IsolatedReader(Limits()).probe(Path({wanted.path!r})) and None\n"
        "one = IsolatedReader(Limits()); one.probe(Path(sys.argv[1]))\n"
        "print(one._child.process.pid, flush=True); time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, wanted.path], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert state_of(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: state_of(child) in ("Z", ""))
