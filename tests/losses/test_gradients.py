"""The gradients of both losses, of every objective and every term, against finite differences in float64."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from losses.base import AdversarialObjective, Draw
from networks.base import Judgement
from tests.losses.critics import SmoothCritic
from tests.losses.every import OBJECTIVES, WITH_TERMS

ALL = {**OBJECTIVES, **WITH_TERMS}
LABELS = torch.tensor([2, 0])


def setting(objective: AdversarialObjective) -> tuple[SmoothCritic, Tensor, Tensor, Draw]:
    """A critic, real and fake clips, and what else is drawn for an update."""
    real, fake = torch.rand(2, 2, 1, 2, 2, 2, dtype=torch.float64) * 2 - 1
    draw = Draw(5, objective.sample_noise(2, torch.Generator().manual_seed(0)), {"category": LABELS})
    return SmoothCritic().double(), real, fake, draw


def with_intermediates(draw: Draw, real: Tensor, fake: Tensor) -> Draw:
    """As if the generator had made the fake clips on the way to them."""
    made = {
        "mask": fake.sigmoid(),
        "reconstruction_target": real[:, :, 0],
        "reconstruction": fake[:, :, 0],
        "motion_noise": real.flatten(2),
        "motion_noise_predicted": fake.flatten(2),
    }
    return replace(draw, intermediates=made)


def check(loss: Callable[..., Tensor], *inputs: Tensor) -> None:
    assert loss(*inputs).dtype == torch.float64
    leaves = tuple(each.detach().requires_grad_(True) for each in inputs)
    assert torch.autograd.gradcheck(loss, leaves, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_the_discriminators_weights(name: str) -> None:
    critic, real, fake, draw = setting(ALL[name])
    names, weights = zip(*critic.named_parameters(), strict=True)

    def loss(*weights: Tensor) -> Tensor:
        def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
            return functional_call(critic, dict(zip(names, weights, strict=True)), (clips, labels))

        return ALL[name].discriminator_loss(discriminator, real, fake, LABELS, draw).total

    check(loss, *weights)


@pytest.mark.parametrize("name", ALL)
def test_the_generators_clips(name: str) -> None:
    critic, real, fake, draw = setting(ALL[name])

    def loss(fake: Tensor) -> Tensor:
        return ALL[name].generator_loss(critic, real, fake, LABELS, with_intermediates(draw, real, fake)).total

    check(loss, fake)


@pytest.mark.parametrize("name", WITH_TERMS)
def test_each_term_takes_part(name: str) -> None:
    critic, real, fake, draw = setting(ALL[name])
    draw = with_intermediates(draw, real, fake)
    losses = ALL[name].discriminator_loss, ALL[name].generator_loss
    assert any(name in loss(critic, real, fake, LABELS, draw).named for loss in losses)


def test_all_are_found() -> None:
    assert {"WGANGP", "Hinge", "R3GAN", "FeatureMatchingGAN"} < set(OBJECTIVES)
    assert {"R1", "R2", "GradientPenalty", "DRAGAN", "InfoGAN", "MaskSparsity"} < set(WITH_TERMS)
