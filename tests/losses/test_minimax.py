import math

import pytest
import torch
from torch import nn

from losses.base import Draw
from losses.minimax import Minimax
from tests.losses.critics import judging

CLIPS = torch.rand(4, 3, 2, 4, 4)


def test_both_players_share_one_value() -> None:
    # V(D, G) = E log D(x) + E log(1 - D(G(z))): D minimises -V, of which G minimises the second part.
    discriminator = judging(nn.Sequential(nn.Flatten(), nn.Linear(96, 1)))
    fake = CLIPS.flip(0) - 1
    on_real, on_fake = (torch.sigmoid(discriminator(clips, None).logits[0]) for clips in (CLIPS, fake))
    loss = Minimax().discriminator_loss(discriminator, CLIPS, fake, None, Draw())
    torch.testing.assert_close(loss.total, -on_real.log().mean() - (1 - on_fake).log().mean())
    loss = Minimax().generator_loss(discriminator, CLIPS, fake, None, Draw())
    torch.testing.assert_close(loss.total, (1 - on_fake).log().mean())


def test_an_undecided_discriminator_is_as_unsure_of_a_smoothed_target() -> None:
    undecided = judging(lambda clips: clips.flatten(1).sum(dim=1) * 0)
    loss = Minimax(0.9).discriminator_loss(undecided, CLIPS, CLIPS, None, Draw())
    assert loss.total.item() == pytest.approx(2 * math.log(2))


def test_its_gradient_saturates() -> None:
    # d/dy -softplus(y) = -sigmoid(y): the surer the discriminator is of a fake clip, the less the generator learns.
    logits = torch.tensor([-10.0, 0.0, 10.0], requires_grad=True)
    (slope,) = torch.autograd.grad(Minimax().generator_adversarial(None, (logits,), Draw()), logits)
    torch.testing.assert_close(slope, -torch.sigmoid(logits.detach()) / 3)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"real_target is 0\.3"):
        Minimax(0.3)
