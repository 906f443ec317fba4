"""A canary: what is secret on this machine reaches none of the files that a run leaves, and no line that it prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.test_train import ROOT, SMALL
from video_io.writing import write_video

CANARY = "canary-7d1f0c9e5b"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Secrets wherever a program may come across them."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine api.wandb.ai login user password {CANARY}-netrc-000000000000000000000000\n")
    (home / ".netrc").chmod(0o600)
    secret = {
        "WANDB_API_KEY": f"{CANARY}-{'0' * 40}", "HF_TOKEN": f"{CANARY}-hf", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-aws",
        "SOME_PASSWORD": f"{CANARY}-password",
    }  # fmt: skip
    own = {"HOME": str(home), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **secret, **own, "KINOGAN_CACHE": str(tmp_path / "cache")}


def train(tmp_path: Path, environment: dict[str, str], *more: str) -> subprocess.CompletedProcess[bytes]:
    videos = tmp_path / "videos"
    videos.mkdir(exist_ok=True)
    write_video(videos / "a.mp4", torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8), fps=25)
    given = [*SMALL, "--data.root", str(videos), "--run_folder", str(tmp_path / "run"), "--trainer.max_steps", "2"]
    return subprocess.run(
        [sys.executable, "train.py", *given, *more],
        cwd=ROOT, env=environment, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


def places_of_the_canary(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.slow
def test_no_secret_reaches_a_file_or_the_screen(tmp_path: Path, environment: dict[str, str]) -> None:
    finished = train(tmp_path, environment)
    assert finished.returncode == 0, finished.stderr.decode()
    assert CANARY.encode() not in finished.stdout + finished.stderr
    assert list((tmp_path / "run").glob("wandb/offline-run-*/*.wandb"))
    assert list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))
    assert places_of_the_canary(tmp_path) == [tmp_path / "home" / ".netrc"]


@pytest.mark.slow
@pytest.mark.parametrize("crash", [["--model.discriminator_optimizer.lr", "1e30"], ["--data.size", "50"]])
def test_nor_when_a_run_fails(tmp_path: Path, environment: dict[str, str], crash: list[str]) -> None:
    finished = train(tmp_path, environment, *crash)
    assert finished.returncode in (1, 2)
    assert CANARY.encode() not in finished.stdout + finished.stderr
    assert places_of_the_canary(tmp_path) == [tmp_path / "home" / ".netrc"]


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["--run_name={}", "--trainer.logger.init_args.project={}", "--wandb_api_key={}"])
def test_a_secret_among_the_arguments_is_refused(tmp_path: Path, environment: dict[str, str], argument: str) -> None:
    finished = train(tmp_path, environment, argument.format(environment["WANDB_API_KEY"]))
    assert finished.returncode == 2
    assert finished.stderr.decode().splitlines() == [
        "train.py: an argument has the value of WANDB_API_KEY in it, which belongs into the environment alone"
    ]
    assert places_of_the_canary(tmp_path) == [tmp_path / "home" / ".netrc"]
