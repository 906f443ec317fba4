"""Which files training could not use."""

import sys
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from tqdm import tqdm
from typing_extensions import override

from callbacks.every_n_steps import is_log_step
from video_io.folders import name_a_few


class BadFiles(Callback):
    """Names each file that the data set aside, in a line on the screen, and logs how many there are.

        data/bad_files = files that are set aside, from the first one on, every `trainer.log_every_n_steps` steps

    What is known of them is what the train DataLoader tells in its attribute `bad_files`, path -> reason; nothing
    happens where there is no such attribute.  A run that goes on names a few of those that it knew before.  Rank 0
    tells of the files of all processes.
    """

    def __init__(self) -> None:
        self._named: set[str] = set()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        known = list(bad_files(trainer)) if trainer.global_step > 0 else []
        self._named = set(known)
        if known and trainer.is_global_zero:
            say(f"data: {len(known)} files stay set aside: {name_a_few(known)}")

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        bad = bad_files(trainer)
        if trainer.is_global_zero:
            for path in bad.keys() - self._named:
                say(f"data: {path} is set aside and replaced by other videos: {bad[path]}")
        self._named |= bad.keys()
        if bad and is_log_step(trainer):
            pl_module.log("data/bad_files", float(len(bad)))


def bad_files(trainer: Trainer) -> Mapping[str, str]:
    """Path and reason of each file that the data cannot use, as far as they tell."""
    return getattr(trainer.train_dataloader, "bad_files", {})


def say(line: str) -> None:
    """Print a line without breaking a bar."""
    tqdm.write(line, file=sys.stderr)
