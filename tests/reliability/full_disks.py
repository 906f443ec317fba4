"""Disks that are full or read-only, and quotas: the last good checkpoint stays, and the run goes on from it."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.reliability.courses import Proof, damaged, finish, newest_saved_step, undisturbed
from tests.reliability.disturbing import ONE_PROCESS
from tests.reliability.record import Record
from tests.reliability.starts import NOTHING, Disturbance, Ended, start
from tests.resuming import last_logged_step

NAME = "full disks"
Limited = Callable[
    [Path, Path, Random, float], Ended
]  # run folder, videos, random, seconds from the first step to the middle -> how it ended


def prove_full_disks(record: Record, folder: Path, videos: Path, count: int, seed: int) -> None:
    """Kill a run after a few checkpoints, go on where the disk takes no more, then where it does, and compare."""
    folder.mkdir(parents=True, exist_ok=True)
    proof = Proof(NAME, count, ONE_PROCESS, lambda situation: NOTHING, lambda ended, disturbance, run: "")
    whole, (_, training) = undisturbed(proof, record, folder, videos)
    kinds = KINDS if can_mount(folder) else {"a quota": a_quota, **({} if os.geteuid() == 0 else {"read-only": chmod})}
    while len(record.hits(NAME)) < count:
        course, number = len(record.verdicts(NAME)), len(record.hits(NAME))
        run, random = folder / f"course-{course:04d}", Random(f"{seed} {NAME} {course}")
        shutil.rmtree(run, ignore_errors=True)
        kind = list(kinds)[number % len(kinds)]
        point = ("before a checkpoint", random.randint(2, 4))
        before = start(run, videos, ONE_PROCESS, Disturbance("preparation", point=point))
        saved = newest_saved_step(run)
        ended = kinds[kind](run, videos, random, random.uniform(0, 0.8) * training)
        problem = judge(before, ended, run, saved)
        lost = last_logged_step(run) - newest_saved_step(run)
        record.add(
            proof=NAME, course=course, start=number, seed=seed, what=kind, hit=True, is_preparation=False,
            kind="stopped" if ended.code else "went on to the end", code=ended.code, lost=max(lost, 0),
            saved=newest_saved_step(run), seconds=round(ended.seconds, 2), problem=problem,
        )  # fmt: skip
        again = start(run, videos, ONE_PROCESS)
        if again.code != 0:
            problem = problem or f"did not go on when there was room, {again.last_words}"
        finish(NAME, record, run, whole, course, problem)
        print(f"{NAME}: {number + 1} of {count}, {kind}, {lost} steps lost; {problem or 'exact'}", flush=True)


def judge(before: Ended, ended: Ended, run: Path, saved: int) -> str:
    """What was wrong with a start on a full disk, in a line."""
    if not before.was_hit:
        return f"was not killed before a checkpoint, {before.last_words}"
    if "Traceback" in ended.errors or ended.code not in (0, 1, 2):
        return f"ended badly, {ended.last_words}"
    if ended.code and "cannot be written" not in ended.errors:
        return f"did not say what cannot be written, {ended.last_words}"
    if newest_saved_step(run) < saved:
        return f"the checkpoint of step {saved} is gone"
    parts = [path.name for path in (run / "checkpoints").glob(".*.part")]
    return damaged(run) or (f"left {parts[0]}" if parts else "")


def a_quota(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """No file may be larger than a part of a checkpoint."""
    newest = max((run / "checkpoints").glob("*.ckpt"), key=lambda path: path.stat().st_size)
    size = random.randrange(newest.stat().st_size // 4, newest.stat().st_size)
    return start(run, videos, ONE_PROCESS, Disturbance("a quota", largest_file=size))


def chmod(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """Nothing may be written into the checkpoints' folder."""
    folder = run / "checkpoints"
    folder.chmod(0o555)
    try:
        return start(run, videos, ONE_PROCESS)
    finally:
        folder.chmod(0o755)


def a_full_disk(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """Checkpoints lie on a disk that has room for none, for a part of one, for one or for two more."""
    return on_a_disk(run / "checkpoints", run, videos, random.randint(1, 4 << 20), None)


def a_full_disk_of_all(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """The whole run lies on such a disk: its logs and pictures, too."""
    return on_a_disk(run, run, videos, random.randint(1, 4 << 20), None)


def a_read_only_disk(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """The checkpoints' disk is read-only from the beginning."""
    return on_a_disk(run / "checkpoints", run, videos, 16 << 20, 0)


def a_disk_that_becomes_read_only(run: Path, videos: Path, random: Random, seconds: float) -> Ended:
    """The checkpoints' disk becomes read-only while the run is on."""
    return on_a_disk(run / "checkpoints", run, videos, 16 << 20, seconds)


KINDS: dict[str, Limited] = {
    "a full disk of checkpoints": a_full_disk,
    "a full disk of all": a_full_disk_of_all,
    "a quota": a_quota,
    "a read-only disk": a_read_only_disk,
    "a disk that becomes read-only": a_disk_that_becomes_read_only,
}


def on_a_disk(folder: Path, run: Path, videos: Path, room: int, read_only_after: float | None) -> Ended:
    """Start a run, one folder of which is a small disk for a while; read-only at once, or while it trains, or never."""
    with disk(folder, room):
        if read_only_after == 0:
            make_read_only(folder)
        elif read_only_after is not None:
            log = run / "metrics.csv"
            changed = (folder, log, log.stat().st_mtime_ns, read_only_after)
            threading.Thread(target=make_read_only_later, args=changed, daemon=True).start()
        return start(run, videos, ONE_PROCESS)


def make_read_only_later(folder: Path, log: Path, written_at: int, seconds: float) -> None:
    """So many seconds after a run has taken up its log."""
    until = time.monotonic() + 300
    while log.stat().st_mtime_ns == written_at and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(seconds)
    make_read_only(folder)


@contextmanager
def disk(folder: Path, room: int) -> Iterator[None]:
    """Have a folder lie on a disk with so much room left; in the end it lies where it was, with what is on the disk."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    used = sum(
        -path.stat().st_size // 4096 * -4096 for path in aside.rglob("*") if path.is_file() and not path.is_symlink()
    )
    mount("-t", "tmpfs", "-o", f"size={used + room}", "none", str(folder))
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield
        shutil.copytree(folder, aside, symlinks=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
    aside.rename(folder)


def make_read_only(folder: Path) -> None:
    """As soon as nobody is writing there."""
    until = time.monotonic() + 30
    command = ["mount", "-o", "remount,ro", str(folder)]
    while subprocess.run(command, check=False, capture_output=True).returncode and time.monotonic() < until:
        time.sleep(0.01)


def mount(*arguments: str) -> None:
    """Call mount; raises CalledProcessError."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this user may mount small disks here."""
    probe = folder / "probe"
    probe.mkdir(exist_ok=True)
    try:
        mount("-t", "tmpfs", "-o", "size=65536", "none", str(probe))
        subprocess.run(["umount", str(probe)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        probe.rmdir()
    return True
