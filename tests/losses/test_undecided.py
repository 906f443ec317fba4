"""Where every objective begins: with a discriminator that says nothing yet."""

import math

import pytest
import torch
from torch import Tensor

from losses.base import Draw, LossTerms
from networks.base import Judgement
from tests.losses.every import OBJECTIVES

CLIPS = torch.rand(4, 3, 2, 4, 4)
LOG_2 = math.log(2)
# Of the discriminator and of the generator where all logits are 0.
VALUES = {
    "Minimax": (2 * LOG_2, -LOG_2),
    "NonSaturating": (2 * LOG_2, LOG_2),
    "TwoWayCrossEntropy": (LOG_2, LOG_2),
    "LeastSquares": (0.5, 0.5),
    "Hinge": (2, 0),
    "Wasserstein": (0, 0),
    "WGANGP": (10, 0),  # the penalty of a flat critic
    "RelativisticAverageLeastSquares": (0.5, 0.5),
    "R3GAN": (LOG_2, LOG_2),
    "FeatureMatchingGAN": (2 * LOG_2, 0),
}


def losses(name: str, logit: float) -> tuple[LossTerms, LossTerms]:
    """Both losses where all clips, real and fake alike, get this logit."""

    def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
        features = clips.flatten(1)
        return Judgement((features.sum(dim=1) * 0 + logit,), (features,))

    objective = OBJECTIVES[name]
    draw = Draw(0, objective.sample_noise(4, torch.Generator().manual_seed(0)))
    return (
        objective.discriminator_loss(discriminator, CLIPS, CLIPS, None, draw),
        objective.generator_loss(discriminator, CLIPS, CLIPS, None, draw),
    )


@pytest.mark.parametrize("name", VALUES)
def test_both_losses(name: str) -> None:
    assert tuple(float(loss.total.detach()) for loss in losses(name, 0.0)) == pytest.approx(
        VALUES[name], rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize("name", VALUES)
def test_the_undecided_logit_and_the_signs_around_it(name: str) -> None:
    undecided = OBJECTIVES[name].undecided
    if name in {"Wasserstein", "WGANGP", "RelativisticAverageLeastSquares", "R3GAN"}:
        assert undecided is None and "signs_real" not in losses(name, 0.0)[0].named
    else:
        assert undecided == (0.5 if name == "LeastSquares" else 0)
        for distance, sign in ((-0.1, -1), (0, 0), (0.1, 1)):
            assert losses(name, undecided + distance)[0].named["signs_real"] == sign
