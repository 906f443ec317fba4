import pickle

import numpy as np
import pytest

from datamodules.video_table import Video, VideoTable
from video_io.reading import VideoProperties


def video(number: int, path: str) -> Video:
    properties = VideoProperties(20 + number, 320, 240, 29.97, exact_seek=number % 2 == 0)
    return Video(path, number // 2, properties, sha256=f"{number:064x}")


VIDEOS = [video(number, path) for number, path in enumerate(["a/ü.mp4", "a/\udcff.mp4", "b/x y.mkv", "b/c/1.avi", "z"])]


def test_it_holds_the_videos():
    table = VideoTable.of(VIDEOS)
    assert len(table) == 5 and list(table) == VIDEOS and table[-1] == VIDEOS[-1] and table[1:3] == VIDEOS[1:3]
    assert isinstance(table[0].num_frames, int) and table[0].properties.exact_seek is True
    assert table.num_frames.tolist() == [20, 21, 22, 23, 24] and table.labels.tolist() == [0, 0, 1, 1, 2]
    assert [table.path(index) for index in range(5)] == [each.path for each in VIDEOS]
    with pytest.raises(IndexError):
        table[5]


@pytest.mark.parametrize("wanted", [[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1] * 5, [0] * 5])
def test_a_selection(wanted):
    selected = VideoTable.of(VIDEOS).select(np.array(wanted, bool))
    expected = [each for each, is_wanted in zip(VIDEOS, wanted, strict=True) if is_wanted]
    assert list(selected) == expected and bool(selected) is bool(expected)
    assert selected == VideoTable.of(expected)
    assert selected.column("fps").tolist() == [video.properties.fps for video in expected]


def test_a_selection_of_a_selection() -> None:
    table = VideoTable.of(VIDEOS)
    later = table.select(np.arange(len(table)) > 0)
    last = later.select(np.arange(len(later)) == len(later) - 1)
    assert list(last) == [VIDEOS[-1]] and list(last.paths()) == [VIDEOS[-1].path]
    assert last.num_frames.tolist() == [VIDEOS[-1].properties.num_frames]


def test_equality_and_pickling():
    table = VideoTable.of(VIDEOS)
    assert pickle.loads(pickle.dumps(table)) == table != VideoTable.of(VIDEOS[::-1])
    assert table != VIDEOS
