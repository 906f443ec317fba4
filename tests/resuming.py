"""Starting train.py again and again in one folder, and comparing what comes out with a run that nothing happened to."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from tensor_files.committed import committed, damage, step_of
from tensor_files.loading import load_checkpoint
from tests.test_train import ROOT, SMALL
from video_io.writing import write_video

STEPS = 6
SETTINGS = [
    *SMALL, "--trainer.logger", "false", "--samples.every_n_steps", "null", "--metrics.every_n_steps", "3",
    "--checkpoints.every_n_steps", "2", "--checkpoints.keep_newest", "2", "--curves.every_n_steps", "4",
    "--trainer.max_steps", str(STEPS), "--data.keep_decoded", "true",
]  # fmt: skip

TWO_WITH_BATCH_NORM = [
    "--config", str(ROOT / "conf/dcgan_video.yaml"), "--config", str(ROOT / "conf/small/dcgan_video.yaml"),
    "--config", str(ROOT / "conf/trainer/ddp.yaml"), "--trainer.precision", "32-true", "--data.batch_size", "4",
    "--data.validation_fraction", "0", "--model.generator.base_channels", "4",
    "--model.discriminator.base_channels", "4", "--trainer.logger", "false", "--samples.every_n_steps", "null",
    "--metrics.every_n_steps", "null", "--checkpoints.every_n_steps", "2", "--trainer.max_steps", str(STEPS),
    "--trainer.log_every_n_steps", "1", "--data.keep_decoded", "true",
]  # fmt: skip


def make_videos(folder: Path) -> Path:
    """Three videos of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(3):
        write_video(folder / f"{index}.mp4", torch.randint(0, 255, (3, 20, 32, 32), dtype=torch.uint8), fps=25)
    return folder


def command(
    folder: Path,
    videos: Path,
    *more: str,
    program: Sequence[str] = ("train.py",),
    settings: Sequence[str] = SETTINGS,
) -> list[str]:
    """What is typed to begin in a folder, and to go on there."""
    return [sys.executable, *program, *settings, "--data.root", str(videos), "--run_folder", str(folder), *more]


def train(
    folder: Path,
    videos: Path,
    *more: str,
    program: Sequence[str] = ("train.py",),
    settings: Sequence[str] = SETTINGS,
) -> subprocess.CompletedProcess[str]:
    """Start it, and wait until it ends."""
    typed = command(folder, videos, *more, program=program, settings=settings)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(typed, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def killed(
    folder: Path, videos: Path, point: str, count: int, *more: str, settings: Sequence[str] = SETTINGS
) -> subprocess.CompletedProcess[str]:
    """Start it to be killed at a point of `tests.killing`."""
    return train(folder, videos, *more, program=("-m", "tests.killing", point, str(count)), settings=settings)


def rows(folder: Path) -> list[dict[str, str]]:
    """All that was logged and is not about time."""
    with (folder / "metrics.csv").open() as file:
        return [{key: row[key] for key in row if not key.startswith("speed/")} for row in csv.DictReader(file)]


def cards(folder: Path) -> dict[str, list[str]]:
    """Every measurement."""
    return {path.name: path.read_text().splitlines() for path in (folder / "metrics").glob("*.jsonl")}


def state(folder: Path) -> dict[str, Any]:
    """All of the last checkpoint that is not about time."""
    saved = load_checkpoint(committed(folder / "checkpoints")[-1])
    callbacks = {
        name: value for name, value in saved["callbacks"].items() if name.startswith(("Checkpoints", "Curves"))
    }
    assert len(callbacks) == 2
    for each in callbacks.values():
        each["unlogged"] = {
            key: each.get("unlogged", {})[key] for key in each.get("unlogged", {}) if "speed" not in key
        }
    kept = (
        "state_dict",
        "optimizer_states",
        "lr_schedulers",
        "global_step",
        "noted_terms",
        "data_fingerprint",
        "loops",
    )
    return {**{name: saved[name] for name in kept}, "callbacks": callbacks}


def same(one: Any, other: Any) -> bool:
    """Bit for bit."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


def differences(run: Path, whole: Path, stopped_at: Collection[int] = ()) -> list[str]:
    """What of a run is not as in the one that nothing happened to, by name; nothing where it resumed exactly.

    Args:
        stopped_at: steps after which it saved because a signal told it to stop, besides those that are due.
    """
    if not committed(run / "checkpoints"):
        return ["no checkpoint"]
    found = [f"{path.name} {damage(path)}" for path in committed(run / "checkpoints") if damage(path)]
    if found:
        return found
    one, other = state(run), state(whole)
    found += [name for name in other if not same(one[name], other[name])]
    found += ["logged rows"] if rows(run) != rows(whole) else []
    found += ["metric cards"] if cards(run) != cards(whole) else []
    names = {path.name for path in (run / "checkpoints").iterdir()}
    found += [f"checkpoints/{name}" for name in sorted(names ^ expected_checkpoints(whole, stopped_at))]
    return found + [str(path.relative_to(run)) for path in run.rglob(".*.part")]


def expected_checkpoints(whole: Path, stopped_at: Collection[int]) -> set[str]:
    """The files of as many newest checkpoints as `whole` has, were those of some more steps saved, too."""
    kept = committed(whole / "checkpoints")
    steps = sorted({*map(step_of, kept), *stopped_at})[-len(kept) :]
    files = {f"step-{step:08d}.{suffix}" for step in steps for suffix in ("ckpt", "sha256")}
    return files | {path.name for path in (whole / "checkpoints").iterdir() if path.is_symlink()}


def last_logged_step(run: Path) -> int:
    """Of the last whole row of metrics.csv; 0 before the first."""
    path = run / "metrics.csv"
    lines = path.read_text().splitlines(keepends=True)[1:] if path.exists() else []
    steps = [line.partition(",")[0] for line in lines if line.endswith("\n")]
    return int(steps[-1]) if steps else 0


def measured_steps(folder: Path) -> list[int]:
    """Steps of all cards, one metric after the other."""
    return [json.loads(line)["step"] for lines in cards(folder).values() for line in lines]
