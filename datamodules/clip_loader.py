"""Loads training batches without end and measures how long training waits for them."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset

from datamodules.clip_sampling import PositionBatches
from datamodules.data_ledger import TooManyBadFilesError
from datamodules.file_guard import FileGuard
from datamodules.shared_batches import BatchMemory, BatchReader, ReadBatch, Tasks, batch_of
from datamodules.worker_watch import endless_batches

_PREFETCHED = 2  # batches that each worker has ready or in work
_HELD = 4  # batches in the hands of the training process: in use, prefetched by Lightning, on their way


class ClipLoader:
    """Endless batches dict(clip=(B, C, T, H, W) uint8, label=(B,) int64, position=(B,) int64), and how long they took.

    `seconds_waited` is the sum of the time that training waited for a batch; `bad_files` names the files that are set
    aside, with the reasons.  Workers that die or are stopped are replaced.

    It holds a DataLoader instead of being one, because Lightning rebuilds the DataLoaders of a run of several processes
    with a sampler of its own, and the positions here are divided between the processes already.

    Args:
        dataset: of clips by position, uint8.
        batches: of this process's positions.
        clip_shape: (C, T, H, W) of every clip.
        num_workers: processes that decode; 0 decodes in the training process.
        guard: of the data set's files.

    Raises: TooManyBadFilesError, when it is iterated over, if the guard does.
    """

    def __init__(
        self, dataset: Dataset, batches: PositionBatches, clip_shape: Sequence[int], num_workers: int,
        guard: FileGuard | None = None,
    ) -> None:  # fmt: skip
        self.seconds_waited = 0.0
        self.dataset = dataset
        self.batches = batches
        self.clip_shape = clip_shape
        self.num_workers = num_workers
        self.guard = guard

    @property
    def bad_files(self) -> dict[str, str]:
        """Path and reason of each file that is set aside."""
        return {} if self.guard is None else self.guard.ledger.reasons()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        start = time.perf_counter()
        try:
            for batch in endless_batches(self._start, self.batches):
                if self.guard is not None:
                    self.guard.check()
                self.seconds_waited += time.perf_counter() - start
                yield batch
                start = time.perf_counter()
        except TooManyBadFilesError:
            if self.guard is not None:
                self.guard.check()  # raises it in one line, where a worker's has its traceback
            raise

    def _start(self, batches: PositionBatches) -> tuple[DataLoader, Callable[[ReadBatch], dict[str, Any]]]:
        """A loader with workers and memory of its own, and what makes a batch of what it gives."""
        memory = BatchMemory(_PREFETCHED * self.num_workers + _HELD, (batches.local_batch_size, *self.clip_shape))
        loader = DataLoader(
            BatchReader(self.dataset, memory),
            batch_size=None,  # an item is a batch
            sampler=Tasks(batches, memory),
            num_workers=self.num_workers,
            collate_fn=_as_it_is,
            worker_init_fn=leave_signals_to_parent if self.num_workers else None,
            prefetch_factor=_PREFETCHED if self.num_workers else None,
        )
        return loader, lambda read: batch_of(read, memory)


def _as_it_is(read: Any) -> Any:
    return read


def leave_signals_to_parent(worker: int) -> None:
    """Ignore, in a worker, the signals with which a user or a cluster stops a run.

    They reach every process of a run, and the training process, which finishes its step and saves, needs its workers
    until then; it ends them itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
