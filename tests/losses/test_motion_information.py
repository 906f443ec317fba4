import pytest
import torch
from torch import Tensor

from losses.base import Draw
from losses.motion_information import MotionInformation
from losses.relativistic import RelativisticAverageLeastSquares
from networks.base import Judgement


def discriminator(seen: Tensor, labels: Tensor | None) -> Judgement:
    return Judgement((seen.flatten(1).sum(dim=1),))


def term(noise: Tensor, predicted: Tensor) -> Tensor:
    objective = RelativisticAverageLeastSquares(terms={"motion": MotionInformation(weight=2.0)})
    draw = Draw(intermediates={"motion_noise": noise, "motion_noise_predicted": predicted})
    clips = torch.zeros(2, 3, 4, 4, 4)
    terms = objective.generator_loss(discriminator, clips, clips, None, draw)
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 2.0 * terms.named["motion"])
    return terms.named["motion"]


def test_closed_form() -> None:
    noise = torch.randn(2, 3, 8)
    assert term(noise, 5 * noise).item() == pytest.approx(-1)
    assert term(noise, -noise).item() == pytest.approx(1)
    swapped = torch.stack([-noise[..., 1], noise[..., 0], torch.zeros(2, 3)], dim=-1)  # a right angle
    assert term(noise[..., :3] * torch.tensor([1.0, 1.0, 0.0]), swapped).item() == pytest.approx(0, abs=1e-6)
    half = torch.cat([noise[:1], -noise[1:]])
    assert term(noise, half).item() == pytest.approx(0, abs=1e-6)  # a mean over clips: one 1, one -1


def test_gradient() -> None:
    noise = torch.randn(2, 3, 4)
    predicted = torch.randn(2, 3, 4, requires_grad=True)
    draw = Draw(intermediates={"motion_noise": noise, "motion_noise_predicted": predicted})
    value = MotionInformation().generator_term(discriminator, None, None, draw)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(value, predicted)
    assert gradient.abs().sum() > 0
    # The length of a prediction does not count, so the gradient is at right angles to it.
    torch.testing.assert_close((gradient * predicted).sum(dim=-1), torch.zeros(2, 3), rtol=0, atol=1e-6)


def test_a_generator_without_motion_noise() -> None:
    objective = RelativisticAverageLeastSquares(terms={"motion": MotionInformation()})
    clips = torch.zeros(2, 3, 4, 4, 4)
    with pytest.raises(ValueError, match="MotionInformation needs a generator that predicts its noise"):
        objective.generator_loss(discriminator, clips, clips, None, Draw())
