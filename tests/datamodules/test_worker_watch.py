"""Workers that are killed or stopped."""

import os
import signal
import time
from itertools import islice

import pytest
import torch
from torch.utils.data import Dataset

from datamodules import worker_watch
from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import PositionBatches
from tests.processes import children_of, state_of, wait_until


class Positions(Dataset):
    """Clips that say where they stand, and which process made them."""

    def __init__(self, dies_at: int = -1) -> None:
        self.dies_at = dies_at

    def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
        if position == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"clip": torch.full((1,), position % 256, dtype=torch.uint8), "label": position, "worker": os.getpid()}


def loader_of(dataset: Dataset, num_workers: int) -> ClipLoader:
    return ClipLoader(dataset, PositionBatches(4, start_step=1), (1,), num_workers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_is_gone_is_replaced_and_no_batch_is_lost(number, monkeypatch):
    monkeypatch.setattr(worker_watch, "_STOPPED_LOOKS", 2)
    others = {*children_of()}
    batches = iter(loader_of(Positions(), 2))
    seen = [next(batches) for _ in range(3)]
    before = {int(batch["worker"][0]) for batch in seen}
    os.kill(int(seen[-1]["worker"][0]), number)
    with pytest.warns(UserWarning, match=r"worker \d+ was killed by SIGKILL; its batches are made again"):
        seen += [next(batches) for _ in range(20)]
    assert [batch["label"].tolist() for batch in seen] == [[*range(4 * step, 4 * step + 4)] for step in range(1, 24)]
    assert [batch["clip"].flatten().tolist() for batch in seen] == [batch["label"].tolist() for batch in seen]
    assert before.isdisjoint({int(batch["worker"][0]) for batch in seen[-2:]})
    assert all(state_of(pid) in ("", "Z") for pid in before)
    batches.close()
    wait_until(lambda: {*children_of()} <= others)


def test_nothing_is_raised_while_training_does_something_else():
    batches = iter(loader_of(Positions(), 1))
    worker = int(next(batches)["worker"][0])
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: state_of(worker) in ("", "Z"))
    for _ in range(10):
        time.sleep(0.01)  # where PyTorch's own handler raises
    batches.close()


def test_workers_that_die_again_and_again_end_it(monkeypatch):
    monkeypatch.setattr(worker_watch, "_MOST_RESTARTS", 1)
    with pytest.warns(UserWarning, match="SIGKILL"), pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(islice(loader_of(Positions(dies_at=4), 1), 3))


def test_what_a_data_set_raises_is_raised():
    class Broken(Positions):
        def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
            raise RuntimeError(f"no clip at {position}")

    with pytest.raises(RuntimeError, match="no clip at 4"):
        next(iter(loader_of(Broken(), 1)))


def test_the_end_waits_for_no_lock_that_a_killed_worker_held():
    others = {*children_of()}
    batches = ClipLoader(Positions(), PositionBatches(4, start_step=1), (1,), 1)._start(PositionBatches(4))[0]
    with worker_watch._watched(iter(batches)) as watched:
        next(watched)
        watched._workers_done_event._cond.acquire()  # as one that is killed while it looks whether it is over
    assert {*children_of()} <= others
