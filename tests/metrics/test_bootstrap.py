import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.bootstrap import block_interval, block_of_rows, frechet_interval, mean_interval, median_interval
from metrics.feature_statistics import BlockSums, FeatureStatistics


def blocks_of(features: Tensor, num_blocks: int, unbiased: bool = True) -> BlockSums:
    statistics = FeatureStatistics(features.shape[1], unbiased, num_blocks)
    statistics.update(features, torch.arange(len(features)))
    return statistics.compute_blocks()


def test_of_a_mean_is_the_textbook_interval() -> None:
    values = torch.randn(2000) * 3 + 5
    low, high = mean_interval(values)
    standard_error = values.std().item() / 2000**0.5
    assert low == pytest.approx(values.mean().item() - 1.96 * standard_error, abs=0.2 * standard_error)
    assert high == pytest.approx(values.mean().item() + 1.96 * standard_error, abs=0.2 * standard_error)


def test_contains_the_true_mean_19_times_out_of_20() -> None:
    intervals = [mean_interval(torch.rand(50), num_resamples=200, seed=seed) for seed in range(200)]
    assert 180 <= sum(low < 0.5 < high for low, high in intervals) <= 199


def test_of_a_median_contains_the_true_one_19_times_out_of_20() -> None:
    """Of a skewed distribution, whose mean is elsewhere."""
    draws = [torch.empty(101).exponential_() for _ in range(200)]
    intervals = [median_interval(each, num_resamples=200, seed=seed) for seed, each in enumerate(draws)]
    assert 180 <= sum(low < 0.6931 < high for low, high in intervals) <= 199
    assert sum(high < 1 for _, high in intervals) > 150  # the mean
    for each, (low, high) in zip(draws, intervals, strict=True):
        assert low <= each.median() <= high


def test_of_a_median_of_an_even_number_is_the_lower_one() -> None:
    assert median_interval(torch.tensor([1.0, 1.0, 1.0, 1.0, 9.0, 9.0]), num_resamples=20)[0] == 1
    assert median_interval(torch.tensor([1.0, 2.0]), num_resamples=500) == (1, 2)


def test_of_equal_values_is_a_point() -> None:
    assert mean_interval(torch.full((7,), 3.0)) == (3.0, 3.0)


def test_is_a_function_of_the_seed() -> None:
    values = torch.rand(30)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)
    reference, blocks = blocks_of(torch.randn(50, 3), 1).gaussian().as_reference(), blocks_of(torch.randn(40, 3), 8)
    assert frechet_interval(reference, blocks, seed=3) == frechet_interval(reference, blocks, seed=3)
    assert frechet_interval(reference, blocks, seed=3) != frechet_interval(reference, blocks, seed=4)


def test_draws_no_global_random_numbers() -> None:
    before, before_numpy = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()
    mean_interval(torch.arange(9.0))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state(legacy=False)["state"]["key"] == before_numpy).all()


def test_frames_of_a_clip_are_drawn_together() -> None:
    """Frames that are all alike say as much as one."""
    values = torch.randn(100)
    once = mean_interval(values)
    clips = torch.arange(100).repeat_interleave(16)
    assert mean_interval(values.repeat_interleave(16), clips=clips) == pytest.approx(once, rel=1e-9)
    apart = mean_interval(values.repeat_interleave(16))
    assert (once[1] - once[0]) / (apart[1] - apart[0]) == pytest.approx(4, rel=0.15)


def test_clips_may_have_different_numbers_of_values() -> None:
    low, high = mean_interval(torch.tensor([1.0, 1.0, 1.0, 4.0]), clips=torch.tensor([7, 7, 7, 2]))
    assert (low, high) == (1.0, 4.0)  # either clip twice, or a mean of 1.75


def test_of_blocks_is_centred_on_the_value() -> None:
    values = torch.rand(40, dtype=torch.float64)
    low, high = block_interval(lambda weights: (weights.double() @ values / 40).item(), 40, num_resamples=2000)
    assert (low + high) / 2 == pytest.approx(values.mean().item(), rel=1e-12)
    expected = 1.96 * values.std(correction=0).item() / 40**0.5
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)


def test_weights_add_up_to_the_blocks() -> None:
    def check(weights: Tensor) -> float:
        assert weights.dtype == torch.int64 and weights.shape == (6,) and weights.sum() == 6
        return 0.0

    assert block_interval(check, 6, num_resamples=10) == (0, 0)


def test_spread_of_a_frechet_distance_is_that_over_other_draws() -> None:
    """Of sets that differ clearly; the deviation of 40 values is known to a tenth, that of blocks to a fifth."""
    reference = blocks_of(torch.randn(1000, 8), 1).gaussian().as_reference()
    values, spreads = [], []
    for draw in range(40):
        blocks = blocks_of(2 * torch.randn(200, 8) + 1, 20)
        low, high = frechet_interval(reference, blocks, num_resamples=30, seed=draw)
        gaussian = blocks.gaussian()
        values.append(reference.distance(gaussian.mean, gaussian.covariance))
        assert (low + high) / 2 == pytest.approx(values[-1], rel=1e-4)
        spreads.append((high - low) / 2 / 1.96)
    assert np.mean(spreads) == pytest.approx(np.std(values), rel=0.35)


@pytest.mark.parametrize("unbiased", [True, False])
def test_divisor_of_the_covariance_is_that_of_the_blocks(unbiased: bool) -> None:
    real, fake = torch.randn(300, 4), torch.randn(40, 4) * 2
    reference = blocks_of(real, 1, unbiased).gaussian().as_reference()
    low, high = frechet_interval(reference, blocks_of(fake, 10, unbiased))
    gaussian = blocks_of(fake, 1, unbiased).gaussian()
    assert (low + high) / 2 == pytest.approx(reference.distance(gaussian.mean, gaussian.covariance), rel=1e-4)


def test_a_distance_is_not_negative() -> None:
    features = torch.randn(100, 4)
    low, high = frechet_interval(blocks_of(features, 1).gaussian().as_reference(), blocks_of(features, 10))
    assert low == 0 < high


def test_blocks_of_rows() -> None:
    assert [blocks.tolist() for blocks in (block_of_rows(5, 2)[0], block_of_rows(3)[0])] == [[0, 1, 0, 1, 0], [0, 1, 2]]
    assert block_of_rows(1000)[1] == 50
    blocks, num_blocks = block_of_rows(6, 2, clips=torch.tensor([4, 4, 8, 8, 12, 12]))
    assert (blocks.tolist(), num_blocks) == ([0, 0, 1, 1, 0, 0], 2)
    for wrong in (0, 4):
        with pytest.raises(ValueError, match=f"3 clips make 1 to 3 blocks; got num_blocks {wrong}"):
            block_of_rows(3, wrong)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least 2 clips; got 1"):
        mean_interval(torch.tensor([1.0]))
    with pytest.raises(ValueError, match="at least 2 clips; got 1"):
        mean_interval(torch.rand(4), clips=torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="finite values"):
        mean_interval(torch.tensor([1.0, torch.nan]))
    with pytest.raises(ValueError, match=r"values \(N,\); got shape \(2, 2\)"):
        mean_interval(torch.rand(2, 2))
    with pytest.raises(ValueError, match="num_resamples must be at least 2; got 1"):
        mean_interval(torch.rand(9), num_resamples=1)
    with pytest.raises(ValueError, match="4 rows need as many whole numbers"):
        mean_interval(torch.rand(4), clips=torch.arange(3))
    reference = blocks_of(torch.randn(50, 3), 1).gaussian().as_reference()
    with pytest.raises(ValueError, match="at least 2 blocks; got 1"):
        frechet_interval(reference, blocks_of(torch.randn(9, 3), 1))
    with pytest.raises(ValueError, match=r"block 9 has none\. Use fewer blocks or measure more videos"):
        frechet_interval(reference, blocks_of(torch.randn(9, 3), 10))
    with pytest.raises(ValueError, match="same dimension; got 3 and 4"):
        frechet_interval(reference, blocks_of(torch.randn(9, 4), 3))
    with pytest.raises(ValueError, match="not finite"):
        block_interval(lambda weights: float("nan"), 3, 10)
