"""What is done of a pack that is being made, one line a file, so that an interrupted run goes on where it was."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packs.index import PACKED, SHARDS_FOLDER, Row, shard_path
from preparing.plan import Plan, Shard, Task
from tensor_files.whole_files import remove_parts, sync_folder, whole_file

PLAN_FILE, JOURNAL_FILE = "plan.json", "journal.jsonl"


class Journal:
    """The journal in a pack's folder.

    A line is appended when the bytes are in the shard; a torn last line is nothing.  A shard's bytes are on the disk
    when the journal says so; until then they are compared with their hashes before a run goes on behind them.

    Raises: FileExistsError, in one line, if something else is being packed there.
    """

    def __init__(self, pack: Path, plan: Plan) -> None:
        self._pack = pack
        self._rows: dict[int, list[Row]] = {}
        self._synced: set[int] = set()
        (pack / SHARDS_FOLDER).mkdir(parents=True, exist_ok=True)
        remove_parts(pack)
        plan_file = pack / PLAN_FILE
        if not plan_file.exists():
            with whole_file(plan_file) as file:
                file.write(json.dumps({"identity": plan.identity}).encode())
        elif json.loads(plan_file.read_bytes())["identity"] != plan.identity:
            raise FileExistsError(
                f"{pack}: holds a half-made pack of other files or settings (or the files have changed since); "
                "delete it, or name another folder"
            )
        path = pack / JOURNAL_FILE
        whole = self._read(path.read_bytes()) if path.exists() else 0
        self._file = path.open("ab")
        self._file.truncate(whole)

    def done(self, shard: Shard) -> list[list[Row]]:
        """The rows of the shard's files, from the first on, as far as they are done and their bytes are there."""
        path = shard_path(self._pack, shard.number)
        found, offset = [], 0
        for task in shard.tasks:
            rows = self._rows.get(task.number)
            if rows is None or len(rows) != len(task.entries):
                break
            packed = [row for row in rows if row.status == PACKED]
            if any(row.offset < offset for row in packed) or not self._are_there(path, shard.number, packed):
                break
            offset = max([offset, *(row.offset + row.num_bytes for row in packed)])
            found.append(rows)
        return found

    def add(self, task: Task, rows: Sequence[Row]) -> None:
        """A file is done."""
        self._append({"file": task.number, "rows": [list(row) for row in rows]})

    def complete(self, shard: int) -> None:
        """All files of a shard are done: have it on the disk, and say so."""
        path = shard_path(self._pack, shard)
        if shard in self._synced or not path.exists():
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        self._synced.add(shard)
        self._append({"shard": shard})

    def close(self) -> None:
        """The run is over, or goes on another time."""
        self._file.close()

    @staticmethod
    def remove(pack: Path) -> None:
        """The pack is finished."""
        for name in (JOURNAL_FILE, PLAN_FILE):
            (pack / name).unlink(missing_ok=True)

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def _read(self, content: bytes) -> int:
        """Take over the lines of an earlier run; the length of the whole ones."""
        whole = 0
        for raw in content.splitlines(keepends=True):
            try:
                line = json.loads(raw)
                if not raw.endswith(b"\n"):
                    break
                if "shard" in line:
                    self._synced.add(line["shard"])
                else:
                    self._rows[line["file"]] = [Row(*row) for row in line["rows"]]
            except (ValueError, KeyError, TypeError):
                break  # after a loss of power; what follows is done again
            whole += len(raw)
        return whole

    def _are_there(self, path: Path, shard: int, rows: Sequence[Row]) -> bool:
        if not rows:
            return True
        end = max(row.offset + row.num_bytes for row in rows)
        if not path.exists() or path.stat().st_size < end:
            return False
        return shard in self._synced or all(_sha256_of_part(path, row) == row.packed_sha256 for row in rows)


def _sha256_of_part(path: Path, row: Row) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(row.offset)
        left = row.num_bytes
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()
