"""Frames of the videos of a folder, decoded in a child process."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from datamodules.isolated_reading import Limits, Wanted, reader_of_this_thread
from datamodules.video_table import VideoTable
from video_io.reading import as_clip


class VideoFileReader:
    """Reads frames of video files as they were indexed.

    The first read of a file, by whichever worker, compares its content with the index; the others look at its size and
    modification time.  It may be handed to workers by fork and by spawn; each has a child of its own.

    Args:
        root: folder that the videos' paths start from.
        videos: of a split, by their numbers.
        size: H = W, in pixels.
        limits: of the child.
    """

    def __init__(self, root: Path, videos: VideoTable, size: int, limits: Limits = Limits()) -> None:  # noqa: B008
        self.root = root
        self.videos = videos
        self.size = size
        self.limits = limits
        self._stamps = _shared_numbers(len(videos))

    def __call__(self, number: int, frames: range) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8.

        Raises: BadFileError if its file is missing, changed or cannot be decoded.
        """
        video = self.videos[number]
        wanted = Wanted(
            str(self.root / video.path), frames, self.size, video.properties, video.sha256, int(self._stamps[number])
        )
        delivered = reader_of_this_thread(self.limits).read(wanted)
        self._stamps[number] = delivered.stamp
        return as_clip(delivered.frames)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stamps": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _stamps=_shared_numbers(len(state["videos"])))


def _shared_numbers(count: int) -> np.ndarray:
    """Zeros, (count,) int64, which forked workers share; they take memory only where something is written."""
    return np.frombuffer(mmap.mmap(-1, 8 * max(count, 1)), np.int64)
