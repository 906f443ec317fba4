import pytest
import torch

from metrics.memorisation import memorisation, memorisation_ratio, nearest_rows


def test_nearest_points_on_a_line() -> None:
    references = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    points = torch.tensor([[1.0, 0.0], [7.0, 4.0], [10.0, 0.0]])
    distances, rows = nearest_rows(points, references)
    assert distances.tolist() == [1.0, 5.0, 0.0]
    assert rows.tolist() == [0, 1, 1]
    assert distances.dtype == torch.float64
    assert [each.shape for each in nearest_rows(points[:0], references)] == [(0,), (0,)]


def test_of_equal_ones_the_first() -> None:
    assert nearest_rows(torch.zeros(1, 2), torch.ones(3, 2))[1].tolist() == [0]


def test_more_rows_than_one_pass_takes() -> None:
    points = torch.arange(3000.0)[:, None]
    distances, rows = nearest_rows(points, points.flip(0))
    assert (distances == 0).all()
    assert torch.equal(rows, torch.arange(3000).flip(0))
    assert torch.equal(nearest_rows(points, torch.zeros(1, 1))[0], points[:, 0].double())


def test_copies_are_at_no_distance_at_all() -> None:
    training = 1000 + torch.randn(300, 400, generator=torch.Generator().manual_seed(0))
    found = memorisation(training[[7, 250, 3]], training)
    assert found.distances.tolist() == [0.0, 0.0, 0.0]
    assert found.nearest.tolist() == [7, 250, 3]


def test_copies_have_ratio_zero_and_fresh_samples_of_the_same_kind_about_one() -> None:
    rng = torch.Generator().manual_seed(0)
    training, held_out, fresh = (torch.randn(500, 8, generator=rng) for _ in range(3))
    assert memorisation(training[:200], training, held_out).ratio == 0
    assert memorisation(fresh, training, held_out).ratio == pytest.approx(1, abs=0.1)
    far = memorisation(fresh * 5, training, held_out)
    assert far.ratio is not None
    assert far.ratio > 3
    assert far.median_distance == pytest.approx(far.distances.median().item())
    assert memorisation(fresh, training).ratio is None
    assert memorisation_ratio(fresh, held_out, training) == memorisation(fresh, training, held_out).ratio


def test_closest_pairs_show_the_one_copy() -> None:
    rng = torch.Generator().manual_seed(0)
    training, generated = torch.randn(50, 4, generator=rng), torch.randn(20, 4, generator=rng)
    generated[13] = training[41]
    found = memorisation(generated, training)
    assert found.median_distance > 0.3
    pairs = found.closest(3)
    assert pairs[0] == (13, 41, 0.0)
    assert [distance for _, _, distance in pairs] == found.distances.sort().values[:3].tolist()
    assert len(found.closest(100)) == 20


def test_order_does_not_matter() -> None:
    rng = torch.Generator().manual_seed(0)
    training, generated = torch.randn(60, 4, generator=rng), torch.randn(30, 4, generator=rng)
    order = torch.randperm(30, generator=rng)
    one, other = memorisation(generated, training), memorisation(generated[order], training)
    assert torch.equal(other.nearest, one.nearest[order])
    assert other.median_distance == one.median_distance


def test_mistakes() -> None:
    rows = torch.randn(4, 2)
    with pytest.raises(ValueError, match="at least one reference"):
        memorisation(rows, rows[:0])
    with pytest.raises(ValueError, match="at least one generated"):
        memorisation(rows[:0], rows, rows)
    with pytest.raises(ValueError, match="at least one held-out"):
        memorisation(rows, rows, rows[:0])
    with pytest.raises(ValueError, match="are training clips"):
        memorisation(rows + 1, rows, rows)
    with pytest.raises(ValueError, match=r"got \(4, 2\) and \(4, 1\)"):
        memorisation(rows, rows[:, :1])
    with pytest.raises(ValueError, match="not finite"):
        memorisation(rows, torch.full((1, 2), torch.nan))
