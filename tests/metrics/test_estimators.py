"""Each estimator as an evaluation uses it: accumulators on both sides, what is left of them, the numbers."""

import statistics
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.bootstrap import median_interval
from metrics.estimators import (
    Estimate,
    Estimator,
    Frechet,
    InceptionScore,
    KeptRows,
    KernelDistance,
    KernelSubsets,
    Memorisation,
    PrecisionRecall,
    Sizes,
)
from metrics.frechet import frechet_distance
from metrics.inception_score import inception_score
from metrics.kernel_distance import kernel_distance, kernel_inception_distance
from metrics.memorisation import memorisation
from metrics.precision_recall import density_coverage, precision_recall
from metrics.statistics_cache import StatisticsCache

CPU = torch.device("cpu")
ALL: list[Estimator] = [
    Frechet("fid"),
    KernelDistance("fid"),
    KernelSubsets("fid", num_subsets=5, subset_size=20),
    InceptionScore("is"),
    PrecisionRecall("fid"),
    Memorisation("fid"),
]


def summary(estimator: Estimator, rows: Tensor, rows_per_clip: int, is_real: bool, batch_size: int = 7) -> Any:
    """What is left of rows (N, D) that come in batches, the last ones first."""
    sizes = Sizes(rows.shape[1], len(rows) // rows_per_clip, rows_per_clip)
    accumulator = estimator.accumulator(sizes, is_real)
    for numbers in reversed(torch.arange(len(rows)).split(batch_size)):
        estimator.add(accumulator, rows[numbers], numbers // rows_per_clip, numbers)
    return estimator.summary(accumulator, is_real)


def estimates(
    estimator: Estimator, fake: Tensor, real: Tensor, rows_per_clip: int = 1, batch_size: int = 7
) -> dict[str, Estimate]:
    of_real = summary(estimator, real, rows_per_clip, True, batch_size) if estimator.needs_real else None
    return estimator.estimates(summary(estimator, fake, rows_per_clip, False, batch_size), of_real, rows_per_clip, CPU)


@pytest.fixture
def real() -> Tensor:
    return torch.randn(48, 6)


@pytest.fixture
def fake() -> Tensor:
    return 1.5 * torch.randn(40, 6) + 0.3


def test_the_values_are_those_of_the_functions(real: Tensor, fake: Tensor) -> None:
    def value(estimator: Estimator, name: str = "") -> float:
        return estimates(estimator, fake, real)[name].value

    for unbiased in (True, False):
        gaussians = [each.double().numpy() for each in (real, fake)]
        covariances = [torch.from_numpy(np.cov(each.T, ddof=int(unbiased))) for each in gaussians]
        means = [torch.from_numpy(each.mean(0)) for each in gaussians]
        expected = frechet_distance(means[0], covariances[0], means[1], covariances[1])
        assert value(Frechet("fid", unbiased)) == pytest.approx(float(expected), rel=1e-9)
    assert value(KernelDistance("fid")) == pytest.approx(kernel_distance(real, fake), rel=1e-9)
    kid = kernel_inception_distance(real, fake, 5, 20)
    of_subsets = estimates(KernelSubsets("fid", 5, 20, factor=1000.0), fake, real)[""]
    assert (of_subsets.value, of_subsets.standard_deviation) == pytest.approx((1000 * kid[0], 1000 * kid[1]), rel=1e-9)
    assert value(InceptionScore("is")) == pytest.approx(inception_score(fake)[0], rel=1e-9)
    both = [*precision_recall(real, fake, 3), *density_coverage(real, fake, 5)]
    for name, expected_share in zip(PrecisionRecall.names, both, strict=True):
        assert value(PrecisionRecall("fid"), name) == expected_share.value
    assert value(Memorisation("fid")) == memorisation(fake, real).median_distance


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_batches_and_their_order_do_not_matter(estimator: Estimator, real: Tensor, fake: Tensor) -> None:
    few, many = (estimates(estimator, fake, real, 4, batch_size) for batch_size in (4, 40))
    for name, one in few.items():
        assert one.value == pytest.approx(many[name].value, rel=1e-9)
        assert one.interval == pytest.approx(many[name].interval, rel=1e-9)


@pytest.mark.parametrize("estimator", ALL, ids=lambda each: type(each).__name__)
def test_an_interval_holds_its_value_and_takes_two_clips(estimator: Estimator, real: Tensor, fake: Tensor) -> None:
    for name, estimate in estimates(estimator, fake, real, rows_per_clip=4).items():
        low, high = estimate.interval or (0, 0)
        assert low <= estimate.value <= high, name
    for name, estimate in estimates(estimator, fake, real, rows_per_clip=40).items():  # all from one clip
        assert estimate.interval is None and np.isfinite(estimate.value), name


def test_the_same_set_twice(real: Tensor) -> None:
    traces = real.double().T.cov().trace().item()
    assert abs(estimates(Frechet("fid"), real, real)[""].value) < 1e-6 * traces
    assert estimates(Memorisation("fid"), real, real)[""] == Estimate(0.0, (0.0, 0.0))
    shares = estimates(PrecisionRecall("fid"), real, real)
    assert [shares[name].value for name in PrecisionRecall.names] == [1, 1, 1, 1]
    assert estimates(KernelDistance("fid"), real, real)[""].value < 0  # unbiased: the diagonal is left out


def test_what_estimators_share(real: Tensor) -> None:
    rows = [KernelDistance("fvd"), KernelSubsets("fvd"), PrecisionRecall("fvd"), Memorisation("fvd"), KeptRows("fvd")]
    assert len({each.kind(is_real) for each in rows for is_real in (True, False)}) == 1
    apart = [Frechet("fvd"), Frechet("fvd", unbiased=False), Frechet("fid"), KernelDistance("fid"), rows[0]]
    apart += [InceptionScore("is"), InceptionScore("is", 10), InceptionScore("is", 10, shuffle_seed=1)]
    assert len({each.kind(False) for each in apart}) == len(apart)
    assert Frechet("fvd").kind(True) != Frechet("fvd").kind(False)


@pytest.mark.parametrize("estimator", [*ALL, KeptRows("fid")], ids=lambda each: type(each).__name__)
def test_what_is_kept_of_the_real_side_can_be_cached(estimator: Estimator, real: Tensor, fake: Tensor) -> None:
    if not estimator.needs_real:
        return
    kept, cache = summary(estimator, real, 1, True), StatisticsCache()
    cache.keep({"kind": estimator.kind(True)}, {"real": kept})
    found = cache.find({"kind": estimator.kind(True)})
    assert found is not None
    of_fake = summary(estimator, fake, 1, False)
    assert estimator.estimates(of_fake, found["real"], 1, CPU) == estimator.estimates(of_fake, kept, 1, CPU)


@pytest.mark.parametrize(
    ("estimator", "least"),
    [
        (Frechet("fid"), 2),
        (KernelDistance("fid"), 2),
        (KernelSubsets("fid", subset_size=20), 20),
        (InceptionScore("is"), 2),
        (InceptionScore("is", num_splits=3), 6),
        (PrecisionRecall("fid", 3, 5), 6),
        (Memorisation("fid"), 1),
    ],
    ids=str,
)
def test_the_least_rows_are_just_enough(estimator: Estimator, least: int, real: Tensor, fake: Tensor) -> None:
    assert estimator.least_rows == least
    for estimate in estimates(estimator, fake[:least], real[:least], rows_per_clip=least).values():
        assert np.isfinite(estimate.value)
    with pytest.raises(ValueError, match=r"Measure more|There are no features|measure more|needs at least"):
        estimates(estimator, fake[: least - 1], real[: least - 1], rows_per_clip=max(1, least - 1))


def test_the_interval_of_memorisation_is_that_of_a_median(real: Tensor, fake: Tensor) -> None:
    distances = memorisation(fake, real).distances
    estimate = estimates(Memorisation("fid"), fake, real)[""]
    assert estimate.interval == median_interval(distances)
    assert estimate.value == pytest.approx(statistics.median_low(distances.tolist()))


def test_memory_bounds_the_blocks() -> None:
    assert Frechet("fid").accumulator(Sizes(400, 2048, 1), is_real=False).num_blocks == 20
    assert Frechet("fid").accumulator(Sizes(2048, 3125, 16), is_real=False).num_blocks == 10
    assert Frechet("fid").accumulator(Sizes(2048, 3125, 16), is_real=True).num_blocks == 1


def test_cards_get_plain_values() -> None:
    assert KernelSubsets("fid", factor=1000.0).as_dict() == {
        "name": "KernelSubsets", "features": "fid", "num_subsets": 100, "subset_size": 1000, "factor": 1000.0,
    }  # fmt: skip
    assert [each.covariance_divisor for each in (Frechet("fid"), Frechet("fid", False), KernelDistance("fid"))] == [
        "N - 1", "N", "",
    ]  # fmt: skip
