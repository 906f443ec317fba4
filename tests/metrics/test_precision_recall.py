import pytest
import torch
from torch import Tensor

import metrics.precision_recall
from metrics.precision_recall import density_coverage, neighbour_distances, precision_recall
from tests.metrics.conftest import Golden


def on_a_line(*places: float) -> Tensor:
    return torch.tensor(places, dtype=torch.float64)[:, None]


def check_golden(golden: Golden, name: str) -> None:
    """The reference run had the real features as torch-fidelity's input1, which that takes for the generated ones."""
    precision, recall = precision_recall(golden[f"{name}_fake"], golden[f"{name}_real"])
    assert precision.value == pytest.approx(golden[f"{name}_precision"].item(), abs=1e-7)  # a float32 mean there
    assert recall.value == pytest.approx(golden[f"{name}_recall"].item(), abs=1e-7)


def test_agrees_with_the_reference(golden: Golden) -> None:
    check_golden(golden, "deficient")


def test_agrees_with_the_references(all_golden: Golden) -> None:
    check_golden(all_golden, "full")


def test_by_hand_on_a_line() -> None:
    """k = 1. Balls around the real 0, 1, 3, 10: radii 1, 1, 2, 7; around the generated 2, 4, 30: 2, 2, 26."""
    real, fake = on_a_line(0, 1, 3, 10), on_a_line(2, 4, 30)
    precision, recall = precision_recall(real, fake, num_neighbours=1)
    assert precision.per_clip.tolist() == [1, 1, 0]  # 2 lies on the border of the ball around 1
    assert recall.reached.tolist() == [True, True, True, True]  # 10 only by the ball around 30, which reaches to 4
    density, coverage = density_coverage(real, fake, num_neighbours=1)
    assert density.per_clip.tolist() == [1, 2, 0]  # 2 in the ball around 3 alone, 4 in those around 3 and 10
    assert coverage.reached.tolist() == [False, False, True, True]


def test_one_real_outlier_makes_precision_large_and_not_density() -> None:
    real = torch.cat([torch.randn(200, 4), torch.full((1, 4), 100.0)])
    fake = torch.randn(100, 4) + 30  # far from the rest, and nearer to the outlier than the rest is
    assert precision_recall(real, fake)[0].value == 1
    assert density_coverage(real, fake)[0].value == pytest.approx(1 / 5)  # in one ball, of k = 5


def test_of_the_same_set() -> None:
    features = torch.randn(60, 10)
    for other in (features, features.flip(0)):
        assert [each.value for each in precision_recall(features, other)] == [1, 1]
        assert [each.value for each in density_coverage(features, other)] == [1, 1]


def test_of_sets_far_apart_is_zero() -> None:
    real, fake = torch.randn(50, 5), torch.randn(40, 5) + 100
    assert [each.value for each in (*precision_recall(real, fake), *density_coverage(real, fake))] == [0, 0, 0, 0]


def test_of_equal_distributions_density_is_about_one() -> None:
    density, coverage = density_coverage(torch.randn(1000, 5), torch.randn(1000, 5))
    assert density.value == pytest.approx(1, abs=0.1)
    assert coverage.value == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al. 2020 for many clips: 1 - 2^-k


def test_few_modes_lower_recall_and_coverage_alone() -> None:
    modes = 20 * torch.eye(4)
    real = modes.repeat_interleave(50, 0) + torch.randn(200, 4)
    fake = modes[:1].expand(200, -1) + torch.randn(200, 4)
    (precision, recall), (density, coverage) = precision_recall(real, fake), density_coverage(real, fake)
    assert precision.value > 0.8 and density.value > 0.8
    assert recall.value < 0.3 and coverage.value < 0.3


@pytest.mark.parametrize("elements", [1, 100, 1000])
@pytest.mark.parametrize("num_blocks", [1, 7])
def test_tiles_blocks_and_order_do_not_matter(elements: int, num_blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake, order = torch.randn(30, 40), torch.randn(37, 40), torch.randperm(37)
    results = []
    for generated, elements_at_a_time, blocks in (
        (fake, 2**23, None),
        (fake, elements, num_blocks),
        (fake[order], 9, 3),
    ):
        monkeypatch.setattr(metrics.precision_recall, "TILE_ELEMENTS", elements_at_a_time)
        precision, recall = precision_recall(real, generated, num_blocks=blocks)
        density, coverage = density_coverage(real, generated, num_blocks=blocks)
        results.append([precision.per_clip, density.per_clip, recall.reached, coverage.reached])
    whole, parts, shuffled = results
    for each, expected in zip(parts, whole, strict=True):
        assert torch.equal(each, expected)
    for each, expected in zip(shuffled, [whole[0][order], whole[1][order], whole[2], whole[3]], strict=True):
        assert torch.equal(each, expected)


def test_neighbours_are_other_rows() -> None:
    assert neighbour_distances(on_a_line(0, 1, 3, 10), 1).tolist() == [1, 1, 2, 7]
    assert neighbour_distances(on_a_line(0, 1, 3, 10), 3).tolist() == [10, 9, 7, 10]
    assert neighbour_distances(on_a_line(5, 5, 9), 1).tolist() == [0, 0, 4]


def test_intervals_contain_the_values() -> None:
    real, fake = torch.randn(100, 6), 0.7 * torch.randn(120, 6)
    for fidelity, diversity in (precision_recall(real, fake), density_coverage(real, fake)):
        low, high = fidelity.interval()
        assert low < fidelity.value < high
        low, high = diversity.interval(num_resamples=200)
        assert 0 <= low < diversity.value < high <= 1
        assert (low, high) == diversity.interval(num_resamples=200)


def test_frames_of_a_clip_stay_together() -> None:
    real, fake, clips = (
        torch.randn(50, 4),
        torch.randn(20, 4).repeat_interleave(5, 0),
        torch.arange(20).repeat_interleave(5),
    )
    precision, recall = precision_recall(real, fake, clips=clips)
    assert recall.reached_by.shape == (50, 20)
    together, apart = precision.interval(clips=clips), precision.interval()
    assert together[1] - together[0] >= apart[1] - apart[0]


def test_mistakes() -> None:
    real, fake = torch.randn(10, 4), torch.randn(9, 4)
    for measure, k in ((precision_recall, 3), (density_coverage, 5)):
        with pytest.raises(ValueError, match=f"Generated features need at least {k + 1} rows here; got {k}"):
            measure(real, fake[:k])
        with pytest.raises(ValueError, match="Real features need at least"):
            measure(real[:1], fake)
        with pytest.raises(ValueError, match="same dimension; got 4 and 3"):
            measure(real, fake[:, :3])
        with pytest.raises(ValueError, match="Real features are not finite"):
            measure(real * torch.inf, fake)
        with pytest.raises(ValueError, match=r"floating point of shape \(N, D\)"):
            measure(real[0], fake)
        with pytest.raises(ValueError, match="num_neighbours must be at least 1; got 0"):
            measure(real, fake, num_neighbours=0)
        with pytest.raises(ValueError, match="9 clips make 1 to 9 blocks; got num_blocks 10"):
            measure(real, fake, num_blocks=10)
