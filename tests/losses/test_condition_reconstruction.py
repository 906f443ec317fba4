import pytest
import torch

from losses.base import Draw, Judged
from losses.condition_reconstruction import ConditionReconstruction

TERM = ConditionReconstruction()


def loss(**intermediates: torch.Tensor) -> torch.Tensor:
    judged = Judged(torch.zeros(2, 3, 4, 8, 8), None, (torch.zeros(2),), (), None)
    return TERM.generator_term(lambda clips, labels: None, None, judged, Draw(intermediates=intermediates))


def test_the_mean_square_of_the_difference() -> None:
    assert TERM.weight == 1000
    target = torch.zeros(2, 1, 4, 8, 8)
    reconstruction = torch.cat([torch.full((1, 1, 4, 8, 8), 0.5), torch.zeros(1, 1, 4, 8, 8)])
    torch.testing.assert_close(
        loss(reconstruction_target=target, reconstruction=reconstruction), torch.tensor(0.25 / 2)
    )


def test_gradients_flow_through_the_reconstruction_in_float32() -> None:
    reconstruction = torch.ones(2, 3, 1, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    value = loss(reconstruction_target=torch.zeros(2, 3, 1, 4, 4), reconstruction=reconstruction)
    assert value.dtype == torch.float32
    (gradient,) = torch.autograd.grad(value, reconstruction)
    torch.testing.assert_close(gradient.float(), torch.full_like(gradient, 2 / gradient.numel()).float())


def test_a_generator_without_conditions() -> None:
    with pytest.raises(ValueError, match="'reconstruction_target'; ConditionReconstruction needs one"):
        loss(reconstruction=torch.zeros(1))
