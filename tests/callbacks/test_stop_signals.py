"""A signal ends training after the step in which it arrives, and costs nothing."""

import os
import signal
from pathlib import Path

import pytest
from pytorch_lightning import LightningModule, Trainer

from callbacks.checkpoints import Checkpoints
from callbacks.every_n_steps import EveryNSteps
from callbacks.stop_signals import StopSignals, received_signal
from tensor_files.committed import committed, step_of
from tests.callbacks.fakes import DoAt, TinyData, TinyModule, make_trainer


class Acts(EveryNSteps):
    def __init__(self, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self.steps: list[int] = []

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.steps.append(trainer.global_step)


def fit(folder: Path, numbers: list[int], acts: Acts, resume: Path | None = None) -> Trainer:
    def send(*_: object) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    callbacks = [DoAt(3, send), StopSignals(), acts, Checkpoints(100)]
    trainer = make_trainer(folder, *callbacks, max_steps=6)
    trainer.fit(TinyModule(), datamodule=TinyData(), ckpt_path=resume)
    return trainer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("times", [1, 2])
def test_only_checkpoints_act_besides_what_is_due(tmp_path: Path, number: int, times: int) -> None:
    before = signal.getsignal(number)
    acts = Acts(2)
    trainer = fit(tmp_path, [number] * times, acts)
    assert (trainer.global_step, received_signal(trainer)) == (3, number)
    assert [step_of(path) for path in committed(tmp_path / "checkpoints")] == [3]
    assert acts.steps == [2]
    assert signal.getsignal(number) == before


def test_what_is_due_at_that_step_is_done(tmp_path: Path) -> None:
    acts = Acts(3)
    fit(tmp_path, [signal.SIGTERM], acts)
    assert acts.steps == [3]
    (path,) = committed(tmp_path / "checkpoints")
    trainer = fit(tmp_path, [], acts, resume=path)
    assert (trainer.global_step, received_signal(trainer), acts.steps) == (6, None, [3, 6])


def test_the_first_of_two_signals_counts(tmp_path: Path) -> None:
    assert received_signal(fit(tmp_path, [signal.SIGUSR1, signal.SIGTERM], Acts(9))) == signal.SIGUSR1


def test_there_may_be_no_such_callback(tmp_path: Path) -> None:
    assert received_signal(make_trainer(tmp_path)) is None


def test_signals_are_as_they_were_after_an_error(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("bad")

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    trainer = make_trainer(tmp_path, DoAt(1, fail), StopSignals(), max_steps=2)
    with pytest.raises(RuntimeError, match="bad"):
        trainer.fit(TinyModule(), datamodule=TinyData())
    assert {number: signal.getsignal(number) for number in before} == before
