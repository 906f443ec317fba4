"""A process started afresh for work that may crash, hang or ask for all memory: limited, and easily ended.

Decoders do all three on damaged files, and nothing within the same process stops that.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

READY = "ready"  # the first word of every child
START_SECONDS = 600.0  # a child imports for a moment, and for minutes on a machine that does much else

_ROOT = str(Path(__file__).parents[1])
_BEGIN = f"import sys; sys.path[0] = {_ROOT!r}; from video_io.child_process import live; live(int(sys.argv[1]))"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """Runs `serve(connection)` in a Python of its own, which ends with its parent and keeps silent.

    It is no process of `multiprocessing`, which would import the main program again in each, and refuses to start any
    in a worker of a DataLoader.

    Args:
        serve: a function of a module; it begins with what arrives after `READY`, and ends when the connection does.
        memory_bytes: of address space that it may take, above what its imports have taken.

    Attributes:
        connection: to it; what it sends first is `READY`.
    """

    def __init__(self, serve: Callable[[Connection], None], memory_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **_ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # decoders print parts of damaged files; what is wrong is in the answer
                stderr=subprocess.DEVNULL,
            )
        self.connection = Connection(ours.detach())
        with suppress(ConnectionError):  # it has ended already: whoever listens will see that
            self.connection.send((serve, memory_bytes))

    def end(self) -> int | None:
        """Kill it: its exit code, negative for the signal that it died from if it has died by itself."""
        self.connection.close()
        code = self.process.poll()
        self.process.kill()
        self.process.wait()
        return code

    def death(self) -> str:
        """What it died from, in a word, when its end of the connection is gone; ends what is left of it."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        code = self.end()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def live(descriptor: int) -> None:
    """The life of a child, from its first line on: see `ChildProcess`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # they are for the parent, which ends its children
    _die_with_parent()
    with suppress(EOFError, ConnectionError):
        connection = Connection(descriptor)
        serve, memory_bytes = connection.recv()
        _limit_memory(memory_bytes)
        connection.send(READY)
        serve(connection)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(memory_bytes: int) -> None:
    """Limit the address space to what is in use now and so much more; no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (in_use + memory_bytes,) * 2)
