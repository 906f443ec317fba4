import pytest
import torch
from torch import nn

from losses.weight_clipping import WeightClipping


def test_every_parameter_is_clipped_and_no_other_changed() -> None:
    critic = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.Linear(4, 1))
    before = [parameter.clone() for parameter in critic.parameters()]
    WeightClipping(0.05).apply(critic, 0)
    for old, new in zip(before, critic.parameters(), strict=True):
        torch.testing.assert_close(new, old.clamp(-0.05, 0.05))
        assert new.requires_grad
    assert torch.equal(critic[1].weight, torch.full((4,), 0.05))
    assert torch.equal(critic[1].running_var, torch.ones(4))


def test_frozen_parameters_stay() -> None:
    critic = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    before = critic[0].requires_grad_(False).weight.clone()
    WeightClipping(0.01).apply(critic, 0)
    assert torch.equal(critic[0].weight, before) and critic[1].weight.abs().max() <= 0.01


@pytest.mark.parametrize("limit", [0.0, -0.01])
def test_limits_that_cannot_be(limit: float) -> None:
    with pytest.raises(ValueError, match="limit is"):
        WeightClipping(limit)
