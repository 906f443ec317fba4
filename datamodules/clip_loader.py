"""Loads training batches without end and measures how long training waits for them."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.clip_dataset import ClipDataset
from datamodules.clip_sampling import PositionBatches


class ClipLoader:
    """Endless batches dict(clip=(B, C, T, H, W) uint8, label=(B,) int64, position=(B,) int64), and how long they took.

    `seconds_waited` is the sum of the time that training waited for a batch.

    It holds a DataLoader instead of being one, because Lightning rebuilds the DataLoaders of a run of several processes
    with a sampler of its own, and the positions here are divided between the processes already.

    Args:
        dataset: of clips by position.
        batches: of this process's positions.
        num_workers: processes that decode; 0 decodes in the training process.
    """

    def __init__(self, dataset: ClipDataset, batches: PositionBatches, num_workers: int) -> None:
        self.seconds_waited = 0.0
        self.loader = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=num_workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=leave_signals_to_parent if num_workers else None,
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        start = time.perf_counter()
        for batch in self.loader:
            self.seconds_waited += time.perf_counter() - start
            yield batch
            start = time.perf_counter()


def leave_signals_to_parent(worker: int) -> None:
    """Ignore, in a worker, the signals with which a user or a cluster stops a run.

    They reach every process of a run, and the training process, which finishes its step and saves, needs its workers
    until then; it ends them itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
