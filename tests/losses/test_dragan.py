import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw, judge
from losses.dragan import DRAGAN, with_noise
from losses.non_saturating import NonSaturating
from networks.base import Judgement
from tests.losses.critics import SHAPE, LinearCritic, judging


def penalty(discriminator, clips: Tensor) -> Tensor:
    term = DRAGAN()
    draw = Draw(noise=term.sample_noise(len(clips), torch.Generator().manual_seed(0)))
    judged = judge(discriminator, clips, None)
    return term.discriminator_term(discriminator, judged, judged, draw)


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_a_linear_discriminator(norm: float) -> None:
    torch.testing.assert_close(penalty(LinearCritic(norm), torch.rand(4, *SHAPE)), torch.tensor((norm - 1) ** 2))


def test_it_is_taken_at_the_noisy_clips() -> None:
    # D(x) = |x|^2 / 2 has the gradient x.
    clips = torch.rand(3, *SHAPE)
    noise = DRAGAN().sample_noise(3, torch.Generator().manual_seed(0))
    expected = ((with_noise(clips, noise["seed"]).flatten(1).norm(dim=1) - 1) ** 2).mean()
    value = penalty(judging(lambda x: x.flatten(1).square().sum(dim=1) / 2), clips)
    torch.testing.assert_close(value, expected)


def test_the_noise_is_normal_with_half_the_clips_deviation() -> None:
    clips = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    clips[1] *= 4
    noise = (with_noise(clips, torch.tensor([5, 6])) - clips).flatten(1)
    deviation = clips.flatten(1).std(dim=1)
    torch.testing.assert_close(noise.std(dim=1), deviation / 2, rtol=0.08, atol=0)
    assert (noise.mean(dim=1).abs() < 0.1 * deviation).all()
    kurtosis = ((noise / noise.std(dim=1, keepdim=True)) ** 4).mean(dim=1)
    torch.testing.assert_close(kurtosis, torch.full((2,), 3.0), rtol=0.25, atol=0)


def test_a_clips_noise_depends_on_its_seed_alone() -> None:
    clips, seeds = torch.rand(4, *SHAPE), DRAGAN().sample_noise(4, torch.Generator().manual_seed(0))["seed"]
    together = with_noise(clips, seeds)
    torch.testing.assert_close(with_noise(clips[2:], seeds[2:]), together[2:], rtol=0, atol=0)
    assert len((together - clips).flatten(1)[:, 0].unique()) == 4
    assert torch.equal(with_noise(torch.ones_like(clips), seeds), torch.ones_like(clips))


def test_second_derivatives_reach_the_discriminator_in_float32_under_autocast() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 4), nn.Tanh(), nn.Linear(4, 1))
    dtypes = []

    def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
        logits = network(clips).squeeze(1)
        dtypes.append(logits.dtype)
        return Judgement((logits,))

    objective = NonSaturating(terms={"dragan": DRAGAN(10.0)})
    real, fake = torch.rand(2, 3, *SHAPE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        draw = Draw(noise=objective.sample_noise(3, torch.Generator().manual_seed(0)))
        terms = objective.discriminator_loss(discriminator, real, fake, None, draw)
    assert dtypes == [torch.bfloat16, torch.bfloat16, torch.float32]
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 10 * terms.named["dragan"])
    (slope,) = torch.autograd.grad(terms.total, network[1].weight)
    assert slope.isfinite().all() and slope.abs().sum() > 0


def test_batch_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="DRAGAN takes one gradient norm a clip"):
        NonSaturating(terms={"dragan": DRAGAN()}).check(nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4)))
    NonSaturating(terms={"dragan": DRAGAN()}).check(nn.Sequential(nn.Conv3d(3, 4, 1), nn.GroupNorm(1, 4)))
    with pytest.raises(ValueError, match="weight of DRAGAN is -1"):
        DRAGAN(-1)
