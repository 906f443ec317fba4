"""The Frechet distance beside the square root of scipy that pytorch-fid and the StyleGANs take, and its interval."""

import statistics
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from benchmarks.metrics_timing import Record, interleaved, machine, speed_ratio
from metrics.estimators import Frechet, Sizes
from metrics.feature_statistics import BlockSums, Gaussian
from metrics.frechet import frechet_distance

AGREEMENT = 1e-6  # relative
Moments = tuple[Tensor, Tensor]


def measure_distances(dimensions: list[int], repeats: int, device: str) -> Record:
    """For every dimension with twice as many samples, and with a quarter as many: a covariance of lower rank."""
    cases = [(dimension, share) for dimension in dimensions for share in (2.0, 0.25)]
    record: Record = {"machine": machine(device), "repeats": repeats, "cases": []}
    for dimension, share in cases:
        record["cases"].append(measure_distance(dimension, int(dimension * share), repeats, device))
    return record


def measure_distance(dimension: int, num_samples: int, repeats: int, device: str) -> Record:
    """Both ways in turn on the same moments, what they give, and the time of a value with its interval."""
    real, fake = (random_features(dimension, num_samples, seed) for seed in (0, 1))
    sides = [*moments(real), *moments(fake)]
    arrays, on_device = [each.numpy() for each in sides], [each.to(device) for each in sides]
    own, root = "frechet_distance", "scipy's sqrtm"
    results: dict[str, float] = {}

    def take(name: str, value: float) -> None:
        results[name] = value

    seconds = interleaved(
        {
            own: lambda: take(own, frechet_distance(*on_device)),
            root: lambda: take(root, distance_by_sqrtm(*arrays)),
        },
        repeats,
        device,
        warm_up=dimension < 1000,  # else the first call's overhead is nothing beside the rest
    )
    exact = distance_by_singular_values(real, fake)
    differences = {name: abs(value - exact) / exact for name, value in results.items()}
    return {
        "dimension": dimension,
        "num_samples": num_samples,
        "seconds": {name: statistics.median(each) for name, each in seconds.items()},
        "speed_ratio": speed_ratio(seconds[own], seconds[root]),
        "difference_from_singular_values": differences,
        "difference": abs(results[own] - results[root]) / results[root],
        "agrees": differences[own] <= AGREEMENT,
        "sqrtm_agrees": differences[root] <= AGREEMENT,
        "seconds_with_interval": seconds_with_interval(real, fake, device),
    }


def distance_by_sqrtm(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """As pytorch-fid's `calculate_frechet_distance`, and the StyleGANs, which do without the offset."""
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    if not np.isfinite(root).all():
        offset = 1e-6 * np.eye(len(cov_a))
        root = scipy.linalg.sqrtm((cov_a + offset) @ (cov_b + offset))
    shift = mean_a - mean_b
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(np.real(root)))


def distance_by_singular_values(real: Tensor, fake: Tensor) -> float:
    """From the samples, with no root of an eigenvalue: |R^T S|_* for covariances R R^T and S S^T."""
    roots = [(each - each.mean(dim=0)).T / (len(each) - 1) ** 0.5 for each in (real, fake)]
    squares = sum(root.square().sum() for root in roots)
    shift = (real.mean(dim=0) - fake.mean(dim=0)).square().sum()
    return float(shift + squares - 2 * torch.linalg.svdvals(roots[0].T @ roots[1]).sum())


def seconds_with_interval(real: Tensor, fake: Tensor, device: str) -> float:
    """Of the value and its 95 % interval, as an evaluation takes them, from the sums of the features."""
    estimator, sizes = Frechet("fid"), Sizes(real.shape[1], len(fake), rows_per_clip=1)
    summaries = []
    for features, is_real in ((fake, False), (real, True)):
        sums = estimator.accumulator(sizes, is_real)
        estimator.add(sums, features, torch.arange(len(features)), torch.arange(len(features)))
        summaries.append(estimator.summary(sums, is_real))
    blocks, gaussian = summaries
    assert isinstance(gaussian, Gaussian) and isinstance(blocks, BlockSums)
    call: dict[str, Callable[[], object]] = {"": lambda: estimator.estimates(blocks, gaussian, 1, torch.device(device))}
    return interleaved(call, repeats=1, device=device, warm_up=False)[""][0]


def random_features(dimension: int, num_samples: int, seed: int) -> Tensor:
    """Correlated features (num_samples, dimension), float64, whose variances fall as 1 / rank, as a network's do."""
    rng = torch.Generator().manual_seed(seed)
    deviations = torch.arange(1, dimension + 1, dtype=torch.float64) ** -0.5
    mixing = torch.randn(dimension, dimension, generator=rng, dtype=torch.float64) / dimension**0.5
    rows = torch.randn(num_samples, dimension, generator=rng, dtype=torch.float64)
    return 1 + seed / 10 + (rows * deviations) @ mixing


def moments(features: Tensor) -> Moments:
    """Mean (D,) and covariance (D, D), over N - 1."""
    return features.mean(dim=0), torch.cov(features.T)
