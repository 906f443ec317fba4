"""The whole of it: plan, children, journal, index."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packs.index import INDEX_FILE, PACKED, SHARDS_FOLDER, Header, PackError, Row, read_index, shard_path, write_index
from preparing.children import Limits, run
from preparing.entries import SourceError
from preparing.file_packing import Request
from preparing.journal import PLAN_FILE, Journal
from preparing.plan import Plan, Shard, Task
from tensor_files.whole_files import PART

LOCK_FILE = ".lock"

Seen = Callable[[Task, Sequence[Row]], object]  # told of every file that is done


def check(plan: Plan, num_processes: int, limits: Limits, seen: Seen) -> list[Row]:
    """Decode everything as packing would, try random reads, and write nothing."""
    rows: dict[int, list[Row]] = {}
    lanes = [_CheckLane(plan, task, rows, seen) for task in plan.tasks]
    for _ in run(lanes, num_processes, limits):
        pass
    return [row for task in plan.tasks for row in rows[task.number]]


def pack(plan: Plan, folder: Path, num_processes: int, limits: Limits, seen: Seen) -> Header:
    """Make the pack in `folder`, or go on with it where an earlier run was interrupted.

    Raises: ValueError or OSError, in one line: FileExistsError if something else is there, BlockingIOError if another
        process is at it, SourceError if no file can be taken, ShardError if the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _refuse_something_else(folder, plan)
        if (folder / INDEX_FILE).exists():
            return read_index(folder, ["path"])[0]
        journal = Journal(folder, plan)
        try:
            rows = _pack_shards(plan, folder, journal, num_processes, limits, seen)
        finally:
            journal.close()
        if all(row.status != PACKED for row in rows):
            raise SourceError(f"{plan.source.root}: no video could be taken; the first was refused: {rows[0].reason}")
        header = _write_index(folder, plan, rows)
        Journal.remove(folder)
        return header


def _write_index(folder: Path, plan: Plan, rows: list[Row]) -> Header:
    settings, source = plan.settings, plan.source
    return write_index(
        folder, settings.format, settings.size, source.class_names, rows, str(source.root.resolve()), plan.identity
    )


def _pack_shards(
    plan: Plan, folder: Path, journal: Journal, num_processes: int, limits: Limits, seen: Seen
) -> list[Row]:
    lanes = [_ShardLane(plan, shard, folder, journal, seen) for shard in plan.shards]
    for _ in run(lanes, num_processes, limits):
        pass
    return [row for lane in lanes for rows in lane.rows for row in rows]


class _ShardLane:
    """The files of one shard that are not done yet."""

    def __init__(self, plan: Plan, shard: Shard, folder: Path, journal: Journal, seen: Seen) -> None:
        self._plan, self._shard, self._journal, self._seen = plan, shard, journal, seen
        self._path = shard_path(folder, shard.number)
        self._offset = 0
        self.rows: list[list[Row]] = []
        for task, rows in zip(shard.tasks, journal.done(shard), strict=False):
            self._append(task, rows)

    def request(self) -> Request | None:
        if len(self.rows) == len(self._shard.tasks):
            self._finish()
            return None
        task = self._shard.tasks[len(self.rows)]
        return _request(self._plan, task)._replace(
            shard=self._path, shard_number=self._shard.number, offset=self._offset
        )

    def take(self, rows: list[Row]) -> None:
        task = self._shard.tasks[len(self.rows)]
        rows = _labelled(self._plan, task, rows)
        self._journal.add(task, rows)
        self._append(task, rows)

    def _append(self, task: Task, rows: list[Row]) -> None:
        self.rows.append(rows)
        self._offset = max([self._offset, *(row.offset + row.num_bytes for row in rows if row.status == PACKED)])
        self._seen(task, rows)

    def _finish(self) -> None:
        """What a refused last file left behind the others goes."""
        if self._offset == 0:
            self._path.unlink(missing_ok=True)
        elif self._path.exists():
            with self._path.open("r+b") as file:
                file.truncate(self._offset)
        self._journal.complete(self._shard.number)


class _CheckLane:
    """One file to look at."""

    def __init__(self, plan: Plan, task: Task, rows: dict[int, list[Row]], seen: Seen) -> None:
        self._plan, self._task, self._rows, self._seen = plan, task, rows, seen

    def request(self) -> Request | None:
        return None if self._task.number in self._rows else _request(self._plan, self._task)

    def take(self, rows: list[Row]) -> None:
        self._rows[self._task.number] = _labelled(self._plan, self._task, rows)
        self._seen(self._task, self._rows[self._task.number])


def _request(plan: Plan, task: Task) -> Request:
    settings = plan.settings
    return Request(plan.source.root, task.entries, settings.format, settings.size, settings.fps)


def _labelled(plan: Plan, task: Task, rows: list[Row]) -> list[Row]:
    """Rows with what the source says of the videos."""
    return [
        row._replace(
            label=-1 if entry.label is None else plan.labels[entry.label], caption=entry.caption, split=entry.split
        )
        for entry, row in zip(task.entries, rows, strict=True)
    ]


def _refuse_something_else(folder: Path, plan: Plan) -> None:
    if (folder / INDEX_FILE).exists():
        try:
            header, _ = read_index(folder, ["path"])
        except PackError as error:
            raise FileExistsError(f"{error}; delete {folder}, or name another folder") from error
        if header.plan != plan.identity:
            raise FileExistsError(
                f"{folder}: holds a finished pack of other files or settings (or the files have changed since); "
                "delete it, or name another folder"
            )
        return
    others = [path for path in folder.iterdir() if path.name not in (LOCK_FILE, SHARDS_FOLDER) and path.suffix != PART]
    if others and not (folder / PLAN_FILE).exists():
        raise FileExistsError(f"{folder}: holds something that is no pack; name an empty folder, or a new one")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"{folder}: another process is packing there; wait for it or end it") from None
        yield
