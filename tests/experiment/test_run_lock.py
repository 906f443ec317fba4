"""One run, one writer."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiment.one_line import UserError
from experiment.run_lock import lock_run_folder, unlock

ROOT = Path(__file__).parents[2]
HOLDER = """
import os, sys, time
from pathlib import Path
from experiment.run_lock import lock_run_folder
lock_run_folder(Path(sys.argv[1]))
if os.fork() == 0:  # as a data worker
    time.sleep(60)
print("locked", flush=True)
time.sleep(60)
"""


def test_a_folder_has_one_writer_until_it_is_given_back(tmp_path: Path) -> None:
    lock = lock_run_folder(tmp_path)
    with pytest.raises(UserError, match=rf"another run writes there \(process {os.getpid()} on .+\)"):
        lock_run_folder(tmp_path)
    unlock(lock)
    unlock(lock)
    unlock(lock_run_folder(tmp_path))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # root may write anywhere
    with pytest.raises(UserError, match=rf"^{tmp_path}: cannot be written, Is a directory$"):
        lock_run_folder(tmp_path)


def test_a_killed_process_keeps_nothing_also_not_through_its_workers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match=f"process {holder.pid} on"):
            lock_run_folder(tmp_path)
        holder.kill()
        holder.wait(timeout=10)
        time.sleep(0.1)
        unlock(lock_run_folder(tmp_path))
    finally:
        os.killpg(holder.pid, signal.SIGKILL)  # the worker
