"""How fast training runs, and how much of its time it waits for data."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from typing_extensions import override

from callbacks.every_n_steps import EveryNSteps, is_log_step


class Throughput(Callback):
    """Logs the speed of training every `trainer.log_every_n_steps` steps, over the steps since the last time.

        speed/clips_per_second = real clips trained on, over all processes / seconds
        speed/data_wait_share  = seconds that this process waited for its next batch / seconds

    The seconds are wall time between the ends of two steps, less what `EveryNSteps` callbacks (measuring, sampling,
    checkpoints, curves) spent; everything else counts: data, both networks' updates, logging.  A GPU's unfinished work
    at either end is not waited for.  The first step of a run (worker start, memory allocation, compilation) is left
    out.  The time waited is what the train DataLoader adds up in its attribute `seconds_waited`; the key is not logged
    where there is no such attribute.

    All processes are taken to have batches as large as this one's; loggers get the values of rank 0.
    """

    def __init__(self) -> None:
        self._num_clips = 0
        self._since: tuple[float, float] | None = None  # time to count and seconds waited when counting began

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._since = None

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._since is None:
            self._start_counting(trainer)
            return
        self._num_clips += len(batch["clip"]) * trainer.world_size
        if is_log_step(trainer):
            self._log(trainer, pl_module)
            self._start_counting(trainer)

    def _start_counting(self, trainer: Trainer) -> None:
        self._num_clips = 0
        self._since = counted_seconds(trainer), seconds_waited(trainer) or 0.0

    def _log(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self._since is not None
        seconds = counted_seconds(trainer) - self._since[0]
        pl_module.log("speed/clips_per_second", self._num_clips / seconds)
        waited = seconds_waited(trainer)
        if waited is not None:
            pl_module.log("speed/data_wait_share", (waited - self._since[1]) / seconds)


def counted_seconds(trainer: Trainer) -> float:
    """A clock that stands still while `EveryNSteps` callbacks act."""
    actors = [callback for callback in trainer.callbacks if isinstance(callback, EveryNSteps)]  # type: ignore[attr-defined]
    return time.perf_counter() - sum(actor.seconds_spent for actor in actors)


def seconds_waited(trainer: Trainer) -> float | None:
    """Seconds that the train DataLoader has kept this process waiting, or None if it does not count them."""
    return getattr(trainer.train_dataloader, "seconds_waited", None)
