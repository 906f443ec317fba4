"""Which processes a process has, and what they do."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def children_of(parent: int | None = None) -> list[int]:
    """Processes that a process, this one if None, has started and that have not ended.

    Those that stay with a process for its life, whatever test has had them started, are not counted.
    """
    states = _states(os.getpid() if parent is None else parent)
    return [pid for pid, state in states.items() if state not in "ZX" and not _stays(pid)]


def _stays(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" in command or b"wandb" in command


def state_of(pid: int) -> str:
    """The letter of a process's state in /proc; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_until(is_so: Callable[[], object], seconds: float = 300.0) -> None:
    """Look every few milliseconds whether something is so; fails when that takes too long."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def _states(parent: int) -> dict[int, str]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, of = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(of) == parent:
            found[int(path.parent.name)] = state
    return found
