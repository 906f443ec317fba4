"""Run folders to open: of a run that has trained two steps, or of one that has only been built."""

from pathlib import Path

import torch

from experiment.command_line import build
from train import main

ROOT = Path(__file__).parents[2]
QUIET = [
    "--trainer.accelerator", "cpu", "--trainer.logger", "false", "--metrics.every_n_steps", "null",
    "--samples.every_n_steps", "null", "--curves.every_n_steps", "null", "--data.num_workers", "0",
    "--data.validation_fraction", "0", "--data.batch_size", "4",
]  # fmt: skip
TINY_DEMO = [
    "--config", str(ROOT / "conf/demo.yaml"), "--trainer.precision", "32-true", "--data.num_frames", "8",
    "--data.size", "16", "--model.generator.base_channels", "4", "--model.discriminator.base_channels", "4",
]  # fmt: skip


def trained(runs_folder: Path, videos: Path, *more: str) -> Path:
    """The folder of a run of two steps."""
    given = [*TINY_DEMO, *QUIET, "--data.root", str(videos), "--runs_folder", str(runs_folder), *more]
    assert main([*given, "--trainer.max_steps", "2"]) == 0
    (folder,) = runs_folder.glob("*/*")
    return folder


def built(runs_folder: Path, videos: Path, *given: str) -> Path:
    """The folder of a run with a checkpoint of fresh weights, which pretends to be of step 7."""
    experiment = build([*given, *QUIET, "--data.root", str(videos), "--runs_folder", str(runs_folder)])
    checkpoints = experiment.run_folder / "checkpoints"
    checkpoints.mkdir()
    weights = experiment.model.state_dict()
    torch.save({"state_dict": weights, "global_step": 7}, checkpoints / "step-00000007.ckpt")
    (checkpoints / "last.ckpt").symlink_to("step-00000007.ckpt")
    return experiment.run_folder


def small(name: str) -> list[str]:
    """The config of a small model."""
    return ["--config", str(ROOT / f"conf/{name}.yaml"), "--config", str(ROOT / f"conf/small/{name}.yaml")]
