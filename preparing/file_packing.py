"""One file into a shard: decoded once, in order, for all the ranges that are wanted of it.  Runs in a child process."""

import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from packs.formats import FORMATS, Size
from packs.index import PACKED, REFUSED, Row
from packs.writing import Packed, VideoWriter
from preparing.entries import Entry
from preparing.opening import Opened, open_entry

_ALIVE_EVERY = 1.0  # seconds


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
            except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
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
    opened = open_entry(request.root / first.file, first.kind, first.member, request.fps)
    sha256 = opened.sha256()
    alive()
    ranges = [_frames_of(entry, opened) for entry in request.entries]
    wanted = [frames for frames in ranges if isinstance(frames, range)]
    packed = iter(_write(request, opened, wanted, file, alive) if wanted else [])
    exact_seek = opened.seeks_exactly() if request.shard is None else None
    properties = opened.properties
    rows, offset = [], request.offset
    for entry, frames in zip(request.entries, ranges, strict=True):
        if isinstance(frames, str):
            rows.append(refused(entry, frames))
            continue
        video = next(packed)
        rows.append(
            Row(
                entry.path, PACKED, first_frame=frames.start, num_frames=video.num_frames,
                width=properties.width, height=properties.height, fps=properties.fps, sha256=sha256,
                shard=request.shard_number, offset=offset, num_bytes=video.num_bytes, packed_sha256=video.sha256,
                exact_seek=exact_seek,
            )
        )  # fmt: skip
        offset += video.num_bytes
    return rows


def _frames_of(entry: Entry, opened: Opened) -> range | str:
    """The frames of an entry, or why it has none."""
    num_frames = opened.properties.num_frames
    if entry.in_seconds:
        times = opened.times()
        start = int(np.searchsorted(times, entry.start - 1e-6))
        stop = num_frames if entry.stop is None else int(np.searchsorted(times, entry.stop - 1e-6))
        asked = f"seconds {entry.start:g} to {'the end' if entry.stop is None else f'{entry.stop:g}'}"
        return range(start, stop) if start < stop else f"{asked} hold no frame: it is {times[-1]:.2f} s long"
    start, stop = int(entry.start), num_frames if entry.stop is None else int(entry.stop)
    if not start < stop <= num_frames:
        return f"frames {start} to {stop - 1} asked for, it has 0 to {num_frames - 1}"
    return range(start, stop)


def _write(
    request: Request, opened: Opened, ranges: list[range], file: BinaryIO | None, alive: Callable[[], object]
) -> list[Packed]:
    """Write each range, in their order, from one pass over the frames; ranges that overlap wait in memory."""
    write = (lambda content: None) if file is None else _writing_to(file, request.shard)
    writers = [VideoWriter(FORMATS[request.format], request.size, write) for _ in ranges]
    for writer in writers[1:]:
        writer.hold()
    done: dict[int, Packed] = {}
    head = 0  # the first that is not complete: it is written as it comes, the ones behind it wait
    stop = max(each.stop for each in ranges)
    for number, frame in enumerate(opened.frames(request.size, stop)):
        for index in range(head, len(ranges)):
            if number in ranges[index]:
                writers[index].add(frame)
                if number == ranges[index].stop - 1:
                    done[index] = writers[index].finish()
        while head in done:
            head += 1
            if head < len(ranges):
                writers[head].release()
        alive()
    if len(done) < len(ranges):
        raise ValueError(f"has fewer than the {stop} frames that it says it has")
    return [done[index] for index in range(len(ranges))]


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
