import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.feature_statistics import FeatureStatistics, Gaussian


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


def test_no_features_are_refused() -> None:
    with pytest.raises(ValueError, match="num_features must be at least 1"):
        FeatureStatistics(0)
