"""Checkpoints that count: beside each lies its SHA-256, written last."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tensor_files.whole_files import sha256_of, sync_folder, whole_file

STEP_FILE = re.compile(r"step-(\d+)\.\w+")
UNREADABLE = "cannot be read"  # begins what `damage` says where the content may be as it was written
SET_ASIDE = "unread-"  # begins the name of a file that a run went on without


def mark_of(path: Path) -> Path:
    """Where a file's SHA-256 lies, as `sha256sum --check` reads it: step-00001000.ckpt -> step-00001000.sha256."""
    return path.with_suffix(".sha256")


def commit(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file, then its mark: a kill at any moment leaves either both, or no mark and so no checkpoint.

    Raises: whatever `write` does, and OSError; the files before it are as they were.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = mark_of(path)
    with whole_file(path) as file:
        write(file)
    try:
        with whole_file(mark) as file:
            file.write(f"{sha256_of(path)}  {path.name}\n".encode())
    except BaseException:
        with suppress(OSError):
            delete(path)  # nobody would count it, and it may have taken the last of the disk
        raise


def damage(path: Path) -> str:
    """What is wrong with a committed file, in a few words; empty if its content is what was written.

    It begins with `UNREADABLE` if the disk or the network gave nothing to compare, which may pass.
    """
    try:
        marked, name = mark_of(path).read_text(encoding="ascii").split()
        found = sha256_of(path)
    except FileNotFoundError as error:
        return "was not written to the end" if error.filename == str(mark_of(path)) else "is missing"
    except (IsADirectoryError, ValueError):
        return "is damaged: it, or its mark, is no such file"
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror or type(error).__name__})"
    if name != path.name:
        return f"is another file than {mark_of(path).name} says"
    return "" if marked == found else f"is damaged: its SHA-256 is not that of {mark_of(path).name}"


def committed(folder: Path) -> list[Path]:
    """The checkpoints of a folder that were written to the end, intact or not, from the first step to the last."""
    marks = [mark for mark in folder.glob("step-*.sha256") if STEP_FILE.fullmatch(mark.name)]
    return sorted((mark.with_suffix(".ckpt") for mark in marks), key=step_of)


def uncommitted(folder: Path) -> list[Path]:
    """Files without a mark, which a kill has left while they were written or deleted."""
    found = [path for path in folder.glob("step-*.ckpt") if STEP_FILE.fullmatch(path.name)]
    return sorted(path for path in found if not mark_of(path).exists())


def newest_intact(folder: Path) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint that is as it was written, and what is wrong with each newer one."""
    problems: dict[Path, str] = {}
    for path in reversed(committed(folder)):
        problem = damage(path)
        if not problem:
            return path, problems
        problems[path] = problem
    return None, problems


def set_aside(path: Path) -> Path:
    """Rename a checkpoint, and then its mark, so that it does not count; where its content lies now.

    Its content may be intact, so it is not deleted; and it may not be gone on from later, when the run has logged, or
    left out, other steps than those before it.
    Raises: OSError.
    """
    for each in (path, mark_of(path)):
        each.replace(each.with_name(SET_ASIDE + each.name))
    sync_folder(path.parent)
    return path.with_name(SET_ASIDE + path.name)


def step_of(path: Path) -> int:
    """The training step in a checkpoint's name."""
    match = STEP_FILE.fullmatch(path.name)
    assert match is not None, path
    return int(match[1])


def delete(path: Path) -> None:
    """Delete a checkpoint: its mark first, so that there is never a mark without what it vouches for.

    Raises: OSError, also for a folder in its place that is not empty.
    """
    withdraw_mark(path)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def withdraw_mark(path: Path) -> None:
    """Have nothing vouch for a checkpoint any more."""
    mark_of(path).unlink(missing_ok=True)
