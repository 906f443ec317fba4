"""Loads training batches without end and measures how long training waits for them."""

import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset

from datamodules.clip_sampling import PositionBatches
from datamodules.shared_batches import BatchMemory, BatchReader, Tasks, batch_of

_PREFETCHED = 2  # batches that each worker has ready or in work
_HELD = 4  # batches in the hands of the training process: in use, prefetched by Lightning, on their way


class ClipLoader:
    """Endless batches dict(clip=(B, C, T, H, W) uint8, label=(B,) int64, position=(B,) int64), and how long they took.

    `seconds_waited` is the sum of the time that training waited for a batch.

    It holds a DataLoader instead of being one, because Lightning rebuilds the DataLoaders of a run of several processes
    with a sampler of its own, and the positions here are divided between the processes already.

    Args:
        dataset: of clips by position, uint8.
        batches: of this process's positions.
        clip_shape: (C, T, H, W) of every clip.
        num_workers: processes that decode; 0 decodes in the training process.
    """

    def __init__(self, dataset: Dataset, batches: PositionBatches, clip_shape: Sequence[int], num_workers: int) -> None:
        self.seconds_waited = 0.0
        self.dataset = dataset
        self.batches = batches
        self.clip_shape = clip_shape
        self.num_workers = num_workers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        memory = BatchMemory(_PREFETCHED * self.num_workers + _HELD, (self.batches.local_batch_size, *self.clip_shape))
        loader = DataLoader(
            BatchReader(self.dataset, memory),
            batch_size=None,  # an item is a batch
            sampler=Tasks(self.batches, memory),
            num_workers=self.num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=leave_signals_to_parent if self.num_workers else None,
            prefetch_factor=_PREFETCHED if self.num_workers else None,
        )
        start = time.perf_counter()
        for read in loader:
            batch = batch_of(read, memory)
            self.seconds_waited += time.perf_counter() - start
            yield batch
            start = time.perf_counter()


def _as_it_is(read: Any) -> Any:
    return read


def leave_signals_to_parent(worker: int) -> None:
    """Ignore, in a worker, the signals with which a user or a cluster stops a run.

    They reach every process of a run, and the training process, which finishes its step and saves, needs its workers
    until then; it ends them itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
