import pytest
import torch
from torch import Tensor

from metrics.temporal_consistency import FlowWarpingError
from tests.metrics.moving_shapes import moving_shapes
from tests.metrics.moving_texture import moving_texture
from tests.metrics.small_network import random_clips

ERROR = FlowWarpingError()


@pytest.fixture(scope="module")
def shapes() -> Tensor:
    return moving_shapes(num_clips=4, num_frames=8, size=64)


def test_a_still_video_has_none(shapes: Tensor) -> None:
    still = shapes[:, :, :1].expand(-1, -1, 5, -1, -1)
    scores = ERROR(still)
    assert scores.shape == (4, 4)
    assert scores.dtype == torch.float64
    assert (scores == 0).all()


@pytest.mark.parametrize("size", [32, 64])
def test_a_texture_that_moves_is_explained_by_its_flow(size: int) -> None:
    clip = moving_texture((1.5, -0.5), num_frames=4, size=size)[None, None]
    unmoved = (clip[:, :, 1:].double() - clip[:, :, :-1].double()).div(255).square().mean((1, 3, 4))
    assert (ERROR(clip) < 1e-4).all()
    assert (unmoved > 20 * ERROR(clip)).all()


def test_disorder_and_flicker_cost(shapes: Tensor) -> None:
    in_order = ERROR(shapes).mean()
    shuffled = shapes[:, :, torch.randperm(8, generator=torch.Generator().manual_seed(0))]
    assert ERROR(shuffled).mean() > 1.3 * in_order
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(-20, 21, shapes.shape, generator=rng)
    assert ERROR((shapes + noise).clamp(0, 255).to(torch.uint8)).mean() > 1.5 * in_order


def test_unit_is_the_range_squared() -> None:
    """Every other frame is 51 levels brighter: 0.2 of the range, and nothing moves."""
    clip = moving_texture((0, 0), num_frames=1, size=32).expand(4, -1, -1).clamp(max=200)
    clip = clip + torch.tensor([0, 51, 0, 51], dtype=torch.uint8)[:, None, None]
    torch.testing.assert_close(
        ERROR(clip[None, None]), torch.full((1, 3), 0.04, dtype=torch.float64), rtol=0.02, atol=0
    )


def test_clips_are_measured_by_themselves_and_channels_averaged(shapes: Tensor) -> None:
    whole = ERROR(shapes)
    torch.testing.assert_close(ERROR(shapes[2:3]), whole[2:3], rtol=1e-12, atol=0)
    one_channel = shapes[:1, :1]
    torch.testing.assert_close(ERROR(one_channel), ERROR(one_channel.expand(-1, 3, -1, -1, -1)), rtol=1e-9, atol=0)


def test_where_nothing_can_be_followed_everything_counts() -> None:
    clip = torch.randint(0, 256, (1, 1, 2, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert ERROR(clip).item() > 0.01


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least 12x12 pixels; got 8x8"):
        ERROR(random_clips(1))
    with pytest.raises(ValueError, match="at least 2 frames; got 1"):
        ERROR(torch.zeros(1, 3, 1, 16, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match="give no real clips"):
        ERROR(torch.zeros(1, 3, 2, 16, 16, dtype=torch.uint8), torch.zeros(1, 3, 2, 16, 16, dtype=torch.uint8))
