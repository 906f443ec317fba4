"""Reads the .wandb log of a run, which holds everything that an offline run has logged.

The file is a 7-byte header (":W&B", the magic number 0xBEE1, a version) and LevelDB's log format: blocks of 32 KiB, of
pieces with a 7-byte header each (CRC-32 of type and data, length, type); a piece is a whole record or its first, middle
or last part.  A record is a protobuf message of wandb's.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wandb.proto import wandb_internal_pb2

BLOCK = 32768
FILE_HEADER = struct.Struct("<4sHB")
PIECE_HEADER = struct.Struct("<IHB")
WHOLE, FIRST, _MIDDLE, LAST = 1, 2, 3, 4


class LoggedRun(NamedTuple):
    """What an offline run has logged."""

    history: list[dict[str, Any]]
    config: dict[str, Any]
    step_metrics: dict[str, str]  # of a metric or a pattern of metrics: what it is drawn against
    project: str
    name: str

    def of(self, key: str) -> dict[int, Any]:
        """Values of `key` at `trainer/global_step`."""
        return {line["trainer/global_step"]: line[key] for line in self.history if key in line}


def read_run(folder: Path) -> LoggedRun:
    """The one offline run below `folder`."""
    (path,) = folder.glob("**/offline-run-*")
    return read_part(path)


def read_part(folder: Path) -> LoggedRun:
    """What an offline run, or a part of one, has in its folder."""
    (path,) = folder.glob("*.wandb")
    history: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    step_metrics = {}
    project = name = ""
    for record in read_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            project, name = project or record.run.project, name or record.run.display_name
            config.update(decode(record.run.config.update))
        elif kind == "config":
            config.update(decode(record.config.update))
        elif kind == "history":
            history.append(decode(record.history.item))
        elif kind == "metric":
            step_metrics[record.metric.glob_name or record.metric.name] = record.metric.step_metric
    return LoggedRun(history, config, step_metrics, project, name)


def decode(items: Any) -> dict[str, Any]:
    """Keys and JSON values of the items of a message."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def read_records(path: Path) -> Iterator[Any]:
    """The records, in order."""
    for content in read_contents(path.read_bytes()):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(content)
        yield record


def read_contents(data: bytes) -> Iterator[bytes]:
    """Join the pieces of each record."""
    assert FILE_HEADER.unpack_from(data)[:2] == (b":W&B", 0xBEE1)
    position, parts = FILE_HEADER.size, b""
    while position + PIECE_HEADER.size <= len(data):
        left_in_block = BLOCK - position % BLOCK
        if left_in_block < PIECE_HEADER.size:  # filled with zeros
            position += left_in_block
            continue
        checksum, length, kind = PIECE_HEADER.unpack_from(data, position)
        position += PIECE_HEADER.size
        piece = data[position : position + length]
        position += length
        assert zlib.crc32(bytes([kind]) + piece) == checksum
        parts = piece if kind in (WHOLE, FIRST) else parts + piece
        if kind in (WHOLE, LAST):
            yield parts
