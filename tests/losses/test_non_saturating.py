import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.base import Draw
from losses.gradient_penalties import logits_with_gradient, squared_gradient_norms
from losses.non_saturating import NonSaturating

SHAPE = (3, 4, 8, 8)


def linear(weight: Tensor) -> nn.Module:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 1, bias=False))
    critic[1].weight.data = weight.flatten()[None]
    return critic


def discriminator_of(network: nn.Module):
    return lambda videos, labels: (network(videos).squeeze(1),)


def test_an_undecided_discriminator_loses_two_log_two() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    terms = NonSaturating(0).discriminator_loss(discriminator_of(linear(torch.zeros(SHAPE))), real, fake, None, Draw())
    torch.testing.assert_close(terms.total, torch.tensor(2 * math.log(2)))
    assert "r1" not in terms.named


def test_r1_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    weight = torch.randn(SHAPE)
    terms = NonSaturating(r1_weight=10.0).discriminator_loss(discriminator_of(linear(weight)), real, fake, None, Draw())
    torch.testing.assert_close(terms.named["r1"], weight.square().sum() / 2)
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 10.0 * terms.named["r1"])


def test_the_adversarial_terms_are_the_papers() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    network = linear(0.1 * torch.randn(SHAPE))
    discriminator = discriminator_of(network)
    on_real, on_fake = discriminator(real, None)[0], discriminator(fake, None)[0]
    objective = NonSaturating(0)
    torch.testing.assert_close(
        objective.discriminator_loss(discriminator, real, fake, None, Draw()).total,
        -(torch.sigmoid(on_real).log().mean() + (1 - torch.sigmoid(on_fake)).log().mean()),
    )
    torch.testing.assert_close(
        objective.generator_loss(discriminator, real, fake, None, Draw()).total, -torch.sigmoid(on_fake).log().mean()
    )


def test_lazy_r1_comes_every_interval_times_the_interval() -> None:
    real, fake = torch.rand(2, 4, *SHAPE)
    discriminator = discriminator_of(linear(torch.randn(SHAPE)))
    objective = NonSaturating(r1_weight=2.0, penalty_interval=4)
    losses = [objective.discriminator_loss(discriminator, real, fake, None, Draw(step)) for step in range(9)]
    assert [step for step, terms in enumerate(losses) if "r1" in terms.named] == [0, 4, 8]
    torch.testing.assert_close(losses[4].total - losses[4].named["adversarial"], 2.0 * 4 * losses[4].named["r1"])


def test_r2_is_r1_on_the_generated_clips() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 5), nn.Tanh(), nn.Linear(5, 1))
    objective = NonSaturating(r1_weight=3.0, r2_weight=7.0, penalty_interval=2)
    terms = objective.discriminator_loss(discriminator_of(network), real, fake, None, Draw())
    for name, clips in (("r1", real), ("r2", fake)):
        _, (norms,) = logits_with_gradient(discriminator_of(network), clips, None)
        torch.testing.assert_close(terms.named[name], norms.mean().detach() / 2)
    penalties = 2 * (3.0 * terms.named["r1"] + 7.0 * terms.named["r2"])
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + penalties)


def test_one_norm_a_clip_over_all_five_axes_in_float64() -> None:
    clips = torch.rand(3, *SHAPE, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    logits = (scale * clips.square().flatten(1).sum(dim=1),)
    (norms,) = squared_gradient_norms(logits, clips)
    torch.testing.assert_close(norms, ((2 * scale.view(-1, 1) * clips.flatten(1)) ** 2).sum(dim=1).float().double())


def test_a_map_of_logits_is_averaged_within_its_clip() -> None:
    weight = torch.randn(1, 3, 1, 1, 1)

    def discriminator(videos: Tensor, labels: Tensor | None) -> tuple[Tensor, ...]:
        return (F.conv3d(videos, weight),)  # (B, 1, T, H, W)

    _, (norms,) = logits_with_gradient(discriminator, torch.rand(2, *SHAPE), None)
    positions = math.prod(SHAPE[1:])
    torch.testing.assert_close(norms, (weight.square().sum() / positions).expand(2))


def test_r1_trains_the_discriminator() -> None:
    torch.manual_seed(0)
    network = linear(torch.randn(SHAPE))
    real, fake = torch.rand(2, 4, *SHAPE)
    objective = NonSaturating(r1_weight=10.0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    first = None
    for _ in range(20):
        terms = objective.discriminator_loss(discriminator_of(network), real, fake, None, Draw())
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        first = first if first is not None else terms.named["r1"]
    assert terms.named["r1"] < 0.2 * first


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="r1_weight is -1"):
        NonSaturating(-1)
    with pytest.raises(ValueError, match="r2_weight is -2"):
        NonSaturating(1, -2)
    with pytest.raises(ValueError, match="penalty_interval is 0"):
        NonSaturating(penalty_interval=0)
