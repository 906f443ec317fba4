"""Two processes never write into one run's folder at a time."""

import fcntl
import os
import socket
import sys
from pathlib import Path

from experiment.one_line import UserError

LOCK = ".lock"
_HELD: set[int] = set()  # descriptors; a lock lasts as long as its process


def lock_run_folder(folder: Path) -> int:
    """Take the folder for this process until it ends or gives it back; the lock, for `unlock`.

    The operating system gives it free when the process is killed.  Processes that this one forks (data workers) do not
    keep it.  Where a file system has no locks a line says so.
    Raises: UserError that names the process which has it, or if the folder cannot be written.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written, {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        os.close(descriptor)
        raise UserError(f"{folder}: another run writes there ({holder or 'it is just starting'})") from error
    except OSError as error:
        print(f"{folder} cannot be locked ({error.strerror}); see that no second run writes there", file=sys.stderr)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    _HELD.add(descriptor)
    return descriptor


def unlock(descriptor: int) -> None:
    """Give a folder back; does nothing the second time."""
    if descriptor in _HELD:
        _HELD.remove(descriptor)
        os.close(descriptor)


def _leave_locks_to_parent() -> None:
    for descriptor in _HELD:
        os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_leave_locks_to_parent)
