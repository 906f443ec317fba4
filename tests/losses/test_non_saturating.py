import math

import pytest
import torch

from losses.base import Draw
from losses.non_saturating import NonSaturating
from tests.losses.critics import SHAPE, LinearCritic


def test_the_adversarial_terms_are_the_papers() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    critic = LinearCritic(2.0)
    (on_real,), (on_fake,) = critic(real).logits, critic(fake).logits
    objective = NonSaturating()
    torch.testing.assert_close(
        objective.discriminator_loss(critic, real, fake, None, Draw()).total,
        -(torch.sigmoid(on_real).log().mean() + (1 - torch.sigmoid(on_fake)).log().mean()),
    )
    torch.testing.assert_close(
        objective.generator_loss(critic, real, fake, None, Draw()).total, -torch.sigmoid(on_fake).log().mean()
    )


def test_heads_add_up() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    terms = NonSaturating().discriminator_loss(LinearCritic(0.0, 0.0, 0.0), real, fake, None, Draw())
    torch.testing.assert_close(terms.total, torch.tensor(3 * 2 * math.log(2)))


def test_one_sided_label_smoothing_changes_the_real_side_alone() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    critic = LinearCritic(2.0)
    plain, smooth = (
        objective.discriminator_loss(critic, real, fake, None, Draw()).total
        for objective in (NonSaturating(), NonSaturating(real_target=0.9))
    )
    # 0.1 of the real clips' weight goes to the other answer: softplus(d) - softplus(-d) = d.
    torch.testing.assert_close(smooth - plain, 0.1 * critic(real).logits[0].mean())
    generators = [
        objective.generator_loss(critic, real, fake, None, Draw()).total
        for objective in (NonSaturating(), NonSaturating(real_target=0.9))
    ]
    assert generators[0] == generators[1]


@pytest.mark.parametrize("real_target", [0.5, 1.1, -0.9])
def test_targets_that_teach_nothing(real_target: float) -> None:
    with pytest.raises(ValueError, match=f"real_target is {real_target}"):
        NonSaturating(real_target)
