import pytest
import torch
from torch import Tensor, nn

from losses.base import DiscriminatorFunction, Draw, Judged, Term
from losses.wasserstein import Wasserstein
from losses.weight_clipping import WeightClipping
from losses.weight_constraint import WeightConstraint
from networks.base import Judgement
from tests.losses.critics import SHAPE, LinearCritic


def critic_of_maps(critic: LinearCritic, places: int) -> DiscriminatorFunction:
    """The same, each logit in several places."""
    return lambda clips, labels: Judgement(tuple(head.unsqueeze(1).expand(-1, places) for head in critic(clips).logits))


class Slope(Term):
    """A penalty of the slope, of what is between real and fake clips."""

    penalizes_gradients = True


class SlopeOfReal(Term):
    differentiates = frozenset({"real"})
    penalizes_gradients = True

    def discriminator_term(
        self, discriminator: DiscriminatorFunction, real: Judged, fake: Judged, draw: Draw
    ) -> Tensor:
        return (torch.autograd.grad(real.logits[0].sum(), real.clips, create_graph=True)[0] ** 2).sum()


class Counting(WeightConstraint):
    def __init__(self) -> None:
        self.calls: list[tuple[nn.Module, int]] = []

    def apply(self, discriminator: nn.Module, update: int) -> None:
        self.calls.append((discriminator, update))


def clips(num_clips: int = 5) -> tuple[Tensor, Tensor]:
    return torch.rand(num_clips, *SHAPE), torch.rand(num_clips, *SHAPE)


@pytest.mark.parametrize(("num_heads", "places"), [(1, 1), (2, 1), (2, 3)])
def test_losses_of_a_linear_critic(num_heads: int, places: int) -> None:
    real, fake = clips()
    critic, objective = LinearCritic(*[2.0] * num_heads), Wasserstein()
    discriminator = critic_of_maps(critic, places)
    distance = ((real - fake).mean(dim=0) * critic.weights.sum(dim=0)).sum()
    terms = objective.discriminator_loss(discriminator, real, fake, None, Draw())
    torch.testing.assert_close(terms.total, -distance)
    torch.testing.assert_close(terms.named["wasserstein_distance"], distance)
    assert "adversarial" not in terms.named and {"logits_real", "logits_fake"} <= terms.named.keys()
    scores = torch.stack(critic(fake).logits).mean(dim=1).sum()
    torch.testing.assert_close(objective.generator_loss(discriminator, real, fake, None, Draw()).total, -scores)


def test_the_distance_of_shifted_clips_under_the_best_linear_critic() -> None:
    # Of two distributions that differ by a shift, W1 is the shift's length; D(x) = <shift, x> / ||shift|| attains it.
    real, critic = clips()[0], LinearCritic(1.0)
    shift = torch.randn(SHAPE)
    with torch.no_grad():
        critic.weights.copy_(shift / shift.norm())
    terms = Wasserstein().discriminator_loss(critic, real, real - shift, None, Draw())
    torch.testing.assert_close(terms.named["wasserstein_distance"], shift.norm())


def test_terms_are_added() -> None:
    real, fake = clips()
    critic = LinearCritic(2.0)
    plain = Wasserstein().discriminator_loss(critic, real, fake, None, Draw()).total
    terms = Wasserstein({"slope": SlopeOfReal(3.0)}).discriminator_loss(critic, real, fake, None, Draw())
    penalty = len(real) * critic.weights.detach().square().sum()
    torch.testing.assert_close(terms.named["slope"], penalty)
    torch.testing.assert_close(terms.total, plain + 3 * penalty)


def test_losses_are_float32_under_autocast() -> None:
    real, fake = clips()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = Wasserstein().discriminator_loss(LinearCritic(1.0), real, fake, None, Draw())
    assert terms.total.dtype == torch.float32


def test_the_constraint_is_applied() -> None:
    constraint, critic = Counting(), LinearCritic(1.0)
    Wasserstein(constraint=constraint).constrain(critic, 7)
    assert constraint.calls == [(critic, 7)]
    before = [parameter.clone() for parameter in critic.parameters()]
    Wasserstein().constrain(critic, 7)
    assert all(torch.equal(old, new) for old, new in zip(before, critic.parameters(), strict=True))


def test_a_critic_that_nothing_bounds_is_refused() -> None:
    for terms in (None, {"none": Slope(weight=0.0)}, {"other": Term()}):
        with pytest.raises(ValueError, match="nothing bounds the slope"):
            Wasserstein(terms).check(LinearCritic(1.0))


@pytest.mark.filterwarnings("error")
def test_what_bounds_a_critic() -> None:
    Wasserstein(constraint=WeightClipping()).check(LinearCritic(1.0))
    Wasserstein({"slope": Slope()}).check(LinearCritic(1.0))
    Wasserstein({"r1": SlopeOfReal()}).check(LinearCritic(1.0))
    normed = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))
    Wasserstein().check(normed)
    with pytest.warns(UserWarning, match="WeightClipping acts on weights that spectral norm"):
        Wasserstein(constraint=WeightClipping()).check(normed)


def test_clips_that_differ_in_shape() -> None:
    real, fake = clips()
    with pytest.raises(ValueError, match="must be alike"):
        Wasserstein().discriminator_loss(LinearCritic(1.0), real, fake[:, :, :2], None, Draw())
