import torch

from losses.base import Draw
from losses.hinge import Hinge


def test_the_papers_losses() -> None:
    real, fake = torch.tensor([-1.0, 0.5, 1.0, 3.0]), torch.tensor([-3.0, -1.0, 0.0, 2.0])
    loss = Hinge().discriminator_adversarial((real,), (fake,), Draw())
    torch.testing.assert_close(loss, torch.tensor((2 + 0.5 + 0 + 0) / 4 + (0 + 0 + 1 + 3) / 4))
    torch.testing.assert_close(Hinge().generator_adversarial(None, (fake,), Draw()), torch.tensor(2 / 4))


def test_an_undecided_discriminator_loses_two_a_head() -> None:
    heads = (torch.zeros(4), torch.zeros(4, 1, 2, 3, 3, dtype=torch.bfloat16))
    loss = Hinge().discriminator_adversarial(heads, heads, Draw())
    assert loss == 4 and loss.dtype == torch.float32


def test_beyond_the_margin_nothing_is_learnt() -> None:
    real = torch.tensor([2.0, 0.0], requires_grad=True)
    fake = torch.tensor([-2.0, 0.0], requires_grad=True)
    slopes = torch.autograd.grad(Hinge().discriminator_adversarial((real,), (fake,), Draw()), (real, fake))
    assert slopes[0].tolist() == [0, -0.5] and slopes[1].tolist() == [0, 0.5]
    # The generator has no margin.
    (slope,) = torch.autograd.grad(Hinge().generator_adversarial(None, (fake,), Draw()), fake)
    assert slope.tolist() == [-0.5, -0.5]


def test_a_map_has_its_margin_at_each_position() -> None:
    score_map = torch.tensor([[3.0, -1.0]])  # its mean of 1 would be beyond the margin
    assert Hinge().discriminator_adversarial((score_map,), (torch.full((1,), -1.0),), Draw()) == 1
