"""Names of a pack's videos, and their order."""

from pathlib import Path

import pytest

from packs.index import PACKED, Row, write_index
from packs.names import named_videos
from packs.reading import Pack

PARTS = [("b.mp4", 20, 10), ("a.mp4", 0, 5), ("b.mp4", 0, 15), ("b.mp4", 20, 4), ("c.mp4", 7, 1)]
NAMES = ["a.mp4", "b.mp4#0-14", "b.mp4#20-23", "b.mp4#20-29", "c.mp4"]


def named(folder: Path, parts: list[tuple[str, int, int]]) -> dict[str, list]:
    rows = [Row(path, PACKED, first_frame=first, num_frames=count, shard=0) for path, first, count in parts]
    write_index(folder, "raw", (8, 8), (), rows, "somewhere")
    return named_videos(Pack(folder)).to_pydict()


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (1, 2, 3, 0, 4), (4, 0, 3, 2, 1)])
def test_parts_are_named_by_their_frames_and_sorted_however_they_lie(tmp_path, order):
    found = named(tmp_path, [PARTS[place] for place in order])
    assert found["name"] == NAMES
    assert [PARTS[order[row]] for row in found["row"]] == sorted(PARTS)


@pytest.mark.parametrize("paths", [["a", "b", "ü"], ["ü", "b", "a"], ["b"]])
def test_whole_files_are_named_by_their_paths(tmp_path, paths):
    found = named(tmp_path, [(path, 0, 3) for path in paths])
    assert found["name"] == sorted(paths) and [paths[row] for row in found["row"]] == sorted(paths)
