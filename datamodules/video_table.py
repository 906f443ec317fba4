"""The videos of an index in columns: some 100 bytes a video, and no Python object until a video is asked for.

Workers are forked.  Objects that they only read would still be copied into each of them, because reading counts
references; the columns of a table stay shared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from video_io.reading import VideoProperties


@dataclass(frozen=True)
class Video:
    """One video: `path` below the root, with "/"; `label` of its class; `sha256` of its content, in hex, or ""."""

    path: str
    label: int
    properties: VideoProperties
    sha256: str

    @property
    def num_frames(self) -> int:
        """Frames of the whole video."""
        return self.properties.num_frames


class VideoTable(Sequence[Video]):
    """Videos, numbered from 0.

    Args:
        columns: `num_frames`, `label` (N,) int32; `width`, `height` (N,) int32, `fps` (N,) float64, `exact_seek` (N,)
            bool, as in `VideoProperties`; `sha256` (N, 32) uint8, where contents are compared; `path_begin`, `path_end`
            (N,) int64, where each path lies in the bytes `paths`, uint8, UTF-8.  Further columns, one value a video,
            are kept along.
        rows: of the videos in the columns, which selections share; None takes all.

    Attributes:
        num_frames: of each video, (N,).
        labels: class of each video, (N,).
    """

    def __init__(self, columns: dict[str, np.ndarray], rows: np.ndarray | None = None) -> None:
        self._columns = columns
        self._rows = rows
        self.num_frames = self.column("num_frames")
        self.labels = self.column("label")

    @classmethod
    def of(cls, videos: Sequence[Video]) -> "VideoTable":
        """The table of some videos."""
        paths = [video.path.encode("utf-8", "surrogateescape") for video in videos]
        properties = [video.properties for video in videos]
        hashes = bytes.fromhex("".join(video.sha256 for video in videos))
        ends = np.cumsum([len(path) for path in paths], dtype=np.int64)
        return cls(
            {
                "num_frames": np.array([each.num_frames for each in properties], np.int32),
                "width": np.array([each.width for each in properties], np.int32),
                "height": np.array([each.height for each in properties], np.int32),
                "fps": np.array([each.fps for each in properties], np.float64),
                "exact_seek": np.array([each.exact_seek for each in properties], bool),
                "label": np.array([video.label for video in videos], np.int32),
                "sha256": np.frombuffer(hashes, np.uint8).reshape(-1, 32),
                "path_begin": np.concatenate([[0], ends[:-1]]) if paths else ends,
                "path_end": ends,
                "paths": np.frombuffer(b"".join(paths), np.uint8),
            }
        )

    def select(self, wanted: Sequence[bool] | np.ndarray) -> "VideoTable":
        """The videos for which `wanted`, one value a video, is true; in the same order."""
        chosen = np.flatnonzero(np.asarray(wanted, bool))
        if len(chosen) == len(self):
            return self
        return VideoTable(self._columns, chosen if self._rows is None else self._rows[chosen])

    def column(self, name: str) -> np.ndarray:
        """What the videos have in a column, (N,)."""
        column = self._columns[name]
        return column if self._rows is None else column[self._rows]

    def path(self, index: int) -> str:
        """Of a video, below the root."""
        return self._path(self._row(index))

    def paths(self) -> Iterator[str]:
        """Of all videos, in their order."""
        return map(self.path, range(len(self)))

    def __len__(self) -> int:
        return len(self.num_frames)

    @overload
    def __getitem__(self, index: int) -> Video: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Video]: ...

    def __getitem__(self, index: int | slice) -> Video | Sequence[Video]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        row = self._row(range(len(self))[index])  # negative ones count from the end; an IndexError beyond it
        found = {name: self._columns[name][row].item() for name in ("label", *VideoProperties._fields)}
        label = found.pop("label")
        sha256 = self._columns["sha256"][row].tobytes().hex() if "sha256" in self._columns else ""
        return Video(self._path(row), label, VideoProperties(**found), sha256)

    def __iter__(self) -> Iterator[Video]:
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VideoTable):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _row(self, index: int) -> int:
        return index if self._rows is None else int(self._rows[index])

    def _path(self, row: int) -> str:
        begin, end = int(self._columns["path_begin"][row]), int(self._columns["path_end"][row])
        return self._columns["paths"][begin:end].tobytes().decode("utf-8", "surrogateescape")
