import pytest
import torch
from torch import Tensor

import metrics.kernel_distance
from metrics.kernel_distance import KernelSums, kernel_distance, kernel_inception_distance
from tests.metrics.conftest import Golden


def by_the_formula(real: Tensor, fake: Tensor) -> float:
    def mean_kernel(x: Tensor, y: Tensor, pairs: Tensor) -> Tensor:
        return ((x.double() @ y.double().T / x.shape[1] + 1) ** 3)[pairs].mean()

    within = [mean_kernel(each, each, ~torch.eye(len(each), dtype=torch.bool)) for each in (real, fake)]
    return (sum(within) - 2 * mean_kernel(real, fake, torch.ones(len(real), len(fake), dtype=torch.bool))).item()


@pytest.fixture
def sets() -> tuple[Tensor, Tensor]:
    return torch.randn(40, 6, dtype=torch.float64), 1.2 * torch.randn(33, 6, dtype=torch.float64) + 0.3


def test_agrees_with_the_reference(golden: Golden) -> None:
    value = kernel_distance(golden["deficient_real"], golden["deficient_fake"])
    assert value == pytest.approx(golden["deficient_kvd"].item(), abs=1e-9)


def test_agrees_with_the_references(all_golden: Golden) -> None:
    for name in ("full", "deficient"):
        value = kernel_distance(all_golden[f"{name}_real"], all_golden[f"{name}_fake"])
        assert value == pytest.approx(all_golden[f"{name}_kvd"].item(), abs=1e-9)


def test_kid_agrees_with_the_reference(all_golden: Golden) -> None:
    """The value itself: the draws are torch-fidelity's.  The reference run had the real features as its input1."""
    mean, deviation = kernel_inception_distance(
        fake=all_golden["full_real"], real=all_golden["full_fake"], num_subsets=50, subset_size=200
    )
    assert mean == pytest.approx(all_golden["kid_mean"].item(), abs=1e-9)
    assert deviation == pytest.approx(all_golden["kid_std"].item(), abs=1e-9)


def test_kid_of_other_draws_is_within_the_band(all_golden: Golden) -> None:
    sides = all_golden["full_real"], all_golden["full_fake"]
    for seed in (0, 1):
        mean, deviation = kernel_inception_distance(*sides, num_subsets=50, subset_size=200, seed=seed)
        assert abs(mean - all_golden["kid_mean"]) < 3 * all_golden["kid_std"] / 50**0.5
        assert deviation == pytest.approx(all_golden["kid_std"].item(), rel=0.3)


def test_kid_of_whole_sets_is_the_distance(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = sets[0][:33], sets[1]
    mean, deviation = kernel_inception_distance(real, fake, num_subsets=3, subset_size=33)
    assert mean == pytest.approx(kernel_distance(real, fake), rel=1e-12)
    assert deviation == pytest.approx(0, abs=1e-12)


def test_kid_is_a_function_of_the_seed(sets: tuple[Tensor, Tensor]) -> None:
    once, again, other = (kernel_inception_distance(*sets, 5, 10, seed=seed) for seed in (1, 1, 2))
    assert once == again != other


@pytest.mark.parametrize("tile", [1, 7, 16, 1000])
@pytest.mark.parametrize("num_blocks", [1, 5, 33])
def test_equals_the_formula_for_any_tiles_and_blocks(
    sets: tuple[Tensor, Tensor], tile: int, num_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics.kernel_distance, "TILE", tile)
    sums = KernelSums.of(*sets, num_blocks=num_blocks)
    assert sums.distance() == pytest.approx(by_the_formula(*sets), rel=1e-10)
    torch.testing.assert_close(sums.within, sums.within.T)


def test_order_and_sides_do_not_matter(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = sets
    value = kernel_distance(real, fake)
    assert kernel_distance(real.flip(0), fake[torch.randperm(33)]) == pytest.approx(value, rel=1e-10)
    assert kernel_distance(fake, real) == pytest.approx(value, rel=1e-10)


def test_of_equal_distributions_is_zero_in_the_mean_also_for_few() -> None:
    values = torch.tensor([kernel_distance(torch.randn(10, 4), torch.randn(8, 4)) for _ in range(400)])
    assert values.amin() < 0
    assert abs(values.mean()) < 3 * values.std() / 400**0.5


def test_of_the_same_set_has_a_known_value(sets: tuple[Tensor, Tensor]) -> None:
    """A pair of a row with itself is left out within a set, and not across: 2 / N (mean k(x, y) - mean k(x, x))."""
    real, _ = sets
    kernel = (real @ real.T / 6 + 1) ** 3
    off_diagonal = (kernel.sum() - kernel.trace()) / (40 * 39)
    expected = 2 / 40 * (off_diagonal - kernel.diagonal().mean())
    assert kernel_distance(real, real) == pytest.approx(expected.item(), rel=1e-9)


def test_float32_features_are_computed_with_in_float64(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = (each.float() for each in sets)
    assert kernel_distance(real, fake) == kernel_distance(real.double(), fake.double())


def test_a_resample_leaves_out_a_row_with_itself_and_its_duplicates(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = sets
    weights = torch.tensor([2, 0, 1])
    rows = torch.arange(33).repeat_interleave(weights[torch.arange(33) % 3])
    kernel = ((fake[rows] @ fake[rows].T / 6 + 1) ** 3)[rows[:, None] != rows]
    real_kernel = ((real @ real.T / 6 + 1) ** 3)[~torch.eye(40, dtype=torch.bool)]
    expected = kernel.mean() + real_kernel.mean() - 2 * ((real @ fake[rows].T / 6 + 1) ** 3).mean()
    assert KernelSums.of(real, fake, num_blocks=3).distance(weights) == pytest.approx(expected.item(), rel=1e-10)


def test_interval_has_the_spread_over_other_draws() -> None:
    real = torch.randn(200, 8)
    values, spreads = [], []
    for draw in range(40):
        sums = KernelSums.of(real, 1.5 * torch.randn(200, 8) + 0.3, num_blocks=20)
        low, high = sums.interval(num_resamples=200, seed=draw)
        values.append(sums.distance())
        assert (low + high) / 2 == pytest.approx(values[-1], rel=1e-9)
        spreads.append((high - low) / 2 / 1.96)
    assert sum(spreads) / 40 == pytest.approx(torch.tensor(values).std().item(), rel=0.4)


def test_frames_of_a_clip_share_a_block(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = sets
    clips = torch.arange(11).repeat_interleave(3)
    assert KernelSums.of(real, fake, num_blocks=2, clips=clips).count.tolist() == [18, 15]
    assert len(KernelSums.of(real, fake, clips=clips).count) == 11


def test_mistakes(sets: tuple[Tensor, Tensor]) -> None:
    real, fake = sets
    for measure in (kernel_distance, kernel_inception_distance, KernelSums.of):
        with pytest.raises(ValueError, match="same dimension; got 6 and 5"):
            measure(real, fake[:, :5])
        with pytest.raises(ValueError, match="Generated features are not finite"):
            measure(real, fake * torch.nan)
        with pytest.raises(ValueError, match="Real features need at least 2 rows here; got 1"):
            measure(real[:1], fake)
        with pytest.raises(ValueError, match=r"floating point of shape \(N, D\); got torch.float64 of shape \(6,\)"):
            measure(real, fake[0])
        with pytest.raises(ValueError, match="floating point of shape"):
            measure(real, fake.long())
    with pytest.raises(ValueError, match="subsets of 34 are larger than the sets: 40 real and 33 generated"):
        kernel_inception_distance(real, fake, subset_size=34)
    with pytest.raises(ValueError, match="at least 1 subset of at least 2; got 0 of 10"):
        kernel_inception_distance(real, fake, num_subsets=0, subset_size=10)
    with pytest.raises(ValueError, match="33 clips make 1 to 33 blocks; got num_blocks 34"):
        KernelSums.of(real, fake, num_blocks=34)
    with pytest.raises(ValueError, match="2 different generated clips"):
        KernelSums.of(real, fake, num_blocks=33).distance(33 * torch.eye(33, dtype=torch.int64)[0])
