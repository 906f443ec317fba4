import pytest
import torch

from metrics.memorisation import memorisation_ratio, nearest_distances


def test_nearest_distances_of_points_on_a_line() -> None:
    references = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    points = torch.tensor([[1.0, 0.0], [7.0, 4.0], [10.0, 0.0]])
    assert nearest_distances(points, references).tolist() == [1.0, 5.0, 0.0]
    assert nearest_distances(points[:0], references).shape == (0,)


def test_more_rows_than_one_pass_takes() -> None:
    points = torch.arange(3000.0)[:, None]
    assert torch.equal(nearest_distances(points, torch.zeros(1, 1)), points[:, 0].double())


def test_copies_have_ratio_zero_and_fresh_samples_of_the_same_kind_about_one() -> None:
    rng = torch.Generator().manual_seed(0)
    training, held_out, fresh = (torch.randn(500, 8, generator=rng) for _ in range(3))
    assert memorisation_ratio(training[:200], held_out, training) < 1e-6
    assert memorisation_ratio(fresh, held_out, training) == pytest.approx(1, abs=0.1)
    assert memorisation_ratio(fresh * 5, held_out, training) > 3


def test_mistakes() -> None:
    rows = torch.randn(4, 2)
    with pytest.raises(ValueError, match="at least one reference"):
        nearest_distances(rows, rows[:0])
    with pytest.raises(ValueError, match="at least one generated"):
        memorisation_ratio(rows[:0], rows, rows)
    with pytest.raises(ValueError, match="are training clips"):
        memorisation_ratio(rows + 1, rows, rows)
