import pytest
import torch
from torch import Tensor

from metrics.feature_rows import FeatureRows


def gathered(features: Tensor, order: Tensor, batch_size: int) -> Tensor:
    rows = FeatureRows(features.shape[1])
    for indices in order.split(batch_size):
        rows.update(features[indices], indices)
    return rows.compute()


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_order_and_batches_do_not_matter(batch_size: int) -> None:
    features = torch.randn(23, 5)
    assert torch.equal(gathered(features, torch.randperm(23), batch_size), features)


def test_numbers_may_have_gaps() -> None:
    rows = FeatureRows(1)
    rows.update(torch.tensor([[3.0], [1.0]]), torch.tensor([900, 4]))
    rows.update(torch.tensor([[2.0]]), torch.tensor([17]))
    assert rows.compute().tolist() == [[1.0], [2.0], [3.0]]


def test_is_float32_whatever_came() -> None:
    rows = FeatureRows(2)
    rows.update(torch.rand(2, 2, dtype=torch.float64), torch.arange(2))
    rows.update(torch.rand(2, 2, dtype=torch.bfloat16), torch.arange(2, 4))
    assert rows.compute().dtype == torch.float32


def test_no_rows_are_in_order_and_nothing_at_all_is_not() -> None:
    rows = FeatureRows(2)
    rows.update(torch.empty(0, 2), torch.empty(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="no features; measure at least one clip"):
        rows.compute()
    rows.update(torch.ones(1, 2), torch.tensor([5]))
    assert rows.compute().tolist() == [[1.0, 1.0]]


def test_forgets() -> None:
    rows = FeatureRows(2)
    rows.update(torch.ones(1, 2), torch.tensor([0]))
    rows.reset()
    rows.update(torch.zeros(1, 2), torch.tensor([0]))
    assert rows.compute().tolist() == [[0.0, 0.0]]


def test_keeps_no_gradient() -> None:
    rows = FeatureRows(2)
    rows.update(torch.ones(1, 2, requires_grad=True), torch.tensor([0]))
    assert not rows.compute().requires_grad


def test_mistakes() -> None:
    rows = FeatureRows(3)
    for features in (torch.rand(3), torch.ones(2, 3, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"floating point of shape \(N, D\)"):
            rows.update(features, torch.arange(len(features)))
    with pytest.raises(ValueError, match="rows of 3 numbers; got 4"):
        rows.update(torch.rand(2, 4), torch.arange(2))
    with pytest.raises(ValueError, match="not finite"):
        rows.update(torch.full((1, 3), torch.inf), torch.arange(1))
    for indices in (torch.arange(3), torch.rand(2), torch.arange(2)[:, None]):
        with pytest.raises(ValueError, match="2 rows need as many whole numbers as indices"):
            rows.update(torch.rand(2, 3), indices)
    with pytest.raises(ValueError, match="from 0 on; got -1"):
        rows.update(torch.rand(2, 3), torch.tensor([-1, 0]))
    rows.update(torch.rand(2, 3), torch.tensor([4, 4]))
    with pytest.raises(ValueError, match="number 4 came twice; give each clip once"):
        rows.compute()
    with pytest.raises(ValueError, match="num_features must be at least 1; got 0"):
        FeatureRows(0)
