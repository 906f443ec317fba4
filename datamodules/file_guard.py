"""Files that turn out bad are noted in the run's ledger and not asked for again."""

import time
from collections.abc import Callable
from typing import TypeVar

from datamodules.data_ledger import DataLedger, SetAside
from datamodules.isolated_reading import BadFileError, Kind
from datamodules.video_table import VideoTable

# Far more clips than lie between the positions at which the workers of all processes are at a time.
_HORIZON = 1 << 16
_LOOK_EVERY = 0.2  # seconds between two looks at the ledger; reading a packed clip takes less than the look

Frames = TypeVar("Frames")


class FileGuard:
    """Stands between a data set and its files, and sets those aside that are bad.

    Which clips come must not depend on who has found out what.  A file that is missing or changed fails whatever is
    asked of it, so not asking saves time alone.  A file as it was indexed whose decoder fails may fail for some of its
    frames only: each of its clips is tried, until so far behind the first position at which it has failed that
    everybody knows.

    Args:
        videos: as they were indexed.
        ledger: of the run.
        num_files: of the whole data set.
        max_bad_share: of the files that may be bad.
        in_training: whether positions are those of the training stream.
    """

    def __init__(
        self, videos: VideoTable, ledger: DataLedger, num_files: int, max_bad_share: float = 0.05,
        in_training: bool = True,
    ) -> None:  # fmt: skip
        self.videos = videos
        self.ledger = ledger
        self.num_files = num_files
        self.max_bad_share = max_bad_share
        self.in_training = in_training
        self._looked_at = -_LOOK_EVERY

    def read(self, read: Callable[[int, range], Frames], number: int, frames: range, position: int) -> Frames | None:
        """What `read(number, frames)` returns, for the clip at a position; None if the file is bad.

        Raises: TooManyBadFilesError if more files are bad than may be.
        """
        if time.monotonic() - self._looked_at >= _LOOK_EVERY:
            self.check()
        if self.ledger.entries and self._is_set_aside(number, position):
            return None
        try:
            return read(number, frames)
        except BadFileError as error:
            video, since = self.videos[number], self._from_position(error.kind, position)
            self.ledger.add(SetAside(video.path, error.kind, error.reason, since, video.sha256, video.properties))
            return None

    def check(self) -> None:
        """See, as of now, that not too many files are bad.

        Raises: TooManyBadFilesError.
        """
        self._looked_at = time.monotonic()
        self.ledger.refresh()
        self.ledger.check_share(self.num_files, self.max_bad_share)

    def _is_set_aside(self, number: int, position: int) -> bool:
        return self.ledger.is_set_aside(self.videos.path(number), position if self.in_training else None)

    def _from_position(self, kind: Kind, position: int) -> int | None:
        if kind == "changed":
            return 0
        if kind == "silent":  # waiting again would cost a minute, and what depends on time has no exact place
            return position if self.in_training else 0
        return (position // _HORIZON + 2) * _HORIZON if self.in_training else None
