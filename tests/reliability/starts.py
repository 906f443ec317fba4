"""One start of train.py in a process group of its own, and what happens to it."""

import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.resuming import command
from tests.test_train import ROOT

LONGEST = 900.0  # seconds; a start that takes longer hangs
TRAINS = "results in "  # train.py's last line before the first step
LAST_BREATH = 20.0  # seconds that the other processes of a start may outlive the first one


RUNNING: set[int] = set()  # process groups


def stop_all(number: int, frame: FrameType | None) -> None:
    """End what is running and this process, on a signal; what it was just doing may swallow exceptions."""
    for group in RUNNING:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    os._exit(128 + number)


@dataclass(frozen=True)
class Disturbance:
    """What happens to a start.

    Args:
        name: for the record.
        signals: each with the seconds before it.
        once_it_trains: the first one's seconds count from when the program says that it begins to train.
        to_all: they go to all processes of the start, else to the first.
        point: a named point of `tests.killing` at which it is killed, and the how-many-th time.
        largest_file: in bytes, as a quota.
        is_preparation: it brings a course to where the next one can happen, and does not count.
    """

    name: str
    signals: tuple[tuple[float, signal.Signals], ...] = ()
    once_it_trains: bool = False
    to_all: bool = True
    point: tuple[str, int] | None = None
    largest_file: int | None = None
    is_preparation: bool = False

    @property
    def program(self) -> tuple[str, ...]:
        """What is started in place of train.py."""
        return ("train.py",) if self.point is None else ("-m", "tests.killing", self.point[0], str(self.point[1]))


NOTHING = Disturbance("nothing")


@dataclass(frozen=True)
class Ended:
    """How a start ended.

    Args:
        code: its exit code; minus the signal's number if a signal ended it.
        was_hit: whether it was still there when it was to be disturbed.
        trains_after: seconds until it said that it begins to train; 0 where nobody has waited for it.
        left: how many of its processes were still there long after it had ended.
    """

    code: int
    was_hit: bool
    seconds: float
    trains_after: float
    output: str
    errors: str
    left: int

    @property
    def last_words(self) -> str:
        """The end of what it said, in a line."""
        said = self.errors.strip() or self.output.strip()
        return f"exit code {self.code}: {said.splitlines()[-1][:300] if said else 'it said nothing'}"


def start(
    run: Path, videos: Path, settings: Sequence[str], disturbance: Disturbance = NOTHING, more: Sequence[str] = ()
) -> Ended:
    """Start the program in a run's folder, disturb it, wait until none of its processes is left."""
    typed = command(run, videos, *more, program=disturbance.program, settings=settings)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        with output.open("w") as to_output, errors.open("w") as to_errors:
            began = time.monotonic()
            process = subprocess.Popen(
                typed, cwd=ROOT, env=environment, stdout=to_output, stderr=to_errors, start_new_session=True,
                preexec_fn=limited_to(disturbance.largest_file),
            )  # fmt: skip
        trains_after, was_hit = 0.0, False
        RUNNING.add(process.pid)
        try:
            if disturbance.once_it_trains or not disturbance.signals:
                trains_after = wait_for_training(process, output) - began
            was_hit = disturb(process, disturbance)
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            errors.write_text(f"{errors.read_text()}\nit hung for {LONGEST:.0f} seconds\n")
        finally:
            left = end_group(process)
            RUNNING.remove(process.pid)
        if disturbance.point is not None:
            was_hit = process.returncode == -signal.SIGKILL
        seconds = time.monotonic() - began
        said = output.read_text(), errors.read_text()
        return Ended(process.returncode, was_hit, seconds, trains_after, *said, left)


def limited_to(largest_file: int | None) -> Callable[[], None] | None:
    """Has a process write no larger file."""
    if largest_file is None:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))


def disturb(process: subprocess.Popen[bytes], disturbance: Disturbance) -> bool:
    """Send the signals; whether the first one found it."""
    for number, (seconds, which) in enumerate(disturbance.signals):
        if has_ended(process, seconds):
            return number > 0
        if disturbance.to_all:
            os.killpg(process.pid, which)
        else:
            process.send_signal(which)
    return bool(disturbance.signals)


def wait_for_training(process: subprocess.Popen[bytes], output: Path) -> float:
    """Wait until the program has checked everything and says what it trains, or has ended; the time then."""
    until = time.monotonic() + LONGEST
    while TRAINS not in output.read_text() and not has_ended(process, 0.02) and time.monotonic() < until:
        pass
    return time.monotonic()


def has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether it has ended before so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def end_group(process: subprocess.Popen[bytes]) -> int:
    """See that no process of a start is left; how many had to be killed."""
    until = time.monotonic() + (LAST_BREATH if process.poll() is not None else 0)
    while (left := members(process.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while members(process.pid):
        time.sleep(0.02)
    return len(left)


def members(group: int) -> list[int]:
    """The living processes of a group; Linux knows."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(path.parent.name))
    return found
