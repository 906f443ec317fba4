"""Workers of a DataLoader that are killed or stopped are replaced, and the stream goes on where it was."""

import copy
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

from datamodules.clip_sampling import PositionBatches

_LOOK_EVERY = 1.0  # seconds
_STOPPED_LOOKS = 10  # in a row, then a worker is killed: it was not stopped together with this process
_MOST_RESTARTS = 5  # without a batch in between


Start = Callable[[PositionBatches], tuple[DataLoader, Callable[[Any], Any]]]


def endless_batches(start: Start, batches: PositionBatches) -> Iterator[Any]:
    """Batches without end, from workers that may be killed or stopped: all of them are started anew then.

    A batch is a function of its positions, so nothing is lost and nothing comes twice.

    Args:
        start: makes the DataLoader of some positions, and what makes a batch of each thing that comes from it.
        batches: the positions.

    Raises: RuntimeError if the workers die five times in a row without a batch, and what a worker raises.
    """
    num_restarts = 0
    left = copy.copy(batches)
    while True:
        loader, finish = start(left)
        with _watched(iter(loader)) as watched:
            try:
                for read in watched:
                    batch = finish(read)
                    left.start_step, num_restarts = left.start_step + 1, 0
                    yield batch
                return
            except (RuntimeError, OSError, EOFError) as error:
                dead = _dead_workers(watched)
                num_restarts += 1
                if not dead or num_restarts > _MOST_RESTARTS:
                    raise
                rank_zero_warn(f"data: {' and '.join(dead)}; its batches are made again ({type(error).__name__})")


@contextmanager
def _watched(batches: Any) -> Iterator[Any]:
    """A DataLoader's iterator, whose workers are looked after until the end."""
    workers = getattr(batches, "_workers", [])
    if not workers:
        yield batches
        return
    # Without this a worker's death raises its error in the middle of whatever this process is doing.
    signal_handling._remove_worker_pids(id(batches))
    batches._worker_pids_set = False
    over = threading.Event()
    watching = threading.Thread(target=_kill_stopped, args=([each.pid for each in workers], over), daemon=True)
    watching.start()
    try:
        yield batches
    finally:
        over.set()
        watching.join()
        _end(batches)


def _end(batches: Any) -> None:
    """Kill the workers: nothing is lost, and one may wait for a file, or for what a dead one holds.

    DataLoader's own `_shutdown_workers` would wait for ever for a lock that a killed one held.
    """
    batches._shutdown = True  # so it is not called in the end either
    for worker in batches._workers:
        worker.kill()
    for worker in batches._workers:
        worker.join()
    for queue in (*batches._index_queues, batches._worker_result_queue):
        queue.cancel_join_thread()
        queue.close()


def _kill_stopped(pids: list[int], over: threading.Event) -> None:
    """Kill who stays stopped; a batch that it has sent half would keep this process waiting for ever."""
    num_looks = dict.fromkeys(pids, 0)
    while not over.wait(_LOOK_EVERY):
        for pid in pids:
            num_looks[pid] = num_looks[pid] + 1 if _is_stopped(pid) else 0
            if num_looks[pid] == _STOPPED_LOOKS:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False


def _dead_workers(batches: Any) -> list[str]:
    """In words, each worker that has ended and what it died from."""
    return [
        f"worker {worker.pid} was killed by {signal.Signals(-worker.exitcode).name}"
        if worker.exitcode < 0
        else f"worker {worker.pid} ended with exit code {worker.exitcode}"
        for worker in getattr(batches, "_workers", [])
        if worker.exitcode is not None
    ]
