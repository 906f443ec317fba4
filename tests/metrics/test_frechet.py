import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.feature_statistics import FeatureStatistics
from metrics.frechet import FrechetReference, frechet_distance
from tests.metrics.conftest import Golden

Moments = tuple[Tensor, Tensor]


def moments(features: Tensor, divisor_is_n: bool = False) -> Moments:
    return features.mean(0), torch.cov(features.T, correction=0 if divisor_is_n else 1)


def random_gaussian(seed: int, dimension: int = 6) -> Moments:
    rng = torch.Generator().manual_seed(seed)
    factor = torch.randn(dimension, dimension, generator=rng, dtype=torch.float64)
    return torch.randn(dimension, generator=rng, dtype=torch.float64), factor @ factor.T


@pytest.mark.parametrize(("key", "divisor_is_n"), [("sample", False), ("population", True)])
def test_agrees_with_the_reference_for_fewer_samples_than_dimensions(
    golden: Golden, key: str, divisor_is_n: bool
) -> None:
    sides = [moments(golden[f"deficient_{side}"], divisor_is_n) for side in ("real", "fake")]
    assert frechet_distance(*sides[0], *sides[1]) == pytest.approx(golden[f"deficient_fd_{key}"].item(), rel=1e-6)


@pytest.mark.parametrize("name", ["full", "deficient"])
def test_agrees_with_the_references(all_golden: Golden, name: str) -> None:
    for key, divisor_is_n in (("fd_sample", False), ("fd_population", True), ("fid_torch_fidelity", False)):
        sides = [moments(all_golden[f"{name}_{side}"], divisor_is_n) for side in ("real", "fake")]
        assert frechet_distance(*sides[0], *sides[1]) == pytest.approx(all_golden[f"{name}_{key}"].item(), rel=1e-6)


def test_of_gaussians_with_commuting_covariances() -> None:
    """|a - b|^2 + sum (sqrt(lambda_i) - sqrt(kappa_i))^2, in any basis."""
    basis, _ = torch.linalg.qr(random_gaussian(0)[1])
    variances = torch.tensor([1.0, 4.0, 9.0, 0.25, 0.0, 2.0], dtype=torch.float64)
    others = torch.tensor([4.0, 1.0, 9.0, 0.0, 0.0, 8.0], dtype=torch.float64)
    mean_a, mean_b = torch.zeros(6), torch.tensor([3.0, 0, 0, 4.0, 0, 0])
    distance = frechet_distance(mean_a, basis @ variances.diag() @ basis.T, mean_b, basis @ others.diag() @ basis.T)
    assert distance == pytest.approx(25 + (variances.sqrt() - others.sqrt()).square().sum().item(), rel=1e-12)


def test_equals_the_root_of_the_product() -> None:
    """The textbook form: eigenvalues of the product, which is not symmetric."""
    (mean_a, cov_a), (mean_b, cov_b) = random_gaussian(1), random_gaussian(2)
    trace_of_root = np.sqrt(np.linalg.eigvals((cov_a @ cov_b).numpy()).real).sum()
    expected = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace_of_root
    assert frechet_distance(mean_a, cov_a, mean_b, cov_b) == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("num_samples", [500, 20])
def test_of_equal_inputs_is_zero(num_samples: int) -> None:
    features = 5 + torch.randn(num_samples, 64, dtype=torch.float64)
    distance = frechet_distance(*moments(features), *moments(features))
    assert 0 <= distance < 1e-9


@pytest.mark.parametrize("num_samples", [1000, 50])
@pytest.mark.parametrize("decay", ["power", "exponential"])
def test_of_equal_sets_is_zero_for_spectra_that_fall_far(decay: str, num_samples: int) -> None:
    """Another order of the rows changes the last digits, which a root would make large in the small directions."""
    rank = torch.arange(1, 121, dtype=torch.float64)
    deviations = rank**-1.5 if decay == "power" else torch.exp(-rank / 10)  # eigenvalues over 6 or 10 orders
    features = torch.randn(num_samples, 120, dtype=torch.float64) * deviations @ random_gaussian(7, 120)[1]
    a, b = moments(features), moments(features[torch.randperm(num_samples)])
    assert frechet_distance(*a, *b) < 1e-9 * 2 * a[1].trace()


@pytest.mark.parametrize(
    ("num_real", "num_fake"), [(500, 400), (500, 30), (30, 500), (40, 30), (500, 2), (60, 60), (500, 60)]
)
def test_equals_the_singular_values_for_any_ranks(num_real: int, num_fake: int) -> None:
    """|R^T S|_* for A = R R^T, B = S S^T, with R and S the centred features themselves."""
    real, fake = torch.randn(num_real, 60, dtype=torch.float64), torch.rand(num_fake, 60, dtype=torch.float64)
    roots = [(each - each.mean(0)).T / (len(each) - 1) ** 0.5 for each in (real, fake)]
    trace_of_root = torch.linalg.svdvals(roots[0].T @ roots[1]).sum()
    squares = sum(root.square().sum() for root in roots)
    expected = (real.mean(0) - fake.mean(0)).square().sum() + squares - 2 * trace_of_root
    assert frechet_distance(*moments(real), *moments(fake)) == pytest.approx(expected.item(), rel=1e-10)
    assert frechet_distance(*moments(fake), *moments(real)) == pytest.approx(expected.item(), rel=1e-10)


def test_a_reference_serves_many_distances() -> None:
    real, fakes = random_gaussian(8), [random_gaussian(seed) for seed in (9, 10)]
    reference = FrechetReference(*real)
    for fake in fakes:
        assert reference.distance(*fake) == frechet_distance(*real, *fake)
        assert reference.distance(*fake, accuracy=1e-4) == pytest.approx(frechet_distance(*real, *fake), rel=1e-4)


def test_survives_that_divide_and_conquer_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (moments(torch.randn(5, 8, dtype=torch.float64)) for _ in range(2))
    expected = frechet_distance(*a, *b)

    def give_up(matrix: Tensor) -> Tensor:
        raise torch.linalg.LinAlgError("The algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "eigh", give_up)
    monkeypatch.setattr(torch.linalg, "eigvalsh", give_up)
    assert frechet_distance(*a, *b) == pytest.approx(expected, rel=1e-9)


def test_survives_that_singular_values_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(300, 60, dtype=torch.float64) * torch.exp(-torch.arange(60) / 5.0)
    a, b = moments(features), moments(features.flip(0))
    calls = []

    def give_up(matrix: Tensor) -> Tensor:
        calls.append(matrix.shape)
        raise torch.linalg.LinAlgError("The algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "svdvals", give_up)
    assert frechet_distance(*a, *b) < 1e-9 * 2 * a[1].trace()
    assert calls == [(60, 60)]


def test_other_errors_of_a_decomposition_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(matrix: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch.linalg, "eigh", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        FrechetReference(*moments(torch.randn(5, 8, dtype=torch.float64)))


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 2.0])
def test_full_covariances_need_no_eigenvectors(decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cholesky factors give the singular values' distance, also where eigenvalues fall over many orders."""
    deviations = torch.arange(1, 121, dtype=torch.float64) ** -decay  # 2.0: eigenvalues over 8 orders
    real, fake = (1 + torch.randn(400, 120, dtype=torch.float64) * deviations for _ in range(2))
    roots = [(each - each.mean(0)).T / (len(each) - 1) ** 0.5 for each in (real, fake)]
    expected = (real.mean(0) - fake.mean(0)).square().sum() + sum(root.square().sum() for root in roots)
    expected -= 2 * torch.linalg.svdvals(roots[0].T @ roots[1]).sum()
    eigh, calls = torch.linalg.eigh, []
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: (calls.append(1), eigh(matrix))[1])
    sides = [*moments(real), *moments(fake)]
    assert abs(frechet_distance(*sides) - expected.item()) < 1e-9 * (sides[1].trace() + sides[3].trace())
    assert not calls


def test_float32_moments_are_computed_with_in_float64() -> None:
    a, b = ([each.float() for each in random_gaussian(seed)] for seed in (1, 2))
    assert frechet_distance(*a, *b) == frechet_distance(*(each.double() for each in (*a, *b)))


def test_is_symmetric() -> None:
    a, b = random_gaussian(3), random_gaussian(4)
    assert frechet_distance(*a, *b) == pytest.approx(frechet_distance(*b, *a), rel=1e-12)


def test_of_single_points_is_their_squared_distance() -> None:
    nothing = torch.zeros(3, 3)
    assert frechet_distance(torch.zeros(3), nothing, torch.tensor([1.0, 2.0, 2.0]), nothing) == 9.0


def test_of_features_that_are_all_alike() -> None:
    """A generator that makes one video: the difference of its sums is rounding noise of either sign, of |mean|^2."""
    point = 12 * torch.randn(8, dtype=torch.float64)  # |mean|^2 is about 1000
    statistics = FeatureStatistics(8)
    statistics.update(point.expand(256, 8))
    collapsed = statistics.compute()
    assert torch.linalg.eigvalsh(collapsed.covariance).amin() < 0  # what this test is about
    mean, covariance = random_gaussian(6, dimension=8)
    expected = (point - mean).square().sum() + covariance.trace()
    distance = frechet_distance(collapsed.mean, collapsed.covariance, mean, covariance)
    assert distance == pytest.approx(expected.item(), rel=1e-9)


def test_unusable_moments_are_refused() -> None:
    mean, covariance = random_gaussian(5)
    with pytest.raises(ValueError, match="same dimension; got 6 and 3"):
        frechet_distance(mean, covariance, torch.zeros(3), torch.eye(3))
    with pytest.raises(ValueError, match=r"mean \(D,\) and a covariance \(D, D\)"):
        frechet_distance(mean, covariance[:5], mean, covariance)
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(mean * torch.nan, covariance, mean, covariance)
    with pytest.raises(ValueError, match=r"mean \(D,\) and a covariance \(D, D\)"):
        frechet_distance(torch.zeros(0), torch.zeros(0, 0), mean, covariance)
    for sides in ((covariance, -torch.eye(6)), (-torch.eye(6), covariance)):
        with pytest.raises(ValueError, match="Not a covariance"):
            frechet_distance(mean, sides[0], mean, sides[1])
