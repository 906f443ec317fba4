import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.base import Draw, judge
from losses.gradient_penalties import squared_gradient_norms
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1, R2
from networks.base import Judgement
from tests.losses.critics import SHAPE, LinearCritic, judging


def test_r1_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    terms = NonSaturating(terms={"r1": R1(10.0)}).discriminator_loss(LinearCritic(3.0), real, fake, None, Draw())
    torch.testing.assert_close(terms.named["r1"], torch.tensor(4.5))
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 10.0 * terms.named["r1"])


def test_a_lazy_penalty_comes_every_interval_times_the_interval() -> None:
    real, fake = torch.rand(2, 4, *SHAPE)
    objective = NonSaturating(terms={"r1": R1(2.0, interval=4)})
    losses = [objective.discriminator_loss(LinearCritic(1.0), real, fake, None, Draw(update=i)) for i in range(9)]
    assert [i for i, terms in enumerate(losses) if "r1" in terms.named] == [0, 4, 8]
    torch.testing.assert_close(losses[4].total - losses[4].named["adversarial"], 2.0 * 4 * losses[4].named["r1"])


def test_r2_is_r1_on_the_generated_clips() -> None:
    real, fake = torch.rand(2, 6, *SHAPE)
    network = judging(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(SHAPE), 5), nn.Tanh(), nn.Linear(5, 1)))
    objective = NonSaturating(terms={"r1": R1(3.0, 2), "r2": R2(7.0, 2)})
    terms = objective.discriminator_loss(network, real, fake, None, Draw())
    for name, clips in (("r1", real), ("r2", fake)):
        judged = judge(network, clips, None, differentiable=True)
        (norms,) = squared_gradient_norms(judged.logits, judged.clips)
        torch.testing.assert_close(terms.named[name], norms.mean().detach() / 2)
    penalties = 2 * (3.0 * terms.named["r1"] + 7.0 * terms.named["r2"])
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + penalties)


def test_heads_add_up() -> None:
    real, fake = torch.rand(2, 4, *SHAPE)
    objective = NonSaturating(terms={"r1": R1(1.0)})
    terms = objective.discriminator_loss(LinearCritic(1.0, 2.0), real, fake, None, Draw())
    torch.testing.assert_close(terms.named["r1"], torch.tensor((1.0 + 4.0) / 2))


def test_one_norm_a_clip_over_all_five_axes_in_float64() -> None:
    clips = torch.rand(3, *SHAPE, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    logits = (scale * clips.square().flatten(1).sum(dim=1),)
    (norms,) = squared_gradient_norms(logits, clips)
    torch.testing.assert_close(norms, ((2 * scale.view(-1, 1) * clips.flatten(1)) ** 2).sum(dim=1))


def test_a_map_of_logits_is_averaged_within_its_clip() -> None:
    weight = torch.randn(1, 3, 1, 1, 1)

    def discriminator(videos: Tensor, labels: Tensor | None) -> Judgement:
        return Judgement((F.conv3d(videos, weight),))  # (B, 1, T, H, W)

    judged = judge(discriminator, torch.rand(2, *SHAPE), None, differentiable=True)
    (norms,) = squared_gradient_norms(judged.logits, judged.clips)
    positions = math.prod(SHAPE[1:])
    torch.testing.assert_close(norms, (weight.square().sum() / positions).expand(2))


def test_penalties_are_in_float32_under_autocast_and_the_rest_is_not() -> None:
    real, fake = torch.rand(2, 4, *SHAPE)
    critic = nn.Conv3d(3, 1, (4, 8, 8))
    dtypes = []

    def discriminator(videos: Tensor, labels: Tensor | None) -> Judgement:
        logits = critic(videos).flatten()
        dtypes.append(logits.dtype)
        return Judgement((logits,))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = NonSaturating(terms={"r1": R1()}).discriminator_loss(discriminator, real, fake, None, Draw())
    assert dtypes == [torch.float32, torch.bfloat16]
    torch.testing.assert_close(terms.named["r1"], critic.weight.square().sum().detach() / 2)


def test_r1_trains_the_discriminator() -> None:
    torch.manual_seed(0)
    critic = LinearCritic(14.0)
    real, fake = torch.rand(2, 4, *SHAPE)
    objective = NonSaturating(terms={"r1": R1(10.0)})
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.01)
    penalties = []
    for _ in range(20):
        terms = objective.discriminator_loss(critic, real, fake, None, Draw())
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        penalties.append(terms.named["r1"])
    assert penalties[-1] < 0.2 * penalties[0]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="weight of R1 is -1"):
        R1(-1)
    with pytest.raises(ValueError, match="interval of R2 is 0"):
        R2(interval=0)
    with pytest.raises(ValueError, match="R2 takes one gradient norm a clip"):
        NonSaturating(terms={"r2": R2()}).check(nn.BatchNorm3d(3))
