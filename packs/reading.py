"""Reading clips from a pack."""

import hashlib
import itertools
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from packs.formats import FORMATS
from packs.index import PackError, Row, read_index, shard_path

_OPENED_COLUMNS = ("num_frames", "shard", "offset", "num_bytes", "label")
_FAR = 32  # frames that nobody wants between two that somebody wants, from where on they are not read together


class Pack:
    """A finished pack, opened: `header` says what holds for all of its videos.

    Nothing stays open between two reads, so a pack may be opened before workers are forked, and sent to them.

    Raises: FileNotFoundError or PackError, in one line, if there is no finished pack or a shard is not whole.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header, table = read_index(folder, _OPENED_COLUMNS)
        columns = table.slice(0, self.header.num_videos)
        self.num_frames, self._shards, self._offsets, self._num_bytes, self.labels = (
            columns[name].to_numpy() for name in _OPENED_COLUMNS
        )
        self._format = FORMATS[self.header.format]
        self._paths = [str(shard_path(self.folder, shard)) for shard in range(len(self.header.shard_bytes))]
        for path, num_bytes in zip(self._paths, self.header.shard_bytes, strict=True):
            found = os.path.getsize(path) if os.path.isfile(path) else -1  # noqa: PTH113, PTH202
            if num_bytes and found < num_bytes:
                what = "is missing" if found < 0 else f"has {found} of {num_bytes} bytes"
                raise PackError(f"{path}: {what}; copy the pack again, or make it again with python prepare.py")

    def __len__(self) -> int:
        """The number of videos."""
        return self.header.num_videos

    @property
    def fingerprint(self) -> str:
        """Of everything that a training can see, in hex."""
        return self.header.fingerprint

    def row(self, index: int) -> Row:
        """All that the index says of a video; the first call reads the whole index."""
        return Row(**self._table.slice(index, 1).to_pylist()[0])

    def read_clip(self, index: int, frames: Sequence[int]) -> Tensor:
        """Frames of a video as a clip; neighbours are read together.

        Args:
            index: of the video, from 0.
            frames: numbers of the frames, from 0, rising.

        Shapes: returns (3, T, H, W) uint8, T = len(frames).
        Raises: ValueError if a frame lies outside the video, PackError if the shard is damaged.
        """
        num_frames = int(self.num_frames[index])
        steps = [after - frame for frame, after in itertools.pairwise(frames)]
        if not frames or frames[0] < 0 or frames[-1] >= num_frames or min(steps, default=0) < 0:
            raise ValueError(f"video {index}: frames {list(frames)} asked for, of 0 to {num_frames - 1}, rising")
        edges = [0, *(place for place, step in enumerate(steps, 1) if step > _FAR), len(frames)]
        runs = [self._read_run(index, frames[a:b]) for a, b in itertools.pairwise(edges)]
        return _clip_of(runs[0] if len(runs) == 1 else np.concatenate(runs))

    def damaged(self) -> list[str]:
        """Read the whole pack and name the videos whose bytes are not those that were packed."""
        problems = []
        for index in range(len(self)):
            row = self.row(index)
            try:
                content = self._read_at(index, 0, row.num_bytes)
            except PackError as error:
                problems.append(str(error))
                continue
            if hashlib.sha256(content).hexdigest() != row.packed_sha256:
                problems.append(f"{row.path}: other bytes than were packed")
        return problems

    @cached_property
    def _table(self) -> pa.Table:
        return read_index(self.folder)[1]

    def _read_run(self, index: int, frames: Sequence[int]) -> np.ndarray:
        """Frames near to each other: (T, H, W, 3)."""
        first, last = frames[0], frames[-1]
        pictures = self._read(index, first, last + 1)
        is_all = len(frames) == last + 1 - first and len(set(frames)) == len(frames)
        return pictures if is_all else pictures[[frame - first for frame in frames]]

    def _read(self, index: int, start: int, stop: int) -> np.ndarray:
        """Frames start to stop of a video: (T, H, W, 3)."""
        try:
            return self._format.read(
                lambda place, count: self._read_at(index, place, count),
                int(self.num_frames[index]), start, stop, self.header.size,
            )  # fmt: skip
        except ValueError as error:
            if isinstance(error, PackError):
                raise
            path = self._paths[self._shards[index]]
            raise PackError(f"{path}: video {index} cannot be decoded ({error}); make the pack again") from error

    def _read_at(self, index: int, place: int, count: int) -> bytes:
        """Bytes of a video from a place on, counted from its start, or from its end where that is negative."""
        path = self._paths[self._shards[index]]
        length = int(self._num_bytes[index])
        start = place if place >= 0 else length + place
        if not 0 <= start <= start + count <= length:
            raise PackError(f"{path}: damaged; make the pack again with python prepare.py")
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(file, count, int(self._offsets[index]) + start)
        finally:
            os.close(file)
        if len(content) < count:
            raise PackError(f"{path}: too short; copy the pack again, or make it again with python prepare.py")
        return content


def _clip_of(pictures: np.ndarray) -> Tensor:
    """(T, H, W, 3) -> (3, T, H, W), four times as fast as numpy or torch copy pixel by pixel."""
    num_frames, height, width, _ = pictures.shape
    clip = np.empty((3, num_frames, height, width), np.uint8)
    cv2.split(pictures.reshape(num_frames * height, width, 3), list(clip.reshape(3, num_frames * height, width)))
    return torch.from_numpy(clip)
