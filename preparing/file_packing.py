"""One file into a shard: decoded once, in order, for all the ranges that are wanted of it.  Runs in a child process."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from packs.formats import FORMATS, Size
from packs.index import PACKED, REFUSED, Row
from packs.writing import Packed, VideoWriter
from preparing.entries import Entry
from preparing.opening import Opened, open_entry
from video_io.folders import is_text
from video_io.in_order import TimedFrame

_ALIVE_EVERY = 1.0  # seconds
_TOLERANCE = 1e-6  # seconds by which a frame may be too early


class Request(NamedTuple):
    """What a child is to do: one file, its entries in the order of their starts, and where their frames go.

    Without a `shard` they go nowhere: the file is only looked at, and random reads of it are tried, too.
    """

    root: Path
    entries: tuple[Entry, ...]
    format: str
    size: Size
    fps: float
    shard: Path | None = None
    shard_number: int = -1
    offset: int = 0


class ShardError(OSError):
    """The shard cannot be written: nothing that another try, or another file, would put right."""


def pack_file(request: Request, alive: Callable[[], object]) -> list[Row]:
    """Decode one file and write its frames to the shard, from `offset` on; what lay there is lost.

    A file that cannot be decoded to the end of what is wanted is refused as a whole: nothing of it stays in the shard.

    Args:
        request: see `Request`.
        alive: called about every second, as long as frames come.

    Returns: a row for each entry, without labels.
    Raises: ShardError if the shard cannot be written.
    """
    first = request.entries[0]
    try:
        with _opened_shard(request) as file:
            try:
                return _pack(request, file, _at_most_every(_ALIVE_EVERY, alive))
            except ShardError:
                raise
            except Exception as error:  # what decoders raise is anyone's guess
                return [refused(entry, _reason(error, request.root / first.file)) for entry in request.entries]
    except ShardError:
        raise
    except OSError as error:
        raise ShardError(f"{request.shard}: {error.strerror or error}") from error


def refused(entry: Entry, reason: str) -> Row:
    """The row of an entry that is not taken."""
    return Row(entry.path, REFUSED, reason=reason)


def _pack(request: Request, file: BinaryIO | None, alive: Callable[[], object]) -> list[Row]:
    first = request.entries[0]
    if not is_text(first.file):
        raise ValueError("its name is not UTF-8; rename it")
    opened = open_entry(request.root / first.file, first.kind, first.member, request.fps)
    sha256 = opened.sha256()
    alive()
    taken = _take(request, opened, file, alive)
    exact_seek = opened.seeks_exactly() if request.shard is None else None
    rows, offset = [], request.offset
    for entry, video in zip(request.entries, taken, strict=True):
        if isinstance(video, str):
            rows.append(refused(entry, video))
            continue
        rows.append(
            Row(
                entry.path, PACKED, first_frame=video.first_frame, num_frames=video.packed.num_frames,
                width=opened.first.width, height=opened.first.height, fps=opened.first.fps, sha256=sha256,
                shard=request.shard_number, offset=offset, num_bytes=video.packed.num_bytes,
                packed_sha256=video.packed.sha256, exact_seek=exact_seek,
            )
        )  # fmt: skip
        offset += video.packed.num_bytes
    return rows


class _Taken(NamedTuple):
    """What was written of an entry, from a frame of the file on."""

    first_frame: int
    packed: Packed


class _Range:
    """The frames that an entry wants, as those of the file pass by; `outcome` is there when it has them, or cannot."""

    def __init__(self, entry: Entry, writer: VideoWriter) -> None:
        self.entry = entry
        self.writer = writer
        self.first_frame = 0
        self.outcome: _Taken | str | None = None

    def offer(self, number: int, frame: TimedFrame) -> None:
        """The next frame of the file."""
        place = frame.seconds + _TOLERANCE if self.entry.in_seconds else number
        if self.outcome is not None or place < self.entry.start:
            return
        if self.entry.stop is not None and place >= self.entry.stop:
            self._close("")
            return
        self.first_frame = number if self.writer.num_frames == 0 else self.first_frame
        self.writer.add(frame.pixels)

    def file_ends(self, num_frames: int, seconds: float) -> None:
        """The file had so many frames, the last of them at so many seconds."""
        start, stop = self.entry.start, self.entry.stop
        if self.outcome is not None:
            return
        if not self.entry.in_seconds and num_frames < (start + 1 if stop is None else stop):
            asked = f"{start:g} to {'the end' if stop is None else f'{stop - 1:g}'}"
            self.outcome = f"frames {asked} asked for, it has 0 to {num_frames - 1}"
        else:
            self._close(f": it is {seconds:.2f} s long")

    def _close(self, why_none: str) -> None:
        if self.writer.num_frames > 0:
            self.outcome = _Taken(self.first_frame, self.writer.finish())
        else:
            stop = "the end" if self.entry.stop is None else f"{self.entry.stop:g}"
            self.outcome = f"seconds {self.entry.start:g} to {stop} hold no frame{why_none}"


def _take(request: Request, opened: Opened, file: BinaryIO | None, alive: Callable[[], object]) -> list[_Taken | str]:
    """Write what each entry wants, in their order, from one pass over the frames: what was written, or why nothing."""
    write = (lambda content: None) if file is None else _writing_to(file, request.shard)
    ranges = [_Range(entry, VideoWriter(FORMATS[request.format], request.size, write)) for entry in request.entries]
    for each in ranges[1:]:
        each.writer.hold()
    waiting = deque(ranges)  # the first is written as it comes, the ones behind it are kept in memory
    number, seconds = -1, 0.0
    for number, frame in enumerate(opened.frames(request.size)):
        seconds = frame.seconds
        for each in waiting:
            each.offer(number, frame)
        while waiting and waiting[0].outcome is not None:
            waiting.popleft()
            if waiting:
                waiting[0].writer.release()
        alive()
        if not waiting:
            break
    written = [each.outcome for each in ranges[: len(ranges) - len(waiting)]]
    begin = request.offset + sum(taken.packed.num_bytes for taken in written if isinstance(taken, _Taken))
    _end_of_file(file, begin, waiting, number + 1, seconds)
    return [each.outcome for each in ranges if each.outcome is not None]


def _end_of_file(file: BinaryIO | None, begin: int, waiting: Iterable[_Range], num_frames: int, seconds: float) -> None:
    """Write what the end of the file makes complete; the first of those that wait begins at `begin` in the shard."""
    for index, each in enumerate(waiting):
        each.file_ends(num_frames, seconds)
        if isinstance(each.outcome, _Taken):
            each.writer.release()
        elif index == 0 and file is not None:
            file.seek(begin)
            file.truncate()


@contextmanager
def _opened_shard(request: Request) -> Iterator[BinaryIO | None]:
    if request.shard is None:
        yield None
        return
    request.shard.touch()
    with request.shard.open("r+b", buffering=1 << 20) as file:
        file.truncate(request.offset)
        file.seek(request.offset)
        yield file


def _writing_to(file: BinaryIO, path: Path | None) -> Callable[[bytes], object]:
    def write(content: bytes) -> None:
        try:
            file.write(content)
        except OSError as error:
            raise ShardError(f"{path}: {error.strerror or error}") from error

    return write


def _at_most_every(seconds: float, call: Callable[[], object]) -> Callable[[], None]:
    last = time.monotonic()

    def maybe() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            call()

    return maybe


def _reason(error: BaseException, path: Path) -> str:
    """An error in a line, without the name of the file that stands before it anyway."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removeprefix(f"{path}: ")
