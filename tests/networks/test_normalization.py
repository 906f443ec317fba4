from functools import partial

import pytest
import torch
from torch import nn

from networks.normalization import norm_layer


@pytest.mark.parametrize(("norm", "axes"), [("batch", (0, 2, 3, 4)), ("instance", (2, 3, 4)), ("layer", (1, 2, 3, 4))])
def test_statistics_are_taken_where_they_should(norm, axes: tuple[int, ...]) -> None:
    normed = norm_layer(norm, 6)(5 + 3 * torch.randn(4, 6, 3, 8, 8))
    means, deviations = normed.mean(dim=axes), normed.std(dim=axes, correction=0)
    torch.testing.assert_close(means, torch.zeros_like(means), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviations, torch.ones_like(deviations), atol=1e-4, rtol=0)


def test_batch_norms_are_the_callers() -> None:
    assert norm_layer("batch", 6, partial(nn.BatchNorm2d, eps=0.5)).eps == 0.5
    assert [type(norm_layer(norm, 6, nn.BatchNorm2d)) for norm in ("batch", "layer", "none")] == [
        *(nn.BatchNorm2d, nn.GroupNorm, nn.Identity)
    ]


def test_instance_norm_is_torchs_and_takes_grids_of_one_position() -> None:
    norm, clips = norm_layer("instance", 6), torch.randn(4, 6, 3, 8, 8)
    torch.testing.assert_close(norm(clips), nn.InstanceNorm3d(6)(clips))
    assert norm.weight.shape == norm.bias.shape == (6,)
    assert norm(torch.randn(4, 6, 1, 1, 1)).abs().max() < 1e-3  # its bias, 0


def test_unknown_norms() -> None:
    with pytest.raises(ValueError, match="norm is 'group'; it must be batch, layer, instance or none"):
        norm_layer("group", 6)
