"""The index of a pack, one Parquet file: what is packed where, what was refused and why.

It is written when everything else is on the disk, in one step; a folder without it is no pack.  Videos stand in it in
the order of their source, and refused ones behind them, so video i of a pack is row i.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as parquet

from packs.formats import FORMATS, Size
from tensor_files.whole_files import whole_file

INDEX_FILE = "index.parquet"
SHARDS_FOLDER = "shards"
PACKED, REFUSED = "packed", "refused"
_FORMAT_NUMBER = 1  # of the index; another one is refused
_KEY = b"kinogan"  # of the header in the file's metadata


class PackError(ValueError):
    """A pack that cannot be read; the message is one line and says what to do."""


class Row(NamedTuple):
    """One video, or part of one, and what became of it.

    `path` is relative to the source, with "/"; a video inside of an archive or an array is "archive.zip/name".
    `first_frame` counts in the file, `width`, `height` and `fps` are the file's own.  `sha256` is that of the source's
    content, `packed_sha256` of the bytes in the shard, from `offset` on, `num_bytes` of them.  `label` is a place in
    the header's `class_names`, or -1.  `exact_seek` says whether random reads of the file itself gave the frames of the
    sequential read, if that was tried.  A refused video has a `reason`, and zeros.
    """

    path: str
    status: str
    reason: str = ""
    first_frame: int = 0
    num_frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    sha256: str = ""
    label: int = -1
    caption: str | None = None
    split: str | None = None
    shard: int = -1
    offset: int = 0
    num_bytes: int = 0
    packed_sha256: str = ""
    exact_seek: bool | None = None


# Arrow's own allocator asks for huge pages; where memory is in pieces, the kernel takes seconds to find them.
pa.set_memory_pool(pa.system_memory_pool())

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), str | None: pa.string(), bool | None: pa.bool_()}
_SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in Row.__annotations__.items()])


class Header(NamedTuple):
    """What holds for all videos of a pack: `format` is a key of `packs.formats.FORMATS`.

    `shard_bytes` are the sizes of the shards, and `fingerprint` stands for everything that a training can see: frames,
    labels, captions, splits, and their order.  `source` is the folder or file that was packed, and `plan` stands for
    its files as they were and the settings.
    """

    format: str
    height: int
    width: int
    class_names: tuple[str, ...]
    num_videos: int
    shard_bytes: tuple[int, ...]
    fingerprint: str
    source: str
    plan: str

    @property
    def size(self) -> Size:
        """Of all frames."""
        return Size(self.height, self.width)


def is_pack(folder: str | Path) -> bool:
    """Whether a folder is a pack, or was to become one."""
    return (Path(folder) / INDEX_FILE).exists() or (Path(folder) / SHARDS_FOLDER).is_dir()


def shard_path(pack: Path, shard: int) -> Path:
    """Where a shard lies."""
    return pack / SHARDS_FOLDER / f"{shard:05d}.shard"


def fingerprint_of(frame_format: str, size: Size, class_names: Sequence[str], rows: Sequence[Row]) -> str:
    """SHA-256, in hex, over what a training can see of a pack; where the source lay is no part of it."""
    digest = hashlib.sha256(json.dumps([frame_format, *size, *class_names]).encode())
    for row in rows:
        if row.status == PACKED:
            seen = [row.path, row.first_frame, row.num_frames, row.label, row.caption, row.split, row.packed_sha256]
            digest.update(json.dumps(seen).encode())
    return digest.hexdigest()


def write_index(
    pack: Path,
    frame_format: str,
    size: Size,
    class_names: Sequence[str],
    rows: Sequence[Row],
    source: str,
    plan: str = "",
) -> Header:
    """Write the index of finished shards, in one step; from then on the folder is a pack."""
    rows = sorted(rows, key=lambda row: row.status == REFUSED)  # keeps the order within both
    good = [row for row in rows if row.status == PACKED]
    num_shards = max((row.shard for row in good), default=-1) + 1
    shard_bytes = [0] * num_shards
    for row in good:
        shard_bytes[row.shard] = max(shard_bytes[row.shard], row.offset + row.num_bytes)
    fingerprint = fingerprint_of(frame_format, size, class_names, rows)
    header = Header(frame_format, *size, tuple(class_names), len(good), tuple(shard_bytes), fingerprint, source, plan)
    write_columns(pack, header, {name: [getattr(row, name) for row in rows] for name in Row._fields})
    return header


def write_columns(pack: Path, header: Header, columns: Mapping[str, Any]) -> None:
    """Write an index whose rows are in columns already, by the names in `Row`: lists or Arrow arrays."""
    text = json.dumps({"number": _FORMAT_NUMBER, **header._asdict()})
    table = pa.table(dict(columns), schema=_SCHEMA.with_metadata({_KEY: text.encode()}))
    with whole_file(pack / INDEX_FILE) as file:
        parquet.write_table(table, file, compression="zstd")


def read_index(pack: str | Path, columns: Sequence[str] | None = None) -> tuple[Header, pa.Table]:
    """The header of a pack, and the table of its rows, good ones first; only some columns where they are named.

    Raises: FileNotFoundError or PackError, in one line, if there is no finished pack.
    """
    file = Path(pack) / INDEX_FILE
    if not file.is_file():
        raise FileNotFoundError(f"{pack}: no {INDEX_FILE}, so no finished pack; python prepare.py makes one")
    try:
        header = _header_of(file, parquet.read_schema(file).metadata)
        return header, parquet.read_table(file, columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, PackError):
            raise
        raise PackError(f"{file}: damaged, or not an index that this version can read; pack again") from error


def _header_of(file: Path, metadata: dict[bytes, bytes] | None) -> Header:
    content: dict[str, Any] = json.loads((metadata or {})[_KEY])
    number = content.pop("number")
    if number != _FORMAT_NUMBER or content["format"] not in FORMATS:
        raise PackError(
            f"{file}: a pack of format {number} ({content['format']}), which this version cannot read; "
            "take the version that made it, or pack again"
        )
    lists = {name: tuple(content[name]) for name in ("class_names", "shard_bytes")}
    return Header(**(content | lists))
