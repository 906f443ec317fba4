"""Files that are packed in child processes, which are killed when they do not answer."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import NamedTuple, Protocol

from packs.index import Row
from preparing.file_packing import Request, ShardError, pack_file, refused
from video_io.child_process import READY, START_SECONDS, ChildProcess

_TRIES = 2
_MAX_JOBS = 2000  # files, then a child is replaced: decoders leak
_MAX_LISTENED = 1.0  # seconds that count between two looks: a job that is stopped (Ctrl-Z) hears nothing meanwhile


class Limits(NamedTuple):
    """Of a child: seconds without a new frame, after which it is killed, and bytes that it may take for decoding."""

    silence_seconds: float
    memory_bytes: int


class Lane(Protocol):
    """Files that must be packed one after the other."""

    def request(self) -> Request | None:
        """The next one; None when there is none."""

    def take(self, rows: list[Row]) -> None:
        """What became of it."""


class Child(ChildProcess):
    """One process, which packs one file at a time."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(serve, limits.memory_bytes)
        self.lane: Lane | None = None
        self.job: Request | None = None
        self.failures = 0
        self.num_jobs = 0
        self.is_ready = False
        self.silent_seconds = 0.0

    def ask(self, lane: Lane, job: Request, failures: int = 0) -> None:
        """Have it pack a file; the answer comes through `connection`."""
        self.lane, self.job, self.failures = lane, job, failures
        self.silent_seconds = 0.0
        self.num_jobs += 1
        if self.is_ready:
            with suppress(ConnectionError):  # it has died since: no answer will come, and that is seen
                self.connection.send(job)


def run(lanes: Iterable[Lane], num_processes: int, limits: Limits) -> Iterator[tuple[Request, list[Row]]]:
    """Pack all files of all lanes, and say of each what became of it.

    A file whose child dies or falls silent is tried once more in a fresh child, then refused.

    Raises: ShardError if a shard cannot be written, ChildProcessError if no child can be started.
    """
    waiting = deque(lanes)
    children: list[Child] = []
    try:
        while waiting and len(children) < num_processes:
            lane = waiting.popleft()
            if (job := lane.request()) is not None:
                children.append(Child(limits))
                children[-1].ask(lane, job)
        last = time.monotonic()
        while children:
            now = time.monotonic()
            listened, last = min(now - last, _MAX_LISTENED), now
            for child in children.copy():
                child.silent_seconds += listened
                rows = _answer(child, children, limits)
                if rows is None:
                    continue
                assert child.lane is not None and child.job is not None
                child.lane.take(rows)
                yield child.job, rows
                _go_on(child, children, waiting, limits)
            if children:
                wait([child.connection for child in children], timeout=0.2)
    finally:
        for child in children:
            child.end()


def _answer(child: Child, children: list[Child], limits: Limits) -> list[Row] | None:
    """The rows of the file that a child is at, if they are there; a child that is dead or silent is replaced."""
    assert child.lane is not None and child.job is not None
    try:
        while child.connection.poll():
            message = child.connection.recv()
            child.silent_seconds = 0.0
            if isinstance(message, ShardError):
                raise message
            if message == READY:
                child.is_ready = True
                child.connection.send(child.job)
            if isinstance(message, list):
                return message
        patience = limits.silence_seconds if child.is_ready else START_SECONDS
        if child.silent_seconds < patience:
            return None
        child.end()
        reason = f"no new frame for {limits.silence_seconds:g} s"
    except (EOFError, ConnectionError):
        if not child.is_ready:
            raise ChildProcessError("a child process cannot be started; is there memory left?") from None
        reason = f"the decoder died ({child.death()})"
    if child.failures + 1 < _TRIES:
        fresh = children[children.index(child)] = Child(limits)
        fresh.ask(child.lane, child.job, child.failures + 1)
        return None
    return [refused(entry, f"{reason}, {_TRIES} times") for entry in child.job.entries]


def _go_on(child: Child, children: list[Child], waiting: deque[Lane], limits: Limits) -> None:
    """Give a child its next file, or send it home; one that has died on the last file is replaced."""
    lane: Lane | None = child.lane
    job = lane.request() if lane is not None else None
    while job is None and waiting:
        lane = waiting.popleft()
        job = lane.request()
    place = children.index(child)
    if job is None or lane is None:
        children.pop(place)
        if not child.connection.closed:
            child.end()
        return
    if not child.connection.closed and child.num_jobs >= _MAX_JOBS:
        child.end()
    if child.connection.closed:
        child = children[place] = Child(limits)
    child.ask(lane, job)


def serve(connection: Connection) -> None:
    """The life of a child: requests in, lists of rows out, until nobody asks any more."""
    while True:
        request = connection.recv()
        try:
            connection.send(pack_file(request, lambda: connection.send("alive")))
        except ShardError as error:
            connection.send(ShardError(str(error)))
