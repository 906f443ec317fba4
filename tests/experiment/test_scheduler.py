"""Processes that a scheduler has started, here as SLURM does: they share a run, and end together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from video_io.writing import write_video

ROOT = Path(__file__).parents[2]
SMALL = [
    "--config", str(ROOT / "conf/demo.yaml"), "--config", str(ROOT / "conf/trainer/ddp.yaml"),
    "--trainer.precision", "32-true", "--trainer.max_steps", "1", "--trainer.logger", "false",
    "--trainer.log_every_n_steps", "1",
    "--data.num_frames", "8", "--data.size", "16", "--data.batch_size", "4", "--data.validation_fraction", "0",
    "--model.generator.base_channels", "4", "--model.discriminator.base_channels", "4",
    "--metrics.every_n_steps", "null", "--samples.every_n_steps", "null",
]  # fmt: skip


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def srun(*arguments: str) -> tuple[list[int], list[str]]:
    """Exit codes and errors of two processes of train.py that SLURM might have started in one step."""
    job = {
        "SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    processes = []
    for rank in ("0", "1"):
        environment = {**os.environ, **job, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}
        command = [sys.executable, "train.py", *SMALL, *arguments]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], errors


@pytest.mark.ddp
def test_a_mistake_that_the_first_process_finds_ends_all(tmp_path: Path) -> None:
    codes, errors = srun("--data.root", str(tmp_path / "nowhere"), "--runs_folder", str(tmp_path / "runs"))
    assert codes == [2, 2], errors
    assert errors[0].startswith("train.py: data: ") and "nowhere" in errors[0] and errors[0].count("\n") == 1
    assert errors[1] == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.ddp
def test_the_second_run_of_a_step_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4", torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8), fps=25)
    given = ("--data.root", str(tmp_path / "videos"), "--runs_folder", str(tmp_path / "runs"), "--run_name", "demo")
    files = ("config.yaml", "metrics.csv", "checkpoints/step-00000001.ckpt")
    contents: list[bytes] = []
    for number in (1, 2):
        codes, errors = srun(*given, "--model.seed", str(number))
        assert codes == [0, 0], errors
        first, *others = sorted((tmp_path / "runs" / "demo").iterdir())
        assert [folder.name for folder in (first, *others)] == ["slurm-17.0", "slurm-17.0-2"][:number]
        assert all((folder / name).is_file() for folder in (first, *others) for name in files)
        contents = contents or [(first / name).read_bytes() for name in files]
        assert [(first / name).read_bytes() for name in files] == contents
