import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.base import DiscriminatorFunction, Draw
from losses.vgan import MaskSparsity, TwoWayCrossEntropy
from networks.base import Judgement

SHAPE = (3, 4, 8, 8)


def two_way(scale: float) -> nn.Module:
    """Logits for real and for fake, (B, 2)."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 2))
    network[1].weight.data.mul_(scale)
    network[1].bias.data.mul_(scale)
    return network


def discriminator_of(network: nn.Module) -> DiscriminatorFunction:
    def judged(clips: Tensor, labels: Tensor | None) -> Judgement:
        real, fake = network(clips).unbind(1)
        return Judgement((real - fake,))

    return judged


def test_it_is_softmax_cross_entropy_over_two_classes() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    network = two_way(5.0)
    is_real, is_fake = torch.zeros(6, dtype=torch.long), torch.ones(6, dtype=torch.long)
    on_real = F.cross_entropy(network(real), is_real)
    on_fake = F.cross_entropy(network(fake), is_fake)
    objective, discriminator = TwoWayCrossEntropy(), discriminator_of(network)
    torch.testing.assert_close(
        objective.discriminator_loss(discriminator, real, fake, None, Draw()).total, (on_real + on_fake) / 2
    )
    torch.testing.assert_close(
        objective.generator_loss(discriminator, real, fake, None, Draw()).total, F.cross_entropy(network(fake), is_real)
    )


def test_both_halves_are_averaged_and_heads_add_up() -> None:
    objective = TwoWayCrossEntropy()
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([[0.5, 3.0]])
    expected = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
    torch.testing.assert_close(objective.discriminator_adversarial((real,), (fake,), Draw()), expected)
    torch.testing.assert_close(objective.discriminator_adversarial((real, real), (fake, fake), Draw()), 2 * expected)
    torch.testing.assert_close(
        objective.generator_adversarial(None, (fake, fake), Draw()), 2 * F.softplus(-fake).mean()
    )


def test_gradients_are_the_closed_forms() -> None:
    clips = torch.rand(2, 3, *SHAPE, dtype=torch.float64)[..., :2, :2]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 2 * 2, 2)).double()
    objective, discriminator = TwoWayCrossEntropy({"mask": MaskSparsity()}), discriminator_of(network)

    def loss(fake: Tensor) -> Tensor:
        mask = fake[:, :1].sigmoid()
        return objective.generator_loss(discriminator, clips[0], fake, None, Draw(intermediates={"mask": mask})).total

    fake = clips[1].requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(fake), fake)
    (difference,) = torch.autograd.grad(network(fake)[:, 0].sum() - network(fake)[:, 1].sum(), fake)
    logits = network(fake)[:, 0] - network(fake)[:, 1]
    expected = -torch.sigmoid(-logits)[:, None, None, None, None] / 3 * difference
    mask = fake[:, :1].sigmoid()
    expected[:, :1] += 0.1 * mask * (1 - mask) / mask.numel()
    torch.testing.assert_close(gradient, expected.detach(), rtol=1e-5, atol=1e-7)


def test_the_mask_costs_a_tenth_of_its_mean() -> None:
    real, fake = torch.rand(2, 2, *SHAPE)
    mask = torch.rand(2, 1, *SHAPE[1:], requires_grad=True)
    draw = Draw(intermediates={"mask": mask})
    discriminator = discriminator_of(two_way(1.0))
    terms = TwoWayCrossEntropy({"mask_sparsity": MaskSparsity()}).generator_loss(discriminator, real, fake, None, draw)
    torch.testing.assert_close(terms.named["mask_sparsity"], mask.mean().detach())  # what is logged: the share itself
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 0.1 * mask.mean())
    terms.total.backward()
    torch.testing.assert_close(mask.grad, torch.full_like(mask, 0.1 / mask.numel()))


def test_the_mask_does_not_concern_the_discriminator() -> None:
    real, fake = torch.rand(2, 2, *SHAPE)
    objective = TwoWayCrossEntropy({"mask_sparsity": MaskSparsity()})
    terms = objective.discriminator_loss(discriminator_of(two_way(1.0)), real, fake, None, Draw())
    assert "mask_sparsity" not in terms.named
    torch.testing.assert_close(terms.total, terms.named["adversarial"], check_dtype=False)


def test_bfloat16_losses_are_float32() -> None:
    real, fake = torch.rand(2, 2, *SHAPE)
    objective, discriminator = TwoWayCrossEntropy({"mask_sparsity": MaskSparsity()}), discriminator_of(two_way(1.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        draw = Draw(intermediates={"mask": torch.rand(2, 1, *SHAPE[1:], dtype=torch.bfloat16)})
        for loss in (objective.discriminator_loss, objective.generator_loss):
            terms = loss(discriminator, real, fake, None, draw)
            assert terms.total.dtype == torch.float32 and terms.total.isfinite()


def test_mistakes() -> None:
    real, fake = torch.rand(2, 2, *SHAPE)
    objective = TwoWayCrossEntropy({"mask_sparsity": MaskSparsity()})
    with pytest.raises(ValueError, match="needs a generator with a mask"):
        objective.generator_loss(discriminator_of(two_way(1.0)), real, fake, None, Draw())
    with pytest.raises(ValueError, match="weight of MaskSparsity is -1"):
        MaskSparsity(-1)
