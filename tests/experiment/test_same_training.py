"""A checkpoint brings the numbers of its optimizers and schedules along; those that are not wanted are noticed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from experiment.same_training import training_difference

MakeSchedule = Callable[[Optimizer], LRScheduler]


class Trained(LightningModule):
    """A weight with an optimizer and perhaps a schedule."""

    def __init__(self, kind: type[Optimizer], schedule: MakeSchedule | None = None, **numbers: Any) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.made_by = kind, schedule, numbers

    def configure_optimizers(self) -> Any:
        kind, schedule, numbers = self.made_by
        optimizer = kind([self.weight], **numbers)
        return optimizer if schedule is None else ([optimizer], [schedule(optimizer)])


def difference(tmp_path: Path, one: Trained, other: Trained) -> str:
    """Of a checkpoint of one after two steps, and the other."""
    made = one.configure_optimizers()
    optimizers, schedules = made if isinstance(made, tuple) else ([made], [])
    for _ in range(2):
        one.weight.sum().backward()
        for each in (*optimizers, *schedules):
            each.step()
    other.trainer = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    states = [each.state_dict() for each in optimizers], [each.state_dict() for each in schedules]
    return training_difference({"optimizer_states": states[0], "lr_schedulers": states[1]}, other)


def halved(every: int) -> MakeSchedule:
    return lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, every, gamma=0.5)


def one_cycle(optimizer: Optimizer) -> LRScheduler:
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=9)


ADAM = torch.optim.Adam
SGD = torch.optim.SGD


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Trained(ADAM, lr=0.1), Trained(ADAM, lr=0.1, foreach=False)),
        (Trained(ADAM, betas=(0.0, 0.9)), Trained(ADAM, betas=[0.0, 0.9])),
        (Trained(SGD, halved(1), lr=0.1), Trained(SGD, halved(1), lr=0.1)),
        (Trained(SGD, one_cycle, lr=0.1, momentum=0.5), Trained(SGD, one_cycle, lr=0.1, momentum=0.5)),
    ],
)
def test_the_same(tmp_path: Path, one: Trained, other: Trained) -> None:
    assert difference(tmp_path, one, other) == ""


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (Trained(ADAM, lr=0.1), Trained(ADAM, lr=0.2), "lr of optimizer 1 is 0.1 there and 0.2 here"),
        (Trained(ADAM), Trained(ADAM, betas=(0.5, 0.999)), "betas of optimizer 1 is [0.9, 0.999] there and [0.5, 0.9"),
        (Trained(ADAM, lr=0.1), Trained(SGD, lr=0.1, weight_decay=0), "there is amsgrad of optimizer 1 there and damp"),
        (Trained(SGD, halved(1), lr=0.1), Trained(SGD, halved(1), lr=0.2), "lr of optimizer 1 is 0.1 there and 0.2"),
        (Trained(SGD, halved(1)), Trained(SGD, halved(2)), "step_size of schedule 1 is 1 there and 2 here"),
        (Trained(SGD, halved(1)), Trained(SGD), "the number of schedules is 1 there and 0 here"),
    ],
)
def test_another(tmp_path: Path, one: Trained, other: Trained, said: str) -> None:
    assert difference(tmp_path, one, other).startswith(said)
