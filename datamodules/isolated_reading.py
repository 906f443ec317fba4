"""Reading videos in a child process: what a file does to its decoder, it does to a process that can be spared.

The child imports this file, so nothing here may import torch or Lightning, which take seconds.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tensor_files.whole_files import sha256_of
from video_io.child_process import READY, START_SECONDS, ChildProcess
from video_io.reading import VideoProperties, probe, read_frames

_TRIES = 2
_CLIPS_OF_A_CHILD = 5000  # then it is replaced: decoders leak
_PROBE_SECONDS = 1800.0  # a video is decoded whole, and twice, to be probed
_SLOWEST_DECODING = 50.0  # frames a second: what may be decoded before the first wanted frame has so long
_MAX_LISTENED = 1.0  # seconds that count between two looks: a job that is stopped (Ctrl-Z) hears nothing meanwhile
_LONGEST_REASON = 200  # characters
_GIGABYTE = 1 << 30

# What is wrong with a file: its content is not what was indexed; it cannot be decoded; its decoder dies, or is silent.
Kind = Literal["changed", "undecodable", "deadly", "silent"]


class Limits(NamedTuple):
    """Of a child: seconds that a clip may take, and bytes of memory for decoding."""

    seconds: float = 60.0
    memory_bytes: int = 4 * _GIGABYTE


class Wanted(NamedTuple):
    """Frames of a video as it was indexed, scaled to cover `size` pixels in square.

    `stamp` is that under which the content is known to have this SHA-256; 0 if it has not been looked at.
    """

    path: str
    frames: range
    size: int
    properties: VideoProperties
    sha256: str
    stamp: int = 0


class Delivered(NamedTuple):
    """Frames (T, H, W, 3) uint8, and the stamp of the file that they are from."""

    frames: np.ndarray
    stamp: int


class BadFileError(Exception):
    """A file that cannot be read, and why, in a line without its name."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason


class _Failure(NamedTuple):
    kind: Kind
    reason: str


class _Header(NamedTuple):
    """Goes before the bytes of the frames."""

    stamp: int
    shape: tuple[int, ...]


class IsolatedReader:
    """Reads in a child, which is started when it is first needed and killed when it does not answer.

    It must be used by one thread of one process alone: see `reader_of_this_thread`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._child: ChildProcess | None = None
        self._at_the_end: weakref.finalize | None = None  # of this reader, or of the process
        self._num_asked = 0

    def read(self, wanted: Wanted) -> Delivered:
        """Frames of a video.

        Raises: BadFileError if they cannot be had, in two tries.
        """
        first = wanted.frames[0] if wanted.properties.exact_seek else 0
        num_decoded = wanted.frames[-1] + 1 - first
        return self._ask(wanted, self.limits.seconds + num_decoded / _SLOWEST_DECODING)

    def probe(self, path: Path) -> tuple[str, VideoProperties]:
        """The SHA-256 of a file, in hex, and what `video_io.reading.probe` says of it.

        Raises: BadFileError.
        """
        return self._ask(path, _PROBE_SECONDS)

    def close(self) -> None:
        """End the child; the next request starts another."""
        if (child := self._let_go()) is not None:
            child.end()

    def forget(self) -> None:
        """Leave the child to the process that has started it, and from which this one was forked."""
        if (child := self._let_go()) is not None:
            child.connection.close()
            child.process.returncode = 0  # or it would be waited for

    def _let_go(self) -> ChildProcess | None:
        child, self._child = self._child, None
        if self._at_the_end is not None:
            self._at_the_end.detach()
        return child

    def _ask(self, request: Wanted | Path, seconds: float) -> Any:
        for _ in range(_TRIES):
            answer = self._answer(request, seconds)
            if not isinstance(answer, _Failure):
                return answer
            if answer.kind != "changed":  # then nothing was decoded
                self.close()
        raise BadFileError(*answer)

    def _answer(self, request: Wanted | Path, seconds: float) -> Any:
        if self._num_asked == _CLIPS_OF_A_CHILD:
            self.close()
        child = self._child or self._started()
        self._num_asked += 1
        try:
            child.connection.send(request)
            self._listen(child.connection, seconds)
            answer = child.connection.recv()
            return self._received(child.connection, answer, seconds) if isinstance(answer, _Header) else answer
        except TimeoutError:
            return _Failure("silent", f"not decoded after {seconds:.0f} s")
        except (EOFError, ConnectionError):
            self._let_go()
            return _Failure("deadly", f"the decoder died ({child.death()})")

    def _started(self) -> ChildProcess:
        self._child, self._num_asked = ChildProcess(serve, self.limits.memory_bytes), 0
        self._at_the_end = weakref.finalize(self, self._child.end)
        try:
            self._listen(self._child.connection, START_SECONDS)
            assert self._child.connection.recv() == READY
        except (TimeoutError, EOFError, ConnectionError) as error:
            self.close()
            raise ChildProcessError("a process that decodes cannot be started; is there memory left?") from error
        return self._child

    def _received(self, connection: Connection, header: _Header, seconds: float) -> Delivered:
        """The frames, straight into the array that is handed on."""
        frames = np.empty(header.shape, np.uint8)
        left = frames.data.cast("B")
        while left:
            self._listen(connection, seconds)
            count = os.readv(connection.fileno(), [left])
            if count == 0:
                raise EOFError
            left = left[count:]
        return Delivered(frames, header.stamp)

    def _listen(self, connection: Connection, seconds: float) -> None:
        """Wait until something comes.

        Raises: TimeoutError.
        """
        silent_seconds, last = 0.0, time.monotonic()
        while not connection.poll(0.5):
            now = time.monotonic()
            silent_seconds += min(now - last, _MAX_LISTENED)
            last = now
            if silent_seconds >= seconds:
                raise TimeoutError


_readers = threading.local()


def reader_of_this_thread(limits: Limits) -> IsolatedReader:
    """The one reader with these limits that this thread of this process has; its child ends with the thread."""
    mine: dict[Limits, IsolatedReader] = _readers.__dict__.setdefault("by_limits", {})
    return mine.setdefault(limits, IsolatedReader(limits))


def _forget_readers() -> None:
    for reader in _readers.__dict__.pop("by_limits", {}).values():
        reader.forget()


os.register_at_fork(after_in_child=_forget_readers)


def serve(connection: Connection) -> None:
    """The life of a child: requests in, frames or what `probe` finds out, until nobody asks any more."""
    while True:
        request = connection.recv()
        answer = _tried(_probed if isinstance(request, Path) else _read, request)
        if not isinstance(answer, Delivered):
            connection.send(answer)
            continue
        connection.send(_Header(answer.stamp, answer.frames.shape))
        left = np.ascontiguousarray(answer.frames).data.cast("B")
        while left:
            left = left[os.write(connection.fileno(), left) :]


def _tried(function: Callable[[Any], Any], request: Wanted | Path) -> Any:
    try:
        return function(request)
    except FileNotFoundError:
        return _Failure("changed", "is missing")
    except Exception as error:  # what decoders raise is anyone's guess
        path = request if isinstance(request, Path) else request.path
        text = " ".join(str(error).split()) or type(error).__name__
        return _Failure("undecodable", text.removeprefix(f"{path}: ")[:_LONGEST_REASON])


def _probed(path: Path) -> tuple[str, VideoProperties]:
    return sha256_of(path), probe(path)


def _read(wanted: Wanted) -> Delivered | _Failure:
    path = Path(wanted.path)
    stamp = _stamp_of(path)
    if stamp != wanted.stamp and sha256_of(path) != wanted.sha256:
        return _Failure("changed", "has another content than when it was indexed")
    frames = read_frames(path, wanted.frames, wanted.size, wanted.properties)
    expected = len(wanted.frames), wanted.size, wanted.size, 3
    if frames.shape != expected:
        return _Failure("undecodable", f"frames of shape {frames.shape} instead of {expected}")
    if _stamp_of(path) != stamp:
        return _Failure("changed", "is being changed")
    return Delivered(frames, stamp)


def _stamp_of(path: Path) -> int:
    """A number above 0 below 2^63 that changes with what `index_cache.stamp_of` looks at: size and times of change."""
    status = path.stat()
    times = status.st_mtime_ns + 31 * status.st_ctime_ns
    return (status.st_size * 0x9E3779B97F4A7C15 + times) % (2**63 - 1) + 1
