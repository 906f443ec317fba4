import torch
from torch import Tensor

from losses.base import Draw
from losses.relativistic import RelativisticAverageLeastSquares
from networks.base import Judgement

DRAW = Draw()


def test_closed_form() -> None:
    real, fake = (torch.tensor([3.0, 5.0]),), (torch.tensor([1.0, 2.0, 3.0, 6.0]),)  # means 4 and 3
    objective = RelativisticAverageLeastSquares()
    # real - 3 - 1 = -1, 1; fake - 4 = -3, -2, -1, 2
    torch.testing.assert_close(objective.discriminator_adversarial(real, fake, DRAW), torch.tensor((1 + 18 / 4) / 2))
    # real - 3 = 0, 2; fake - 4 - 1 = -4, -3, -2, 1
    torch.testing.assert_close(objective.generator_adversarial(real, fake, DRAW), torch.tensor((2 + 30 / 4) / 2))


def test_the_papers_targets() -> None:
    real, fake = (torch.tensor([3.0, 5.0]),), (torch.tensor([1.0, 2.0, 3.0, 6.0]),)
    objective = RelativisticAverageLeastSquares(fake_target=-1.0)
    # fake - 4 + 1 = -2, -1, 0, 3
    torch.testing.assert_close(objective.discriminator_adversarial(real, fake, DRAW), torch.tensor((1 + 14 / 4) / 2))


def test_initial_losses_heads_and_maps() -> None:
    logits = (torch.zeros(4, dtype=torch.bfloat16), torch.zeros(4, 1, 5, 3, 3))
    objective = RelativisticAverageLeastSquares()
    for loss in (objective.discriminator_adversarial, objective.generator_adversarial):
        value = loss(logits, logits, DRAW)
        assert value.dtype == torch.float32
        assert value.item() == 2 * 0.5


def test_the_means_are_over_all_processes() -> None:
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0, 3.0, 6.0])  # means 4 and 3

    def with_another_process(means: Tensor) -> Tensor:
        return (means + torch.tensor([8.0, 5.0])) / 2  # 6 and 4

    draw = Draw(mean_over_processes=with_another_process)
    loss = RelativisticAverageLeastSquares().discriminator_adversarial((real,), (fake,), draw)
    # real - 4 - 1 = -2, 0; fake - 6 = -5, -4, -3, 0
    torch.testing.assert_close(loss, torch.tensor((2 + 50 / 4) / 2))


def test_only_differences_count() -> None:
    real, fake = torch.randn(8, 3), torch.randn(8, 3)
    objective = RelativisticAverageLeastSquares()
    for loss in (objective.discriminator_adversarial, objective.generator_adversarial):
        torch.testing.assert_close(loss((real + 7,), (fake + 7,), DRAW), loss((real,), (fake,), DRAW))


def test_the_generator_is_moved_by_the_mean_that_real_clips_are_compared_with() -> None:
    real, fake = torch.zeros(2), torch.zeros(2, requires_grad=True)

    def discriminator(seen: Tensor, labels: Tensor | None) -> Judgement:
        return Judgement((seen,))

    RelativisticAverageLeastSquares().generator_loss(discriminator, real, fake, None, DRAW).total.backward()
    # d/df_i 1/2 [mean (r - mean f)^2 + mean (f - mean r - 1)^2] at 0 = 1/2 * 2 * (-1) / 2
    torch.testing.assert_close(fake.grad, torch.full((2,), -0.5))
    real_moved = torch.full((2,), 3.0)
    fake.grad = None
    RelativisticAverageLeastSquares().generator_loss(discriminator, real_moved, fake, None, DRAW).total.backward()
    # the first part adds 1/2 * 2 * 3 * (-1/2) = -1.5, the second has -4 instead of -1: -2
    torch.testing.assert_close(fake.grad, torch.full((2,), -3.5))
