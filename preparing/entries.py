"""What a source says it holds: videos, or parts of them, before anything is decoded."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from video_io.folders import is_text, printable

VIDEO, STRIP, FRAME_FOLDER, FRAME_ZIP, ARRAY = "video", "strip", "frame folder", "frame zip", "array"


class Entry(NamedTuple):
    """One video of a pack, or the part of one from `start` up to, and without, `stop` (None: the end).

    `file` is the file or folder, relative to the source's root, with "/"; `member` the folder within an archive, or the
    number within an array; `kind` says how it is read.  `start` and `stop` are seconds or frames.
    """

    file: str
    kind: str = VIDEO
    member: str = ""
    label: str | None = None
    caption: str | None = None
    split: str | None = None
    start: float = 0
    stop: float | None = None
    in_seconds: bool = False

    @property
    def path(self) -> str:
        """What the video is called in the index of the pack, where all is UTF-8."""
        path = f"{self.file}/{self.member}" if self.member else self.file
        return path if is_text(path) else printable(path)


class Source(NamedTuple):
    """The videos below `root`, and what was passed over, in a line each."""

    root: Path
    entries: Sequence[Entry]
    passed_over: Sequence[str] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({entry.label for entry in self.entries if entry.label is not None}))


class SourceError(ValueError):
    """A source that cannot be used; the message is one line and says what to do."""
