"""What is done to a player's optimizer and schedule when they are made."""

from typing import Any

import torch


def refuse_plateau(scheduler: Any, player: str) -> None:
    """A schedule is stepped every training step, without a metric to look at."""
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise ValueError(
            f"{player}_scheduler is ReduceLROnPlateau, which waits for a metric that tells of progress; no loss of a "
            "GAN does. Take one that counts steps, such as CosineAnnealingLR"
        )


def correct(optimizer: torch.optim.Optimizer, correction: float) -> None:
    """Scale learning rates and betas for lazy penalties, see `AdversarialObjective.optimizer_correction`."""
    for group in optimizer.param_groups:
        group["lr"] *= correction
        if "betas" in group:
            group["betas"] = tuple(beta**correction for beta in group["betas"])
