"""When a callback acts: every so many training steps and once more at the end of training."""

import time
from abc import ABC, abstractmethod
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.stop_signals import received_signal


class EveryNSteps(Callback, ABC):
    """Calls `act` after every `every_n_steps`-th training step and after the last one, never twice for a step.

    A step is one `trainer.global_step`.  The last step is acted on inside the training loop wherever it is known to be
    the last (max_steps, or the stop of a callback before this one), so that a checkpoint of it resumes as any other;
    else when training ends.  Lightning puts its Timer for max_time last; train.py puts it first.  A run that a signal
    ends goes on later: it acts on what is due at that step and on nothing more.  All processes act together.

    What `setup` refuses is refused before a run has a folder: train.py calls it once more, before `fit` does.

    Args:
        every_n_steps: at least 1; None never acts, which switches the callback off.

    Attributes:
        seconds_spent: seconds of wall time inside `act` so far.

    Raises: ValueError if `every_n_steps` is below 1.
    """

    def __init__(self, every_n_steps: int | None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(
                f"{type(self).__name__}.every_n_steps is {every_n_steps}; it must be at least 1, or null for never"
            )
        self.every_n_steps = every_n_steps
        self.seconds_spent = 0.0
        self._last_step = 0

    @abstractmethod
    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do what is due at this step; called on all processes."""

    def is_due(self, trainer: Trainer) -> bool:
        """Whether to act at this step, in the training loop."""
        assert self.every_n_steps is not None
        return trainer.global_step % self.every_n_steps == 0 or is_last_step(trainer)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last_step = trainer.global_step  # a resumed run has acted on its first step before

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.every_n_steps is not None and self.is_due(trainer):
            self._act_once(trainer, pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.every_n_steps is not None and received_signal(trainer) is None:
            self._act_once(trainer, pl_module)

    def _act_once(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        start = time.perf_counter()
        self.act(trainer, pl_module)
        self.seconds_spent += time.perf_counter() - start


def is_last_step(trainer: Trainer) -> bool:
    """Whether training is complete with this step, as far as it is known inside the training loop."""
    may_stop = trainer.global_step >= (trainer.min_steps or 0) and trainer.current_epoch >= (trainer.min_epochs or 0)
    stops = trainer.should_stop and may_stop and received_signal(trainer) is None
    return trainer.global_step == trainer.max_steps or stops


def is_log_step(trainer: Trainer) -> bool:
    """Whether Lightning hands this step's logged values to the loggers."""
    return trainer.global_step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined]


def step_name(step: int) -> str:
    """The step in file names, `step-00001000`."""
    return f"step-{step:08d}"
