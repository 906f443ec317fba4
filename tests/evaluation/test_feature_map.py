from pathlib import Path

import pytest
import torch
from PIL import Image

from evaluation.feature_map import MOST_POINTS, draw_feature_map, evenly, feature_map
from tests.evaluation.clip_sets import clip_set


@pytest.mark.parametrize("num_rows", [4, 300])  # fewer and more rows than features
def test_the_axes_are_the_principal_ones(num_rows: int) -> None:
    rows = (
        torch.randn(num_rows, 20).double()
        * torch.tensor([5.0, 3.0] + [0.1] * 18)
        @ torch.linalg.qr(torch.randn(20, 20).double()).Q
    )
    shown = feature_map(rows[: num_rows // 2], rows[num_rows // 2 :])
    points = torch.cat([shown.real, shown.fake])
    centred = rows - rows.mean(dim=0)
    _, singular, axes = torch.linalg.svd(centred, full_matrices=False)
    assert torch.allclose(points.abs(), (centred @ axes[:2].T).abs(), atol=1e-9)
    assert shown.shares == pytest.approx((singular**2 / (singular**2).sum())[:2].tolist())
    assert shown.shares[0] >= shown.shares[1]


def test_a_shift_between_the_sides_is_an_axis() -> None:
    real = torch.randn(50, 30)
    shift = torch.zeros(30)
    shift[7] = 20
    shown = feature_map(real, torch.randn(50, 30) + shift)
    assert shown.real[:, 0].max() < shown.fake[:, 0].min()
    assert shown.shares[0] > 0.5


def test_sets_without_spread_and_with_one_feature() -> None:
    same = feature_map(torch.ones(3, 5), torch.ones(2, 5))
    assert same.shares == (0, 0) and not same.real.any()
    line = feature_map(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0]]))
    assert torch.cat([line.real, line.fake])[:, 0].tolist() == pytest.approx([-1, 0, 1])
    assert line.shares == pytest.approx((1, 0))
    with pytest.raises(ValueError, match="are of other networks"):
        feature_map(torch.ones(3, 5), torch.ones(2, 4))


def test_of_many_clips_some_are_drawn() -> None:
    assert evenly(3, 10) == [0, 1, 2]
    assert evenly(1, 10) == [0]
    some = evenly(12_345, MOST_POINTS)
    assert len(set(some)) == MOST_POINTS
    assert (some[0], some[-1]) == (0, 12_344)


@pytest.mark.parametrize(("labels", "class_names", "is_wide"), [([0, 1] * 5, ("a", "b"), True), (None, (), False)])
def test_a_second_panel_where_there_are_classes(
    tmp_path: Path, labels: list[int] | None, class_names: tuple[str, ...], is_wide: bool
) -> None:
    real, fake = clip_set("real", torch.randn(10, 6), labels), clip_set("generated", torch.randn(10, 6), labels)
    draw_feature_map(tmp_path / "map.png", real, fake, class_names)
    with Image.open(tmp_path / "map.png") as picture:
        assert (picture.width > 1.5 * picture.height) is is_wide
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert len(colors) > 100
