"""Agents of a W&B sweep as tasks of a batch job, with stand-ins for srun, scontrol and wandb."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    # In its place: its process is that of the task.
    "srun": 'while [[ $1 == --* ]]; do shift; done\necho $$ >task\nexec "$@"\n',
    "scontrol": 'echo "$@" >>requeued\n',
    # Ends as an agent does: when its trial has, whatever that was told.
    "wandb": 'echo "$@" >agent\ntrap "echo USR1 >>told" USR1\ntrap "echo TERM >>told" TERM\ntouch began\n'
    "for ((n = 0; n < 1200; n++)); do [ -e go_on ] && exit $(cat go_on); sleep 0.1; done\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "train.py").touch()
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def start(folder: Path, **more: str) -> subprocess.Popen[str]:
    """The batch script, when its agent is at work."""
    own = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}", "WANDB": f"{folder}/bin/wandb", "SLURM_JOB_ID": "9",
        "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2", **more,
    }  # fmt: skip
    job = subprocess.Popen(
        ["bash", "slurm/agents.sh", "me/p/s"], cwd=folder, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    wait_for(folder / "began")
    return job


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path.name} did not come")


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def tell(folder: Path, name: str, times: int = 1) -> None:
    """What SLURM sends to a task, until the agent has heard of it; then its trial ends."""
    for _ in range(times):
        os.kill(int(read(folder / "task")), signal.Signals[f"SIG{name}"])
    wait_for(folder / "told")
    (folder / "go_on").write_text("0")


@pytest.mark.parametrize(("name", "code"), [("USR1", 75), ("TERM", 143)])
def test_an_agent_that_is_told_to_stop_comes_back(folder: Path, name: str, code: int) -> None:
    job = start(folder)
    tell(folder, name)
    said = job.communicate(timeout=120)[0]
    assert job.returncode == 0, said
    assert read(folder / "agent") == "agent --forward-signals --count 1 me/p/s\n"
    assert {*read(folder / "told").split()} == {name} and read(folder / "requeued") == "requeue 7_2\n"
    assert said == f"job 7_2: stopped with exit code {code}; back into the queue, restart 1\n"


def test_it_waits_for_a_trial_that_takes_its_time_and_is_told_twice(folder: Path) -> None:
    job = start(folder)
    tell(folder, "USR1", times=2)
    said = job.communicate(timeout=120)[0]
    assert (job.returncode, read(folder / "requeued")) == (0, "requeue 7_2\n"), said


@pytest.mark.parametrize("code", [0, 3])
def test_an_agent_that_ends_by_itself_does_not_come_back(folder: Path, code: int) -> None:
    job = start(folder)
    (folder / "go_on").write_text(str(code))
    said = job.communicate(timeout=120)[0]
    assert (job.returncode, said, read(folder / "requeued")) == (code, "", "")


def test_a_task_does_not_come_back_for_ever(folder: Path) -> None:
    job = start(folder, SLURM_RESTART_COUNT="4", MOST_RESTARTS="4")
    tell(folder, "USR1")
    said = job.communicate(timeout=120)[0]
    assert (job.returncode, read(folder / "requeued")) == (75, "")
    assert "job 7_2: stopped again after 4 restarts (MOST_RESTARTS is 4); not requeued" in said


def test_outside_of_the_project_nothing_is_started(folder: Path) -> None:
    (folder / "train.py").unlink()
    ended = subprocess.run(["bash", "slurm/agents.sh", "x"], cwd=folder, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "submit from Kinogan's folder, where train.py is\n")
