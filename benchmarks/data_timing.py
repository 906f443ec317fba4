"""How readers are timed: all in turn, many short turns, medians, and ratios of neighbours in time."""

import itertools
import statistics
import time
from collections.abc import Callable

from benchmarks.data_readers import Reader

Report = Callable[[str], None]
_FAR = 10_000  # clips, or batches, between the starts of two turns


def measure_single(readers: dict[str, Reader], turns: int, seconds: float, report: Report) -> dict[str, list[float]]:
    """Clips a second of each reader, one after the other in this process: {reader: each turn}."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(turns):
        for name, reader in readers.items():
            reader.clip(turn * _FAR)
            start, num_clips, elapsed = time.perf_counter(), 0, 0.0
            while elapsed < seconds:
                num_clips += 1
                reader.clip(turn * _FAR + num_clips)
                elapsed = time.perf_counter() - start
            rates[name].append(num_clips / elapsed)
            report(f"turn {turn + 1} of {turns}, {name}: {num_clips / elapsed:,.0f} clips/s")
    return rates


def measure_loaders(
    readers: dict[str, Reader], turns: int, seconds: float, num_workers: int, batch_size: int, report: Report
) -> dict[str, list[float]]:
    """Clips a second of each reader's loader, with workers that are started for each turn: {reader: each turn}."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(turns):
        for name, reader in readers.items():
            rate = loader_rate(reader, turn * _FAR, seconds, num_workers, batch_size)
            rates[name].append(rate)
            report(f"turn {turn + 1} of {turns}, {name}: {rate:,.0f} clips/s with {num_workers} workers")
    return rates


def loader_rate(reader: Reader, step: int, seconds: float, num_workers: int, batch_size: int) -> float:
    """Clips a second of one loader.

    The clock starts when every worker has sent two batches, and stops at a batch of the worker with whose batch it
    started, so that no part of a batch is lost or won.
    """
    batches = iter(reader.batches(num_workers, step))
    for _ in itertools.islice(batches, 2 * num_workers):
        pass
    start, num_batches, elapsed = time.perf_counter(), 0, 0.0
    for _ in batches:
        num_batches += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds and num_batches % max(1, num_workers) == 0:
            break
    return num_batches * batch_size / elapsed


def ratio(rates: list[float], rates_of_other: list[float]) -> float:
    """How many times faster than the other: median over the turns, each against its neighbour in time."""
    return statistics.median(own / other for own, other in zip(rates, rates_of_other, strict=True))
