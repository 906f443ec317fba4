import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.inception_score import ClassStatistics, inception_score, splits_in_order
from tests.metrics.conftest import Golden


def gathered(logits: Tensor, split_of: Tensor, batch_size: int = 7, **settings: int) -> ClassStatistics:
    statistics = ClassStatistics(logits.shape[1], split_of, **settings)
    for indices in torch.arange(len(logits)).split(batch_size):
        statistics.update(logits[indices], indices)
    return statistics


def test_agrees_with_the_reference(all_golden: Golden) -> None:
    logits = all_golden["is_logits"]
    assert inception_score(logits) == pytest.approx((all_golden["is_mean_1split"].item(), 0), rel=1e-12)
    expected = all_golden["is_mean_10split"].item(), all_golden["is_std_10split"].item()
    assert inception_score(logits, splits_in_order(500, 10)) == pytest.approx(expected, rel=1e-12)


def test_of_sure_and_evenly_spread_classes_is_their_number() -> None:
    logits = 1000 * torch.eye(8).repeat(5, 1)
    assert inception_score(logits) == pytest.approx((8, 0), rel=1e-12)


def test_of_equal_answers_is_one() -> None:
    for logits in (torch.randn(6).expand(20, 6), torch.zeros(20, 6)):
        assert inception_score(logits) == pytest.approx((1, 0), rel=1e-12)


def test_is_the_mean_divergence_of_each_split() -> None:
    logits = torch.randn(31, 5, dtype=torch.float64)
    split_of = torch.arange(31) % 3
    scores = []
    for split in range(3):
        p = logits[split_of == split].softmax(1)
        scores.append((p * (p.log() - p.mean(0).log())).sum(1).mean().exp())
    mean, deviation = inception_score(logits, split_of)
    assert mean == pytest.approx(np.mean(scores), rel=1e-12)
    assert deviation == pytest.approx(np.std(scores), rel=1e-12)


def test_splits_are_those_of_the_references() -> None:
    """Pieces i * N // splits to (i + 1) * N // splits of the shuffled samples, as torch-fidelity has them."""
    for num_samples, num_splits in ((500, 10), (2048, 10), (23, 4)):
        order = np.random.RandomState(2020).permutation(num_samples)
        split_of = splits_in_order(num_samples, num_splits, shuffle_seed=2020)[order]
        for split in range(num_splits):
            piece = slice(split * num_samples // num_splits, (split + 1) * num_samples // num_splits)
            assert (split_of[piece] == split).all()
    assert splits_in_order(6, 3).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("num_blocks", [1, 9])
def test_batches_and_blocks_do_not_matter(batch_size: int, num_blocks: int) -> None:
    logits, split_of = 3 * torch.randn(100, 11), splits_in_order(100, 4, shuffle_seed=1)
    statistics = gathered(logits, split_of, batch_size, num_blocks=num_blocks)
    expected = inception_score(logits, split_of)
    assert statistics.compute() == pytest.approx(expected, rel=1e-12)
    assert statistics.compute_blocks().score() == pytest.approx(expected, rel=1e-12)


def test_order_does_not_matter() -> None:
    logits, split_of, order = 3 * torch.randn(100, 11), splits_in_order(100, 4), torch.randperm(100)
    statistics = ClassStatistics(11, split_of)
    statistics.update(logits[order], order)
    assert statistics.compute() == pytest.approx(inception_score(logits, split_of), rel=1e-12)


def test_blocks_taken_several_times_are_samples_taken_several_times() -> None:
    logits, weights = 3 * torch.randn(60, 5, dtype=torch.float64), torch.tensor([2, 0, 1, 1])
    sums = gathered(logits, torch.zeros(60, dtype=torch.int64), num_blocks=4).compute_blocks()
    repeated = logits[torch.arange(60).repeat_interleave(weights[torch.arange(60) % 4])]
    assert sums.score(weights) == pytest.approx(inception_score(repeated), rel=1e-12)


def test_frames_of_a_clip_share_a_block() -> None:
    statistics = ClassStatistics(3, torch.zeros(12, dtype=torch.int64), samples_per_clip=4, num_blocks=2)
    statistics.update(torch.randn(12, 3), torch.arange(12))
    assert statistics.compute_blocks().count.tolist() == [[8, 4]]


def test_interval_contains_the_value_and_narrows_with_more_clips() -> None:
    widths = []
    for num_clips in (200, 3200):
        sums = gathered(
            3 * torch.randn(num_clips, 10), splits_in_order(num_clips, 2), 500, num_blocks=40
        ).compute_blocks()
        low, high = sums.interval(num_resamples=200)
        assert low < sums.score()[0] < high
        assert (low, high) == sums.interval(num_resamples=200)
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.5)


def test_counting_goes_on_after_a_look() -> None:
    logits = torch.randn(20, 4)
    statistics = ClassStatistics(4, torch.zeros(20, dtype=torch.int64))
    statistics.update(logits[:9], torch.arange(9))
    before = statistics.compute_blocks()
    statistics.update(logits[9:], torch.arange(9, 20))
    assert before.score() == pytest.approx(inception_score(logits[:9]), rel=1e-12)
    assert statistics.compute() == pytest.approx(inception_score(logits), rel=1e-12)


def test_mistakes() -> None:
    logits = torch.randn(10, 4)
    with pytest.raises(ValueError, match="Logits are not finite"):
        inception_score(logits * torch.nan)
    with pytest.raises(ValueError, match="Logits need at least 2 rows here; got 1"):
        inception_score(logits[:1])
    with pytest.raises(ValueError, match=r"floating point of shape \(N, D\); got torch.float32 of shape \(4,\)"):
        inception_score(logits[0])
    with pytest.raises(ValueError, match="at least 2 samples; got 10 samples for 6 splits"):
        splits_in_order(10, 6)
    with pytest.raises(ValueError, match="split 1 has 1"):
        inception_score(logits, torch.tensor([0] * 9 + [1]))
    statistics = ClassStatistics(4, splits_in_order(10, 2))
    with pytest.raises(ValueError, match="of 4 classes; got 3"):
        statistics.update(logits[:, :3], torch.arange(10))
    with pytest.raises(ValueError, match="Sample 10 has no split; there are 10 samples"):
        statistics.update(logits, torch.arange(1, 11))
    with pytest.raises(ValueError, match="10 rows need as many whole numbers as indices"):
        statistics.update(logits, torch.arange(9))
    with pytest.raises(ValueError, match="split 0 has 0"):
        statistics.compute()
    for numbers, name in (((0, 1, 1), "num_classes"), ((4, 0, 1), "samples_per_clip"), ((4, 1, 0), "num_blocks")):
        with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
            ClassStatistics(numbers[0], torch.zeros(4, dtype=torch.int64), *numbers[1:])
    with pytest.raises(ValueError, match="no samples in split_of"):
        ClassStatistics(4, torch.zeros(0, dtype=torch.int64))
