"""Processes (gloo) with unequal shares get the statistics of the whole."""

import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch import Tensor

from metrics.bootstrap import frechet_interval
from metrics.feature_network import fit_gaussians
from metrics.feature_rows import FeatureRows
from metrics.feature_statistics import FeatureStatistics, Gaussian
from metrics.inception_score import ClassStatistics, splits_in_order
from metrics.kernel_distance import KernelSums, kernel_inception_distance
from metrics.precision_recall import density_coverage, precision_recall
from metrics.statistics_cache import StatisticsCache
from tests.metrics.small_network import SmallNetwork, random_clips

SHARES = {"uneven": (3, 8), "one has nothing": (11, 0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the processes wrote; starting them takes longer than all that they do."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(processes, (str(folder),), nprocs=4)
    return folder


def processes(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    if rank < 2:
        work(rank, folder)
    measure(rank, folder)


def work(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network, clips = SmallNetwork(), random_clips(11)
    results = {}
    for name, (first, _) in SHARES.items():
        own = [clips[:first], clips[first:]][rank]
        results[name] = vars(fit_gaussians(network, own.split(2) if len(own) else [])["fvd"])
    # Each process has its own folder: only the first one's file is looked at.
    cache = StatisticsCache(Path(folder) / f"cache{rank}")
    calls: list[int] = []

    def compute() -> dict[str, Gaussian]:
        calls.append(rank)
        return fit_gaussians(network, [clips[rank::2]])

    for _ in range(2):
        cached = cache.get({"data": "x"}, compute)
    results["cached"] = vars(cached["fvd"])
    # The first one's cannot be written, and a file in the way of its folder cannot be read either.
    Path(f"{folder}/no folder {rank}").touch()
    broken = StatisticsCache(Path(f"{folder}/no folder {rank}"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        computed = broken.get({"data": "x"}, lambda: fit_gaussians(network, [clips[rank::2]]))
    results["without a cache"] = vars(computed["fvd"])
    torch.save({"results": results, "calls": len(calls), "num_warnings": len(warned)}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.ddp
def test_two_processes_equal_one(folder: Path) -> None:
    whole = fit_gaussians(SmallNetwork(), [random_clips(11)])["fvd"]
    for rank in (0, 1):
        saved = torch.load(folder / f"{rank}.pt", weights_only=True)
        assert saved["calls"] == 1
        assert saved["num_warnings"] == (1 if rank == 0 else 0)
        for name in (*SHARES, "cached", "without a cache"):
            result = saved["results"][name]
            assert result["num_samples"] == 11, name
            torch.testing.assert_close(result["mean"], whole.mean, rtol=1e-6, atol=0)
            torch.testing.assert_close(result["covariance"], whole.covariance, rtol=1e-6, atol=1e-6)
    assert len(list((folder / "cache0").iterdir())) == 1
    assert not (folder / "cache1").exists()


# Where each process's rows begin and end: one never sees a row, and none sees as many as another.
BOUNDS = {"two": (0, 9, 60), "one of two has nothing": (0, 60, 60), "four": (0, 25, 25, 28, 60)}


def measured(own: Tensor) -> dict[str, Tensor]:
    """All that accumulators make of 60 clips' features and logits, when this process sees the clips `own`."""
    rng = torch.Generator().manual_seed(0)
    real, fake, logits = (torch.randn(60, 6, generator=rng, dtype=torch.float64) for _ in range(3))
    statistics, rows = FeatureStatistics(6, num_blocks=7), FeatureRows(6)
    classes = ClassStatistics(6, splits_in_order(60, 3, shuffle_seed=1), num_blocks=5)
    for indices in own.split(4) if len(own) else ():
        statistics.update(fake[indices] * 1.5, indices)
        rows.update(fake[indices] * 1.5, indices)
        classes.update(3 * logits[indices], indices)
    kept, blocks, gaussian = rows.compute(), statistics.compute_blocks(), statistics.compute()
    sums, real_gaussian = KernelSums.of(real, kept, num_blocks=10), Gaussian(real.mean(0), real.T.cov(), 60)
    precision, recall = precision_recall(real, kept)
    density, coverage = density_coverage(real, kept)
    numbers = [
        *(gaussian.distance(real_gaussian), *frechet_interval(real_gaussian.as_reference(), blocks, num_resamples=9)),
        *(sums.distance(), *sums.interval(num_resamples=9), *kernel_inception_distance(real, kept, 3, 20)),
        *(precision.value, *precision.interval(num_resamples=9), recall.value, *recall.interval(num_resamples=9)),
        *(density.value, *density.interval(num_resamples=9), coverage.value, *coverage.interval(num_resamples=9)),
        *(*classes.compute(), *classes.compute_blocks().interval(num_resamples=9)),
    ]
    return {
        "rows": kept,
        "mean": gaussian.mean,
        "covariance": gaussian.covariance,
        "count": blocks.count,
        "numbers": torch.tensor(numbers, dtype=torch.float64),
    }


def measure(rank: int, folder: str) -> None:
    for name, bounds in BOUNDS.items():
        num_processes = len(bounds) - 1
        if rank < num_processes:
            meeting = f"file://{folder}/meeting of {name}"
            torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=num_processes)
            torch.save(measured(torch.arange(bounds[rank], bounds[rank + 1])), f"{folder}/{name} {rank}.pt")
            torch.distributed.destroy_process_group()


@pytest.mark.ddp
def test_two_and_four_processes_measure_what_one_does(folder: Path) -> None:
    whole = measured(torch.arange(60).flip(0))  # in another order, too
    assert whole["count"].tolist() == [9, 9, 9, 9, 8, 8, 8]
    for name, bounds in BOUNDS.items():
        for rank in range(len(bounds) - 1):
            saved = torch.load(folder / f"{name} {rank}.pt", weights_only=True)
            for key, expected in whole.items():
                torch.testing.assert_close(saved[key], expected, rtol=1e-9, atol=1e-12, msg=f"{name} {rank} {key}")
