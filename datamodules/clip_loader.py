"""Loads training batches without end and measures how long training waits for them."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from datamodules.clip_dataset import ClipDataset
from datamodules.clip_sampling import PositionBatches
from datamodules.data_ledger import TooManyBadFilesError
from datamodules.worker_watch import endless_batches


class ClipLoader:
    """Endless batches dict(clip=(B, C, T, H, W) uint8, label=(B,) int64, position=(B,) int64), and how long they took.

    `seconds_waited` is the sum of the time that training waited for a batch, `bad_files` names the files that are set
    aside, each with the reason.  Workers that die are replaced.

    It holds a DataLoader instead of being one, because Lightning rebuilds the DataLoaders of a run of several processes
    with a sampler of its own, and the positions here are divided between the processes already.

    Args:
        dataset: of clips by position.
        batches: of this process's positions.
        num_workers: processes that read and collate; 0 does that in the training process.

    Raises: TooManyBadFilesError, while it is iterated over.
    """

    def __init__(self, dataset: ClipDataset, batches: PositionBatches, num_workers: int) -> None:
        self.seconds_waited = 0.0
        self.dataset = dataset
        self.batches = batches
        self.num_workers = num_workers

    @property
    def bad_files(self) -> dict[str, str]:
        """Path and reason of each file that is set aside."""
        return {entry.path: entry.reason for entry in self.dataset.guard.ledger.entries.values()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        start = time.perf_counter()
        guard = self.dataset.guard
        try:
            for batch in endless_batches(self._loader, self.batches):
                guard.ledger.refresh()
                guard.check()
                self.seconds_waited += time.perf_counter() - start
                yield batch
                start = time.perf_counter()
        except TooManyBadFilesError:
            guard.ledger.refresh()
            guard.check()  # in one line, where a worker's has its traceback
            raise

    def _loader(self, batches: PositionBatches) -> DataLoader:
        return DataLoader(
            self.dataset,
            batch_sampler=batches,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=leave_signals_to_parent if self.num_workers else None,
        )


def leave_signals_to_parent(worker: int) -> None:
    """Ignore, in a worker, the signals with which a user or a cluster stops a run.

    They reach every process of a run, and the training process, which finishes its step and saves, needs its workers
    until then; it ends them itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
