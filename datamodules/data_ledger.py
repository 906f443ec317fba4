"""The ledger of a run: which files are set aside, and since when.  One JSON line a file, for all of its processes."""

import fcntl
import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, get_args

from datamodules.isolated_reading import Kind
from video_io.folders import name_a_few
from video_io.reading import VideoProperties

LEDGER = "data_ledger.jsonl"  # in a run's folder


class SetAside(NamedTuple):
    """A file that cannot be used.

    Args:
        path: below the data set's root, with "/".
        kind: what is wrong with it.
        reason: the same in words.
        from_position: of the stream of training clips; from there on the file is not asked for any more.  None: every
            clip of it is tried.
        sha256, properties: what it was when it was indexed.
    """

    path: str
    kind: Kind
    reason: str
    from_position: int | None
    sha256: str
    properties: VideoProperties


class TooManyBadFilesError(RuntimeError):
    """More files are bad than a run accepts; the message is one line and names the first of them and the ledger."""


class DataLedger:
    """The files that are set aside, by path.

    Args:
        file: where they are kept; None keeps them in the memory of this process.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.entries: dict[str, SetAside] = {}
        self._num_bytes_read = 0

    def reasons(self) -> dict[str, str]:
        """Path and reason of each file."""
        return {path: entry.reason for path, entry in self.entries.items()}

    def refresh(self) -> None:
        """Read what has come since; takes microseconds if nothing has."""
        if self.file is None:
            return
        try:
            size = self.file.stat().st_size
        except FileNotFoundError:
            return
        if size != self._num_bytes_read:
            with self.file.open("rb") as file:
                self._read_on(file.fileno())

    def add(self, entry: SetAside) -> None:
        """Set a file aside; does nothing if it is already."""
        if self.file is None:
            self._take(entry)
            return
        try:
            self._append(entry, self.file)
        except OSError as error:  # a full disk, say, is no reason to stop
            if entry.path not in self.entries:
                warnings.warn(f"{self.file}: cannot be written, {error.strerror}; {entry.path} is bad", stacklevel=2)
            self._take(entry)

    def is_set_aside(self, path: str, position: int | None) -> bool:
        """Whether not even to try a file for the clip at a position of the training stream; None: for another clip."""
        entry = self.entries.get(path)
        if entry is None:
            return False
        if position is None:
            return entry.kind in ("changed", "silent")
        return entry.from_position is not None and position >= entry.from_position

    def check_share(self, num_videos: int, max_bad_share: float) -> None:
        """See that not too many of the videos are bad.

        Raises: TooManyBadFilesError.
        """
        count = len(self.entries)
        if count <= max_bad_share * num_videos:
            return
        named = name_a_few([f"{entry.path} ({entry.reason})" for entry in self.entries.values()])
        where = "" if self.file is None else f"; all are in {self.file}, whose lines of those that are good again go"
        raise TooManyBadFilesError(
            f"data: {count} of {num_videos} videos cannot be used, more than the share max_bad_share={max_bad_share:g} "
            f"allows: {named}{where}; bring them back, or raise max_bad_share"
        )

    def _append(self, entry: SetAside, path: Path) -> None:
        """One line, unless another process was faster."""
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with suppress(OSError):  # on a file system without locks the worst is a name too many
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._read_on(descriptor)
            if not self._is_news(entry):
                return
            size = os.fstat(descriptor).st_size
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # a process was killed while it wrote
            line = json.dumps({**entry._asdict(), "properties": entry.properties._asdict()})
            os.write(descriptor, f"{chr(10) if is_torn else ''}{line}\n".encode())
            os.fsync(descriptor)
            self._read_on(descriptor)
        finally:
            os.close(descriptor)
        self._take(entry)

    def _read_on(self, descriptor: int) -> None:
        """Take the lines behind those that are known; a file that has become shorter is read anew."""
        size = os.fstat(descriptor).st_size
        if size < self._num_bytes_read:
            self._num_bytes_read, self.entries = 0, {}
        content = os.pread(descriptor, size - self._num_bytes_read, self._num_bytes_read)
        whole = content[: content.rfind(b"\n") + 1]
        self._num_bytes_read += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError, TypeError, KeyError):  # a torn one
                row = json.loads(line)
                entry = SetAside(**{**row, "properties": VideoProperties(**row["properties"])})
                if entry.kind in get_args(Kind):
                    self._take(entry)

    def _is_news(self, entry: SetAside) -> bool:
        """Whether a file is unknown, or has failed at an earlier position than was known, as deterministic ones do when
        two workers find out at once.
        """
        known = self.entries.get(entry.path)
        if known is None:
            return True
        if entry.from_position is None or entry.kind == "silent":
            return False
        return known.from_position is None or entry.from_position < known.from_position

    def _take(self, entry: SetAside) -> None:
        if self._is_news(entry):
            first = self.entries.get(entry.path, entry)
            self.entries[entry.path] = first._replace(from_position=entry.from_position)
