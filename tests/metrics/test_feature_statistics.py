import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.feature_statistics import FeatureStatistics, Gaussian, checked_indices
from metrics.frechet import frechet_distance


def fitted(batches: list[Tensor], unbiased: bool = True) -> Gaussian:
    statistics = FeatureStatistics(batches[0].shape[1], unbiased)
    for batch in batches:
        statistics.update(batch)
    return statistics.compute()


@pytest.mark.parametrize("unbiased", [True, False])
def test_equals_numpy(unbiased: bool) -> None:
    features = 3 + 2 * torch.randn(100, 7, dtype=torch.float64)
    gaussian = fitted([features], unbiased)
    np.testing.assert_allclose(gaussian.mean, features.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(gaussian.covariance, np.cov(features.numpy().T, ddof=int(unbiased)), rtol=1e-10)
    assert gaussian.num_samples == 100


def test_a_large_mean_costs_no_more_digits_than_promised() -> None:
    """|mean|^2 / variance is a million here (30 for features): of 16 digits 6 are lost, and one or two in the sums."""
    features = 1000 + torch.randn(5000, 8, dtype=torch.float64)
    exact = np.cov(features.numpy().T)
    assert np.abs(fitted(list(features.split(64))).covariance.numpy() - exact).max() < 1e-8


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_batch_size_does_not_matter(batch_size: int) -> None:
    features = torch.rand(150, 12)  # float32, and 150 is a multiple of none
    whole, parts = fitted([features]), fitted(list(features.split(batch_size)))
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("num_blocks", [2, 5, 40])
def test_number_of_blocks_does_not_matter(num_blocks: int) -> None:
    features, clips = torch.rand(150, 12), torch.arange(30).repeat_interleave(5)
    statistics, whole = FeatureStatistics(12, num_blocks=num_blocks), fitted([features])
    for rows in torch.randperm(150).split(40):
        statistics.update(features[rows], clips[rows])
    for parts in (statistics.compute(), statistics.compute_blocks().gaussian()):
        torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)
        torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-12, atol=1e-13)
        assert parts.num_samples == 150


def test_rows_go_to_the_block_of_their_clip() -> None:
    features, clips = torch.rand(7, 3, dtype=torch.float64), torch.tensor([0, 0, 4, 4, 4, 9, 11])
    statistics = FeatureStatistics(3, num_blocks=3)
    statistics.update(features, clips)
    blocks = statistics.compute_blocks()
    assert blocks.count.tolist() == [3, 3, 1]  # clips 0 and 9, clip 4, clip 11
    torch.testing.assert_close(blocks.sum[0], features[[0, 1, 5]].sum(0))
    torch.testing.assert_close(blocks.outer_product_sum[1], features[2:5].T @ features[2:5])


@pytest.mark.parametrize("unbiased", [True, False])
def test_blocks_taken_several_times_are_rows_taken_several_times(unbiased: bool) -> None:
    features, weights = torch.rand(20, 4, dtype=torch.float64), torch.tensor([0, 3, 1, 1, 0])
    statistics = FeatureStatistics(4, unbiased, num_blocks=5)
    statistics.update(features, torch.arange(20))
    parts = statistics.compute_blocks().gaussian(weights)
    whole = fitted([features[torch.arange(20).repeat_interleave(weights[torch.arange(20) % 5])]], unbiased)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-10, atol=1e-13)
    assert parts.num_samples == whole.num_samples == 20


def test_counting_goes_on_after_a_look() -> None:
    features = torch.rand(20, 4)
    statistics = FeatureStatistics(4)
    statistics.update(features[:9])
    before = statistics.compute_blocks()
    statistics.update(features[9:])
    torch.testing.assert_close(before.gaussian().covariance, fitted([features[:9]]).covariance)
    torch.testing.assert_close(statistics.compute().covariance, fitted([features]).covariance)


def test_sums_survive_saving() -> None:
    features = torch.rand(20, 4)
    before, after = FeatureStatistics(4), FeatureStatistics(4)
    before.update(features[:9])
    after.load_state_dict(before.state_dict())
    after.update(features[9:])
    torch.testing.assert_close(after.compute().covariance, fitted([features]).covariance, rtol=1e-12, atol=0)


def test_one_feature_keeps_its_shape() -> None:
    gaussian = fitted([torch.rand(5, 1)])
    assert gaussian.mean.shape == (1,)
    assert gaussian.covariance.shape == (1, 1)


def test_distance_of_gaussians() -> None:
    features = torch.rand(50, 4, dtype=torch.float64)
    assert fitted([features]).distance(fitted([features + 2])) == pytest.approx(16, rel=1e-12)


@pytest.mark.parametrize(("num_a", "num_b"), [(50, 60), (60, 50), (10, 60), (60, 10)])
def test_distance_of_gaussians_does_not_depend_on_which_is_factored(num_a: int, num_b: int) -> None:
    a, b = fitted([torch.rand(num_a, 20, dtype=torch.float64)]), fitted([torch.rand(num_b, 20, dtype=torch.float64)])
    expected = frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
    assert a.distance(b) == pytest.approx(expected, rel=1e-9)
    assert a.as_reference().distance(b.mean, b.covariance) == expected


@pytest.mark.parametrize("features", [torch.rand(4), torch.rand(3, 5), torch.ones(3, 4, dtype=torch.int64)])
def test_features_of_another_shape_or_dtype_are_refused(features: Tensor) -> None:
    with pytest.raises(ValueError, match=r"floating point of shape \(N, 4\)"):
        FeatureStatistics(4).update(features)


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        FeatureStatistics(2).update(torch.tensor([[1.0, torch.inf]]))


def test_one_sample_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least 2 samples; got 1"):
        fitted([torch.rand(1, 3)])


def test_no_features_and_no_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="num_features must be at least 1"):
        FeatureStatistics(0)
    with pytest.raises(ValueError, match="num_blocks must be at least 1"):
        FeatureStatistics(1, num_blocks=0)


def test_blocks_need_the_numbers_of_the_clips() -> None:
    with pytest.raises(ValueError, match="2 blocks need the numbers of the clips; give indices"):
        FeatureStatistics(3, num_blocks=2).update(torch.rand(4, 3))
    for indices in (torch.arange(3), torch.rand(4), torch.ones(4, dtype=torch.bool)):
        with pytest.raises(ValueError, match="4 rows need as many whole numbers as indices"):
            checked_indices(indices, 4)
    with pytest.raises(ValueError, match="from 0 on; got -2"):
        checked_indices(torch.tensor([1, -2]), 2)
