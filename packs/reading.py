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
from video_io.folders import name_a_few
from video_io.pictures import scaled_and_cut

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
        self._paths = [shard_path(self.folder, shard) for shard in range(len(self.header.shard_bytes))]
        for path, num_bytes in zip(self._paths, self.header.shard_bytes, strict=True):
            found = _size_of(path) if num_bytes else 0
            if found < num_bytes:
                what = "is missing" if found < 0 else f"has {found} of {num_bytes} bytes"
                raise PackError(f"{path}: {what}; copy the pack again, or make it again with python prepare.py")

    def __getstate__(self) -> dict[str, object]:
        """Without the rest of the index, which a worker does not need."""
        return {name: value for name, value in vars(self).items() if name != "_table"}

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

    def read_clip(self, index: int, frames: Sequence[int], size: tuple[int, int] | None = None) -> Tensor:
        """Frames of a video as a clip; neighbours are read together.

        Args:
            index: of the video, from 0.
            frames: numbers of the frames, from 0, rising.
            size: (height, width) to make them, as `video_io.pictures.scaled_and_cut` does; None leaves them as packed.

        Shapes: returns (3, T, H, W) uint8, T = len(frames).
        Raises: ValueError if a frame lies outside the video, PackError if the shard is damaged.
        """
        num_frames = int(self.num_frames[index])
        steps = [after - frame for frame, after in itertools.pairwise(frames)]
        if not frames or frames[0] < 0 or frames[-1] >= num_frames or min(steps, default=0) < 0:
            raise ValueError(f"video {index}: frames {list(frames)} asked for, of 0 to {num_frames - 1}, rising")
        edges = [0, *(place for place, step in enumerate(steps, 1) if step > _FAR), len(frames)]
        runs = [self._read_run(index, frames[a:b]) for a, b in itertools.pairwise(edges)]
        pictures = runs[0] if len(runs) == 1 else np.concatenate(runs)
        if size is not None and tuple(size) != self.header.size:
            pictures = np.stack([scaled_and_cut(picture, size) for picture in pictures])
        return _clip_of(pictures)

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of the index, the good videos alone."""
        return read_index(self.folder, columns)[1].slice(0, len(self))

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the classes, and the class of each video, (N,) int64; without labels all are of one class.

        Raises: PackError if only some of the videos have a label.
        """
        without = np.flatnonzero(self.labels < 0)
        if len(without) == 0:
            return self.header.class_names, self.labels
        if len(without) < len(self):
            named = name_a_few([self.row(int(index)).path for index in without[:4]])
            raise PackError(
                f"{self.folder}: {len(without)} of {len(self)} videos have no label ({named}); "
                "give all of them one, or none, and pack again"
            )
        return (Path(self.header.source).name,), np.zeros(len(self), np.int64)

    def shard_of(self, index: int) -> Path:
        """The file that holds a video."""
        return self._paths[self._shards[index]]

    def sha256(self, index: int) -> str:
        """Of the bytes of a video as they lie there now, in hex.

        Raises: PackError if they are not all there.
        """
        return hashlib.sha256(self._read_at(index, 0, int(self._num_bytes[index]))).hexdigest()

    def damaged(self) -> list[str]:
        """Read the whole pack and name the videos whose bytes are not those that were packed."""
        problems = []
        for index in range(len(self)):
            row = self.row(index)
            try:
                if self.sha256(index) != row.packed_sha256:
                    problems.append(f"{row.path}: other bytes than were packed")
            except PackError as error:
                problems.append(str(error))
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
            raise PackError(
                f"{self.shard_of(index)}: video {index} cannot be decoded ({error}); make the pack again"
            ) from error

    def _read_at(self, index: int, place: int, count: int) -> bytes:
        """Bytes of a video from a place on, counted from its start, or from its end where that is negative."""
        path = self.shard_of(index)
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


def _size_of(path: Path) -> int:
    """In bytes; -1 if there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _clip_of(pictures: np.ndarray) -> Tensor:
    """(T, H, W, 3) -> (3, T, H, W), four times as fast as numpy or torch copy pixel by pixel."""
    num_frames, height, width, _ = pictures.shape
    clip = np.empty((3, num_frames, height, width), np.uint8)
    cv2.split(pictures.reshape(num_frames * height, width, 3), list(clip.reshape(3, num_frames * height, width)))
    return torch.from_numpy(clip)
