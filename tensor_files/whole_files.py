"""Files that are whole or not there, whatever happens while they are written."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PART = ".part"  # ends the name of a file that is being written


@contextmanager
def whole_file(target: Path, survives_power_loss: bool = True) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `target` at the end; after an error `target` is as it was.

    It lies beside `target`, since a rename is one step within a file system only, and is on the disk before it gets its
    name, which takes time; a process that is killed loses nothing without that either.  It leaves
    `.<name>.<process>.part`, see `remove_parts`.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            if survives_power_loss:
                os.fsync(file.fileno())
        part.replace(target)
        if survives_power_loss:
            sync_folder(target.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, too, where its file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_parts(folder: Path) -> None:
    """Delete what killed processes were writing in a folder; only for who alone writes there."""
    for part in folder.glob(f".*{PART}"):
        part.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
