"""The whole path, as a user runs it: from the command line to files and to the dashboard."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from tests.callbacks.wandb_log import read_run
from video_io.writing import write_video

ROOT = Path(__file__).parents[1]
KEYS = ("fid32/efficientnet_lite0", "fvd4_8f/efficientnet_lite0")
SMALL = [
    "--config", str(ROOT / "conf/demo.yaml"), "--trainer.accelerator", "cpu", "--trainer.precision", "32-true",
    "--data.num_frames", "8", "--data.size", "16", "--data.batch_size", "4", "--data.validation_fraction", "0",
    "--model.generator.base_channels", "4", "--model.discriminator.base_channels", "4",
    "--metrics.num_videos", "4", "--metrics.every_n_steps", "2", "--metrics.first_step", "false",
    "--samples.every_n_steps", "2",
    "--samples.num_videos", "4", "--trainer.log_every_n_steps", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for index in range(3):
        write_video(folder / f"{index}.mp4", torch.randint(0, 255, (3, 12, 32, 32), dtype=torch.uint8), fps=25)
    return folder


def train(folder: Path, videos: Path, *more: str) -> tuple[subprocess.CompletedProcess[str], list[Path]]:
    """Run train.py in an own process; also the run folders that there are now."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    command = [
        sys.executable,
        "train.py",
        *SMALL,
        "--data.root",
        str(videos),
        "--runs_folder",
        str(folder / "runs"),
        *more,
    ]
    finished = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return finished, sorted((folder / "runs").glob("*/*"))


def read_cards(run: Path) -> dict[str, list[dict]]:
    cards: dict[str, list[dict]] = {}
    for path in (run / "metrics").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            card = json.loads(line)
            cards.setdefault(card["key"], []).append(card)
    return cards


def test_a_run_leaves_everything_in_its_folder_and_on_the_dashboard(tmp_path: Path, videos: Path) -> None:
    finished, (run,) = train(tmp_path, videos, "--trainer.max_steps", "5")
    assert finished.returncode == 0, finished.stderr
    assert "training CompactGenerator" in finished.stdout
    assert f"results in {run}" in finished.stdout
    assert f"metrics        {run}/metrics\n" in finished.stdout
    for name in ("samples/real.mp4", "samples/step-00000004.mp4", "samples/step-00000005.mp4", "curves.png"):
        assert (run / name).stat().st_size > 500, name
    assert (run / "checkpoints" / "last.ckpt").resolve().name == "step-00000005.ckpt"

    cards = read_cards(run)
    assert set(cards) == set(KEYS)
    for key, of_key in cards.items():
        assert [card["step"] for card in of_key] == [2, 4, 5]
        assert of_key[-1]["real_fingerprint"] and of_key[-1]["weights_sha256"]
        first, last = of_key[0]["value"], of_key[-1]["value"]
        assert f"{key:30} {first:.4g} at step 2 -> {last:.4g} at step 5" in finished.stdout

    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert {int(row["step"]) for row in rows} >= {1, 2, 3, 4, 5}

    logged = read_run(run)
    assert sorted(logged.of("discriminator/loss")) == sorted(logged.of("generator/loss")) == [1, 2, 3, 4, 5]
    for key in KEYS:
        assert logged.of(key) == {card["step"]: pytest.approx(card["value"]) for card in cards[key]}
    assert sorted(logged.of("samples/generated/videos")) == [2, 4, 5]
    assert logged.of("samples/real/videos")
    assert len(list(run.glob("wandb/offline-run-*/files/media/videos/samples/*.mp4"))) == 4
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert logged.config["model"] == config["model"]
    assert logged.config["data"]["init_args"]["root"] == str(videos)
    for key in ("discriminator/r1", "discriminator/gradient_norm", "generator/logits_fake", "speed/clips_per_second"):
        assert logged.of(key), key


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path: Path, videos: Path) -> None:
    off = ["--metrics.every_n_steps", "null", "--samples.every_n_steps", "null", "--trainer.logger", "false"]
    train(tmp_path / "whole", videos, "--trainer.max_steps", "5", *off)
    train(tmp_path / "first", videos, "--trainer.max_steps", "3", *off)
    (first,) = (tmp_path / "first").glob("runs/*/*/checkpoints/last.ckpt")
    finished, _ = train(tmp_path / "rest", videos, "--trainer.max_steps", "5", "--resume", str(first), *off)
    assert finished.returncode == 0, finished.stderr
    states = []
    for name in ("whole", "rest"):
        (path,) = (tmp_path / name).glob("runs/*/*/checkpoints/step-00000005.ckpt")
        states.append(torch.load(path, weights_only=True)["state_dict"])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.ddp
def test_two_processes_write_one_run(tmp_path: Path, videos: Path) -> None:
    finished, runs = train(
        tmp_path, videos, "--config", str(ROOT / "conf/trainer/ddp.yaml"), "--trainer.max_steps", "2"
    )
    assert finished.returncode == 0, finished.stderr
    assert len(runs) == 1
    assert finished.stdout.count("training CompactGenerator") == 1
    assert finished.stdout.count("trained 2 steps") == 1
    assert [len(cards) for cards in read_cards(runs[0]).values()] == [1, 1]
    assert len(list(runs[0].glob("wandb/offline-run-*"))) == 1
    assert [row["step"] for row in csv.DictReader((runs[0] / "metrics.csv").open()) if row["generator/loss"]] == [
        "1",
        "2",
    ]


def test_a_loss_that_is_not_finite_ends_the_run_with_a_line(tmp_path: Path, videos: Path) -> None:
    finished, (run,) = train(tmp_path, videos, "--model.discriminator_optimizer.lr", "1e30", "--trainer.max_steps", "9")
    assert finished.returncode == 1
    assert "train.py: step 1: generator loss" in finished.stderr
    assert "not finite; stopped before the generator's weights changed" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert (run / "config.yaml").exists()


def test_tensorboard_instead_of_wandb(tmp_path: Path, videos: Path) -> None:
    finished, (run,) = train(
        tmp_path, videos, "--config", str(ROOT / "conf/trainer/tensorboard.yaml"), "--trainer.max_steps", "2"
    )
    assert finished.returncode == 0, finished.stderr
    assert list((run / "tensorboard").glob("events.*"))
    assert not (run / "wandb").exists()
