import math

import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw
from losses.motion_information import MotionInformation
from losses.r3gan import R3GAN
from networks.base import Judgement
from tests.losses.critics import SHAPE, LinearCritic


def clips(num_clips: int = 4) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.rand(num_clips, *SHAPE, generator=rng), torch.rand(num_clips, *SHAPE, generator=rng)


def test_both_losses_are_log_2_where_nothing_is_told_apart() -> None:
    logits = (torch.full((4,), 3.0, dtype=torch.bfloat16),)
    for loss in (R3GAN().discriminator_adversarial, R3GAN().generator_adversarial):
        torch.testing.assert_close(loss(logits, logits, Draw()), torch.tensor(math.log(2)))


def test_pairs() -> None:
    real, fake = torch.tensor([[4.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [2.0, -4.0]])
    expected = torch.nn.functional.softplus(torch.tensor([-3.0, 0.0, 1.0, -5.0])).mean()  # -(real - fake)
    torch.testing.assert_close(R3GAN().discriminator_adversarial((real,), (fake,), Draw()), expected)
    torch.testing.assert_close(R3GAN().generator_adversarial((fake,), (real,), Draw()), expected)
    assert R3GAN.is_relativistic


def test_penalties_of_a_linear_discriminator_on_both_sides_at_every_step() -> None:
    real, fake = clips()
    discriminator = LinearCritic(2.0, 3.0)
    for step in (0, 7):
        terms = R3GAN(gamma=2.0).discriminator_loss(discriminator, real, fake, None, Draw(step))
        for name in ("r1", "r2"):
            torch.testing.assert_close(terms.named[name], torch.tensor((4.0 + 9.0) / 2))
        torch.testing.assert_close(terms.total, terms.named["adversarial"] + 2 * 13.0)
        terms.total.backward()
        assert discriminator.weights.grad is not None and discriminator.weights.grad.isfinite().all()


def test_gamma_falls_along_half_a_cosine_and_stays() -> None:
    real, fake = clips(2)
    objective = R3GAN(gamma=2.0, gamma_last=0.5, decay_steps=100)
    for step, gamma in ((0, 2.0), (25, 0.5 + 1.5 * (1 + math.sqrt(0.5)) / 2), (50, 1.25), (100, 0.5), (1000, 0.5)):
        terms = objective.discriminator_loss(LinearCritic(1.0), real, fake, None, Draw(step, update=7))
        torch.testing.assert_close(terms.named["r1"], torch.tensor(0.5))  # without gamma, as every term
        torch.testing.assert_close(terms.named["r2"], torch.tensor(0.5))
        torch.testing.assert_close(terms.total.detach(), terms.named["adversarial"] + gamma)


def test_without_gamma_no_clip_is_differentiated() -> None:
    real, fake = clips(2)
    assert "r1" not in R3GAN(gamma=0).discriminator_loss(LinearCritic(1.0), real, fake, None, Draw()).named
    critic_with_batch_norm = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4))
    R3GAN(gamma=0).check(critic_with_batch_norm)


def test_penalties_are_in_float32_under_autocast_and_reach_the_discriminator() -> None:
    real, fake = clips(2)
    conv, dtypes = nn.Conv3d(3, 4, (4, 8, 8)), []

    def discriminator(seen: Tensor, labels: Tensor | None) -> Judgement:
        logits = conv(seen).tanh().flatten(1).sum(dim=1)
        dtypes.append(logits.dtype)
        return Judgement((logits,))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = R3GAN().discriminator_loss(discriminator, real, fake, None, Draw())
        R3GAN().generator_loss(discriminator, real, fake, None, Draw())
    assert dtypes == [torch.float32, torch.float32, torch.bfloat16, torch.bfloat16]
    assert terms.total.dtype == torch.float32
    terms.total.backward()
    assert conv.weight.grad is not None and conv.weight.grad.abs().sum() > 0


def test_further_terms() -> None:
    objective = R3GAN(terms={"motion": MotionInformation()})
    assert list(objective.terms) == ["r1", "r2", "motion"]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="gamma is -1"):
        R3GAN(gamma=-1)
    with pytest.raises(ValueError, match=r"gamma_last is 0\.1, decay_steps None; give both"):
        R3GAN(gamma_last=0.1)
    with pytest.raises(ValueError, match="decay_steps 0"):
        R3GAN(gamma_last=0.1, decay_steps=0)
    with pytest.raises(ValueError, match="batch norm"):
        R3GAN(gamma=0, gamma_last=1.0, decay_steps=9).check(nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4)))
