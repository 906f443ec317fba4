import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw
from losses.wgan_gp import WGANGP, GradientPenalty
from networks.base import Judgement
from tests.losses.critics import SHAPE, LinearCritic


def clips(num_clips: int = 5) -> tuple[Tensor, Tensor, Draw]:
    real, fake = torch.rand(num_clips, *SHAPE), torch.rand(num_clips, *SHAPE)
    return real, fake, Draw(0, WGANGP().sample_noise(num_clips, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_penalty_of_a_linear_critic(norm: float) -> None:
    real, fake, draw = clips()
    terms = WGANGP(10.0).discriminator_loss(LinearCritic(norm), real, fake, None, draw)
    torch.testing.assert_close(terms.named["gradient_penalty"], torch.tensor((norm - 1) ** 2))


def test_losses_of_a_linear_critic() -> None:
    real, fake, draw = clips()
    critic = LinearCritic(2.0)
    distance = (critic(real).logits[0] - critic(fake).logits[0]).mean()
    terms = WGANGP(10.0).discriminator_loss(critic, real, fake, None, draw)
    torch.testing.assert_close(terms.named["wasserstein_distance"], distance)
    torch.testing.assert_close(terms.total, -distance + 10.0 * (2.0 - 1) ** 2)
    generator_terms = WGANGP(10.0).generator_loss(critic, real, fake, None, draw)
    torch.testing.assert_close(generator_terms.total, -critic(fake).logits[0].mean())


def test_each_head_has_its_own_penalty() -> None:
    real, fake, draw = clips()
    terms = WGANGP(1.0).discriminator_loss(LinearCritic(2.0, 4.0), real, fake, None, draw)
    torch.testing.assert_close(terms.named["gradient_penalty"], torch.tensor(1.0 + 9.0))


def test_the_penalised_clips_lie_between_real_and_fake_one_place_a_clip() -> None:
    real, fake, draw = torch.ones(4, *SHAPE), -torch.ones(4, *SHAPE), clips(4)[2]
    seen = []

    def critic(videos: Tensor, labels: Tensor | None) -> Judgement:
        seen.append(videos.detach())
        return Judgement((videos.flatten(1).sum(dim=1),))

    WGANGP().discriminator_loss(critic, real, fake, None, draw)
    mixed = seen[-1].flatten(1)
    assert torch.equal(mixed, mixed[:, :1].expand_as(mixed))
    torch.testing.assert_close(mixed[:, 0], 2 * draw.noise["gradient_penalty/mix"] - 1)
    assert len(mixed[:, 0].unique()) == 4


def test_heads_can_be_chosen() -> None:
    real, fake, _ = clips()
    penalty = GradientPenalty(heads=[1])
    critic = LinearCritic(2.0, 4.0)
    objective = WGANGP(0.0, {"second": penalty})
    terms = objective.discriminator_loss(critic, real, fake, None, Draw(0, {"second/mix": torch.rand(5)}))
    torch.testing.assert_close(terms.named["second"], torch.tensor(9.0))
    assert "gradient_penalty" not in terms.named


def test_heads_that_are_not_chosen_are_not_differentiated() -> None:
    real, fake, _ = clips()

    def discriminator(videos: Tensor, labels: Tensor | None) -> Judgement:
        return Judgement((videos.detach().flatten(1).sum(dim=1), videos.flatten(1).norm(dim=1)))  # the first cannot be

    objective = WGANGP(0.0, {"second": GradientPenalty(heads=[1])})
    terms = objective.discriminator_loss(discriminator, real, fake, None, Draw(0, {"second/mix": torch.rand(5)}))
    torch.testing.assert_close(terms.named["second"], torch.tensor(0.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("heads", [[], [-1], [0, -2]])
def test_heads_that_cannot_be(heads: list[int]) -> None:
    with pytest.raises(ValueError, match=r"heads are .*; name at least one, by its number from 0"):
        GradientPenalty(heads=heads)


def test_a_head_that_the_discriminator_lacks() -> None:
    real, fake, _ = clips()
    objective = WGANGP(0.0, {"third": GradientPenalty(heads=[0, 2])})
    with pytest.raises(ValueError, match=r"heads are \[0, 2\], but the discriminator has 2, numbered from 0"):
        objective.discriminator_loss(LinearCritic(1.0, 1.0), real, fake, None, Draw(0, {"third/mix": torch.rand(5)}))


def test_batch_norm_is_refused_and_spectral_norm_doubtful() -> None:
    with pytest.raises(ValueError, match=r"GradientPenalty takes one gradient norm a clip, but discriminator.1 is a b"):
        WGANGP().check(nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4)))
    WGANGP().check(nn.Sequential(nn.Conv3d(3, 4, 3), nn.GroupNorm(1, 4), nn.InstanceNorm3d(4)))
    with pytest.warns(UserWarning, match="both bound its slope, one is enough"):
        WGANGP().check(nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv3d(3, 4, 3))))


def test_a_gradient_of_zero_has_a_finite_penalty() -> None:
    real, fake, draw = clips()
    critic = LinearCritic(1.0)
    with torch.no_grad():
        critic.weights.zero_()
    terms = WGANGP(10.0).discriminator_loss(critic, real, fake, None, draw)
    terms.total.backward()
    assert critic.weights.grad is not None and critic.weights.grad.isfinite().all()


def test_the_penalty_is_in_float32_under_autocast() -> None:
    real, fake, draw = clips()
    critic = nn.Conv3d(3, 1, (4, 8, 8))
    dtypes = []

    def discriminator(videos: Tensor, labels: Tensor | None) -> Judgement:
        logits = critic(videos).flatten(1).squeeze(1)
        dtypes.append(logits.dtype)
        return Judgement((logits,))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = WGANGP().discriminator_loss(discriminator, real, fake, None, draw)
    assert dtypes == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert terms.total.dtype == torch.float32


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="gradient_penalty_weight is -1"):
        WGANGP(-1)
    real, fake, draw = clips()
    with pytest.raises(ValueError, match="must be alike"):
        WGANGP().discriminator_loss(LinearCritic(1.0), real, fake[:, :, :2], None, draw)
