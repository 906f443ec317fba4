"""How metrics are timed: variants in turn in one process, medians, and ratios of neighbours."""

import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.study_training import commit, device_name

Record = dict[str, Any]  # plain JSON values
PACKAGES = ("torch", "numpy", "scipy", "torch-fidelity")


def interleaved(
    variants: dict[str, Callable[[], object]], repeats: int, device: torch.device | str = "cpu", warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each variant, `repeats` times: all in turn, so that what else the machine does meets all alike.

    Args:
        warm_up: call each once before, uncounted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(-1 if warm_up else 0, repeats):
        for name, variant in variants.items():
            synchronise(device)
            start = time.perf_counter()
            variant()
            synchronise(device)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def synchronise(device: torch.device | str) -> None:
    """Wait for a GPU's unfinished work."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def speed_ratio(seconds: list[float], seconds_of_other: list[float]) -> float:
    """How many times faster than the other: median over the turns, each against its neighbour in time."""
    return statistics.median(other / own for own, other in zip(seconds, seconds_of_other, strict=True))


def peak_mebibytes(device: torch.device | str) -> float:
    """Largest memory so far: of a GPU's tensors since its peak was reset, else of the process since it began."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a new process is at least what its parent had
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 2**10
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


def machine(device: torch.device | str, packages: Sequence[str] = PACKAGES) -> Record:
    """What decides how fast something is, the versions of some packages among it, and how much else ran at the time."""
    installed = {package for package in packages if list(importlib.metadata.distributions(name=package))}
    return {
        "device": device_name(torch.device(device)),
        "device_type": torch.device(device).type,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in sorted(installed)},
        "commit": commit(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def write_record(path: Path, record: Record) -> None:
    """Write the file whole or not at all, with the load that the machine has at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record["machine"]["load_average_after"] = round(os.getloadavg()[0], 2)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1))
    part.replace(path)
