"""The image generator that mocogan_hd starts from, without the hours of training it."""

from pathlib import Path

import torch

from experiment.command_line import build


def untrained_image_checkpoint(folder: Path, configs: list[str]) -> Path:
    """A checkpoint as a run of these configs leaves it, of fresh weights."""
    experiment = build(
        [*configs, "--trainer.accelerator", "cpu", "--runs_folder", str(folder), "--allow_package", "tests",
         "--data", "tests.contracts.moving_squares.MovingSquares", "--trainer.logger", "false",
         "--metrics.every_n_steps", "null", "--samples.every_n_steps", "null"]
    )  # fmt: skip
    path = folder / "images.ckpt"
    torch.save({"state_dict": experiment.model.state_dict()}, path)
    return path


def first_stage(experiment: str, checkpoint: Path) -> list[str]:
    """The arguments that an experiment needs besides its config."""
    return ["--model.generator.image_checkpoint", str(checkpoint)] if experiment == "mocogan_hd" else []
