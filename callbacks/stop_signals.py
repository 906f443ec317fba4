"""Ending a run between two steps when a person or a cluster asks for it."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.wandb_dashboard import WandbDashboard

# The exit code that tells what ended a run; 75 means "start me again", which a batch script may do.
EXIT_CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 75}
SECONDS_OF_ONE_REQUEST = 2.0  # launchers hand on what the terminal has sent already


class StopSignals(Callback):
    """Has SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 end training after the step in which they arrive.

    The signal itself only sets a flag, so nothing is ever saved between the two players' updates.  After each step all
    processes agree on the largest signal that any of them has received: a scheduler may tell only one.  Then the
    callbacks that are due act, `Checkpoints` saves, and training ends; train.py's exit code is that of `EXIT_CODES`.
    A signal that comes again changes nothing, except that a second Ctrl-C after two seconds ends the process at once;
    the newest checkpoint is whole then, too.

    Attributes:
        received: the signal that ended training, None if none did.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._flag = 0
        self._noted_at = 0.0
        self._replaced: dict[signal.Signals, Any] = {}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            self._replaced = {number: signal.getsignal(number) for number in EXIT_CODES}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for number in self._replaced:  # also Lightning's, which it has set since
            signal.signal(number, self._note)

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        flag = self._flag
        if trainer.world_size > 1:
            flags = torch.tensor(float(flag), device=pl_module.device)
            flag = int(trainer.strategy.reduce(flags, reduce_op="max"))
        if flag:
            self.received = signal.Signals(flag)
            trainer.should_stop = True
            for logger in trainer.loggers:
                if isinstance(logger, WandbDashboard):
                    logger.interrupt()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.teardown(trainer, pl_module, "fit")  # which Lightning does not call then

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        self._replaced = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._flag and time.monotonic() - self._noted_at > SECONDS_OF_ONE_REQUEST:
            os._exit(EXIT_CODES[signal.SIGINT])
        self._flag = self._flag or number
        self._noted_at = self._noted_at or time.monotonic()


def received_signal(trainer: Trainer) -> signal.Signals | None:
    """The signal that ends training with this step; None goes on."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopSignals):
            return callback.received
    return None
