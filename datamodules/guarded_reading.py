"""Frames of files that may turn out bad: these are noted in the run's ledger and not asked for again."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.data_ledger import DataLedger, SetAside
from datamodules.isolated_reading import BadFileError, Delivered, Kind, Limits, Wanted, reader_of_this_thread
from datamodules.video_table import VideoTable

# Far more clips than lie between the positions at which the workers of all processes are at a time.
_HORIZON = 1 << 16


class GuardedReading:
    """Reads videos in a child of this process, and sets files aside that are bad.

    Which clips come must not depend on who has found out what.  A file that is missing or changed fails whatever is
    asked of it, so not asking saves time alone.  A file as it was indexed whose decoder fails may fail for some of its
    frames only: each of its clips is tried, until so far behind the first position at which it has failed that
    everybody knows.

    It may be handed to workers by fork and by spawn; each has a child of its own.

    Args:
        root: folder that the videos' paths start from.
        videos: as they were indexed.
        ledger: of the run.
        num_files: of the whole data set.
        max_bad_share: of the files that may be bad.
        limits: of the child.
        in_training: whether positions are those of the training stream.
    """

    def __init__(
        self,
        root: Path,
        videos: VideoTable,
        ledger: DataLedger,
        num_files: int,
        max_bad_share: float = 0.05,
        limits: Limits = Limits(),  # noqa: B008 (it cannot change)
        in_training: bool = True,
    ) -> None:
        self.root = root
        self.videos = videos
        self.ledger = ledger
        self.num_files = num_files
        self.max_bad_share = max_bad_share
        self.limits = limits
        self.in_training = in_training
        self._stamps = _shared_numbers(len(videos))

    def read(self, number: int, frames: range, size: int, position: int) -> np.ndarray | None:
        """Frames of a video, (T, H, W, 3) uint8; None if its file is bad.

        Raises: TooManyBadFilesError if more files are bad than may be.
        """
        self.ledger.refresh()
        self.check()
        path = self.videos.path(number)
        if self.ledger.is_set_aside(path, position if self.in_training else None):
            return None
        video = self.videos[number]
        wanted = Wanted(str(self.root / path), frames, size, video.properties, video.sha256, int(self._stamps[number]))
        try:
            delivered: Delivered = reader_of_this_thread(self.limits).read(wanted)
        except BadFileError as error:
            since = self._from_position(error.kind, position)
            self.ledger.add(SetAside(path, error.kind, error.reason, since, video.sha256, video.properties))
            return None
        self._stamps[number] = delivered.stamp
        return delivered.frames

    def check(self) -> None:
        """See that not too many files are bad.

        Raises: TooManyBadFilesError.
        """
        self.ledger.check_share(self.num_files, self.max_bad_share)

    def _from_position(self, kind: Kind, position: int) -> int | None:
        if kind == "changed":
            return 0
        if kind == "silent":  # waiting again would cost a minute, and what depends on time has no exact place
            return position if self.in_training else 0
        return (position // _HORIZON + 2) * _HORIZON if self.in_training else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stamps": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _stamps=_shared_numbers(len(state["videos"])))


def _shared_numbers(count: int) -> np.ndarray:
    """Zeros, (count,) int64, which forked workers share: one looks at a file's content for all, and it costs nothing
    for a file that nobody has read.
    """
    return np.frombuffer(mmap.mmap(-1, 8 * max(count, 1)), np.int64)
