"""What a pack is to become: which files in which shard, in which order.

A plan depends on the source and the settings alone, not on the machine, so an interrupted run can go on with it.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from packs.formats import Size
from preparing.entries import VIDEO, Entry, Source, SourceError

_MAX_VIDEOS_OF_A_SHARD = 1024
_NUM_SHARDS_OF_A_SMALL_PACK = 64  # so that many cores have something to do


class Settings(NamedTuple):
    """How frames are kept: `fps` is for pictures, which have none of their own."""

    format: str
    size: Size
    fps: float


class Task(NamedTuple):
    """One file, and what is wanted of it, in the order of the starts."""

    number: int
    entries: tuple[Entry, ...]


class Shard(NamedTuple):
    """The files of one shard."""

    number: int
    tasks: tuple[Task, ...]


class Plan(NamedTuple):
    """All shards; `labels` are the numbers of the classes, and `identity` stands for the settings, the entries, and
    sizes and times of the files.
    """

    source: Source
    settings: Settings
    shards: tuple[Shard, ...]
    labels: dict[str, int]
    identity: str

    @property
    def tasks(self) -> list[Task]:
        """Of all shards, in order."""
        return [task for shard in self.shards for task in shard.tasks]


def make_plan(source: Source, settings: Settings) -> Plan:
    """Put the entries of each video file together, and the files into shards.

    Raises: SourceError if there is nothing to pack.
    """
    if not source.entries:
        raise SourceError(f"{source.root}: there is nothing to pack")
    tasks = [Task(number, entries) for number, entries in enumerate(_by_file(source.entries))]
    num_entries = len(source.entries)
    per_shard = min(_MAX_VIDEOS_OF_A_SHARD, -(-num_entries // _NUM_SHARDS_OF_A_SMALL_PACK))
    shards: list[list[Task]] = [[]]
    num_videos = 0  # of the last shard
    for task in tasks:
        if num_videos >= per_shard:
            shards.append([])
            num_videos = 0
        shards[-1].append(task)
        num_videos += len(task.entries)
    numbered = tuple(Shard(number, tuple(each)) for number, each in enumerate(shards))
    labels = {name: place for place, name in enumerate(source.class_names)}
    return Plan(source, settings, numbered, labels, _identity(source, settings, tasks))


def _by_file(entries: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    """Entries of the same video file, wherever they stand, in the place of the first; everything else by itself."""
    files: dict[object, list[Entry]] = {}
    for index, entry in enumerate(entries):
        files.setdefault(entry.file if entry.kind == VIDEO else index, []).append(entry)
    for group in files.values():
        yield tuple(sorted(group, key=lambda entry: (entry.start, float("inf") if entry.stop is None else entry.stop)))


def _identity(source: Source, settings: Settings, tasks: list[Task]) -> str:
    digest = hashlib.sha256(json.dumps(settings).encode())
    stamps: dict[str, list[int]] = {}
    for entry in itertools.chain.from_iterable(task.entries for task in tasks):
        if entry.file not in stamps:
            stamps[entry.file] = _stamp(source.root / entry.file)
        digest.update(json.dumps([*entry, *stamps[entry.file]]).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> list[int]:
    """Size and modification time; of nothing, if it is not there: then it will be refused."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
