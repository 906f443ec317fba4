import math

import pytest
import torch
import torch.nn.functional as F

from losses.base import Draw
from losses.relativistic_average import RelativisticAverage
from tests.losses.critics import SHAPE, LinearCritic


def test_both_losses_of_a_known_critic() -> None:
    real, fake = torch.rand(2, 5, *SHAPE)
    critic = LinearCritic(3.0)
    (on_real,), (on_fake,) = critic(real).logits, critic(fake).logits
    above_fake, above_real = on_real - on_fake.mean(), on_fake - on_real.mean()
    objective = RelativisticAverage()
    torch.testing.assert_close(
        objective.discriminator_loss(critic, real, fake, None, Draw()).total,
        -(F.logsigmoid(above_fake).mean() + F.logsigmoid(-above_real).mean()),
    )
    torch.testing.assert_close(
        objective.generator_loss(critic, real, fake, None, Draw()).total,
        -(F.logsigmoid(-above_fake).mean() + F.logsigmoid(above_real).mean()),
    )


def test_an_undecided_critic_costs_both_two_log_two_a_head() -> None:
    real, fake = torch.rand(2, 3, *SHAPE)
    objective, critic = RelativisticAverage(), LinearCritic(0.0, 0.0)
    for loss in (objective.discriminator_loss, objective.generator_loss):
        assert float(loss(critic, real, fake, None, Draw()).total.detach()) == pytest.approx(4 * math.log(2))


def test_what_all_logits_share_does_not_count() -> None:
    real, fake = torch.rand(2, 3, *SHAPE)
    critic = LinearCritic(1.0)
    shifted = lambda clips, labels: critic(clips)._replace(logits=(critic(clips).logits[0] + 7,))  # noqa: E731
    for loss in (RelativisticAverage().discriminator_loss, RelativisticAverage().generator_loss):
        expected = loss(critic, real, fake, None, Draw()).total
        torch.testing.assert_close(loss(shifted, real, fake, None, Draw()).total, expected)
    assert RelativisticAverage().undecided is None


def test_means_are_taken_over_processes() -> None:
    real, fake = torch.rand(2, 4, *SHAPE)
    critic = LinearCritic(1.0)
    means = torch.stack([critic(real).logits[0].mean(), critic(fake).logits[0].mean()])
    halves = [
        RelativisticAverage().discriminator_loss(
            critic, real[part], fake[part], None, Draw(mean_over_processes=lambda _: means)
        )
        for part in (slice(0, 2), slice(2, 4))
    ]
    whole = RelativisticAverage().discriminator_loss(critic, real, fake, None, Draw())
    torch.testing.assert_close((halves[0].total + halves[1].total) / 2, whole.total)
