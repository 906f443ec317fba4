"""What bounds the loader of a raw pack: what each step costs, what the loader without them, and what memory allows."""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.data_readers import RAW_PACK, Reader
from benchmarks.data_timing import Report, measure_loaders
from datamodules.clip_dataset import ClipDataset
from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import PositionBatches

_COPIED_BYTES = 1 << 28  # far more than a cache holds
_STEP_CALLS = 200  # of a step in a turn

OUR_LOADER, TORCH_LOADER, NOTHING_READ = "our loader", "torch's DataLoader", "our loader, nothing read"


def measure_bounds(
    readers: dict[str, Reader], turns: int, seconds: float, num_workers: int, batch_size: int, report: Report
) -> dict[str, Any]:
    """Microseconds a clip of each step, clips a second of each loader, gigabytes a second that are copied."""
    reader = readers[RAW_PACK]
    shape = tuple(reader.clip(0).shape)
    steps = measure_steps(reader.dataset, batch_size, turns)
    report("steps of a clip")
    loaders = measure_loaders(loaders_of(reader, shape, batch_size), turns, seconds, num_workers, batch_size, report)
    copied = copy_speeds(num_workers, seconds)
    report(f"copying: {sum(copied):.1f} GB/s with {num_workers} processes")
    return {
        "bytes_per_clip": int(np.prod(shape)),
        "microseconds": steps,
        "loaders": loaders,
        "copied_gigabytes_per_second": {"one process": copy_speed(seconds), f"{num_workers} processes": sum(copied)},
    }


def loaders_of(reader: Reader, shape: tuple[int, ...], batch_size: int) -> dict[str, Reader]:
    """The raw pack with our loader and with torch's, and our loader with clips that cost nothing."""
    dataset = reader.dataset
    nothing = ClipDataset(dataset.videos, dataset.choose, dataset.num_frames, SameClip(shape))

    def of_torch(num_workers: int, step: int) -> DataLoader:
        return DataLoader(dataset, batch_sampler=PositionBatches(batch_size, start_step=step), num_workers=num_workers)

    def of_nothing(num_workers: int, step: int) -> ClipLoader:
        return ClipLoader(nothing, PositionBatches(batch_size, start_step=step), shape, num_workers)

    return {
        OUR_LOADER: reader,
        TORCH_LOADER: Reader(dataset, of_torch, ""),
        NOTHING_READ: Reader(nothing, of_nothing, ""),
    }


class SameClip:
    """Gives one clip again and again."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.clip = torch.zeros(shape, dtype=torch.uint8)

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `datamodules.clip_dataset.ReadFrames`."""
        return self.clip


def measure_steps(dataset: ClipDataset, batch_size: int, turns: int) -> dict[str, float]:
    """Microseconds of the processor for a clip, step by step; medians over the turns, in which all steps take turns."""
    positions = itertools.count()
    clip = dataset[0]["clip"]
    num_bytes = clip.numel()
    batch = torch.empty((batch_size, *clip.shape), dtype=torch.uint8)
    clips_of_batch = itertools.cycle(range(batch_size))
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(num_bytes) * batch_size)
        file.flush()

        def read_bytes() -> bytes:
            return os.pread(file.fileno(), num_bytes, num_bytes * next(clips_of_batch))

        def fresh_batch() -> None:
            storage = torch.UntypedStorage._new_shared(num_bytes)
            torch.empty(0, dtype=torch.uint8).set_(storage).copy_(clip.view(-1))

        choices = [dataset.choose(position) for position in range(64)]
        some_choice = itertools.cycle(choices)

        def read_frames() -> None:
            choice = next(some_choice)
            dataset.read(choice.video, choice.frames(dataset.num_frames))

        steps: dict[str, Callable[[], object]] = {
            "which clip stands at the position": lambda: dataset.choose(next(positions)),
            "its bytes, one read": read_bytes,
            "its frames as a clip, that read among it": read_frames,
            "mirroring, for half of them": lambda: clip.flip(-1),
            "into its place in the batch": lambda: batch[next(clips_of_batch)].copy_(clip),
            "instead, into shared memory made for it": fresh_batch,
        }
        return _medians(steps, turns)


def _medians(steps: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(-1, turns):
        for name, step in steps.items():
            start = time.process_time()
            for _ in range(_STEP_CALLS):
                step()
            if turn >= 0:
                seconds[name].append((time.process_time() - start) / _STEP_CALLS)
    return {name: 1e6 * statistics.median(each) for name, each in seconds.items()}


def copy_speeds(num_processes: int, seconds: float) -> list[float]:
    """`copy_speed` of processes at the same time."""
    with ProcessPoolExecutor(num_processes, get_context("spawn")) as pool:
        list(pool.map(copy_speed, [0.01] * num_processes))  # both are there
        return list(pool.map(copy_speed, [seconds] * num_processes))


def copy_speed(seconds: float) -> float:
    """Gigabytes a second that one process copies from memory to memory, read and written bytes counted once."""
    source, target = np.ones(_COPIED_BYTES, np.uint8), np.ones(_COPIED_BYTES, np.uint8)
    start, copied = time.perf_counter(), 0
    while copied == 0 or time.perf_counter() - start < seconds:
        np.copyto(target, source)
        copied += _COPIED_BYTES
    return copied / (time.perf_counter() - start) / 1e9
