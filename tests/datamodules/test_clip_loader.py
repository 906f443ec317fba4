import os
import signal
import time
from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import PositionBatches

SHAPE = (3, 2, 4, 4)


class Positions(Dataset):
    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __getitem__(self, position: int) -> dict[str, torch.Tensor]:
        time.sleep(self.seconds)
        return {"clip": torch.full(SHAPE, position, dtype=torch.uint8), "label": os.getpid(), "position": position}


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_batches_come_in_order_and_never_end(num_workers):
    loader = ClipLoader(Positions(), PositionBatches(4, start_step=3), SHAPE, num_workers)
    batches = [batch["position"].tolist() for batch in islice(loader, 30)]
    assert batches == [list(range(4 * step, 4 * step + 4)) for step in range(3, 33)]


def test_it_counts_the_seconds_of_waiting_and_not_those_of_training():
    loader = ClipLoader(Positions(seconds=0.02), PositionBatches(2), SHAPE, num_workers=0)
    assert loader.seconds_waited == 0
    for _ in islice(loader, 5):
        time.sleep(0.05)
    assert 0.2 <= loader.seconds_waited < 0.2 + 0.15


def test_waiting_adds_up_over_iterations():
    loader = ClipLoader(Positions(seconds=0.01), PositionBatches(1), SHAPE, num_workers=0)
    next(iter(loader))
    first = loader.seconds_waited
    next(iter(loader))
    assert first >= 0.01 and loader.seconds_waited >= first + 0.01


def test_lightning_must_not_take_it_for_a_data_loader():
    """Or it would put its own sampler of whole epochs into it in a run of several processes."""
    assert not isinstance(ClipLoader(Positions(), PositionBatches(1), SHAPE, 0), DataLoader)


def test_workers_live_on_when_the_run_is_told_to_stop():
    loader = ClipLoader(Positions(), PositionBatches(2), SHAPE, num_workers=1)
    batches = iter(loader)
    worker = int(next(batches)["label"][0])
    assert worker != os.getpid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(worker, number)
    assert [int(next(batches)["label"][0]) for _ in range(10)] == [worker] * 10


def test_signals_of_this_process_are_left_alone():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    next(iter(ClipLoader(Positions(), PositionBatches(1), SHAPE, num_workers=0)))
    assert handlers == {number: signal.getsignal(number) for number in handlers}
