import pytest
import torch
from torch import Tensor, nn

from losses.base import DiscriminatorFunction, Draw, Judged, Term
from losses.wasserstein import Wasserstein
from losses.weight_clipping import WeightClipping
from losses.weight_constraint import WeightConstraint
from networks.base import Discriminator, Judgement, View

SHAPE = (3, 4, 8, 8)  # C, T, H, W


class LinearCritic(Discriminator):
    """D(x) = <w, x>, of several heads; those of a map give each score in two places."""

    def __init__(self, num_heads: int = 1, places: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3 * 4 * 8 * 8, 1) for _ in range(num_heads))
        self.places = places

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        return Judgement(tuple(layer(seen.flatten(1)).expand(-1, self.places) for layer in self.layers))


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

    def apply(self, discriminator: nn.Module, step: int) -> None:
        self.calls.append((discriminator, step))


def clips(num_clips: int = 5) -> tuple[Tensor, Tensor]:
    return torch.rand(num_clips, *SHAPE), torch.rand(num_clips, *SHAPE)


@pytest.mark.parametrize(("num_heads", "places"), [(1, 1), (2, 1), (2, 3)])
def test_losses_of_a_linear_critic(num_heads: int, places: int) -> None:
    real, fake = clips()
    critic, objective = LinearCritic(num_heads, places), Wasserstein()
    weights = torch.stack([layer.weight.view(SHAPE) for layer in critic.layers]).sum(dim=0)
    distance = ((real - fake).mean(dim=0) * weights).sum()
    terms = objective.discriminator_loss(critic, real, fake, None, Draw())
    torch.testing.assert_close(terms.total, -distance)
    torch.testing.assert_close(terms.named["wasserstein_distance"], distance)
    assert "adversarial" not in terms.named and {"logits_real", "logits_fake"} <= terms.named.keys()
    scores = sum(layer(fake.flatten(1)).mean() for layer in critic.layers)
    torch.testing.assert_close(objective.generator_loss(critic, real, fake, None, Draw()).total, -scores)


def test_the_distance_of_shifted_clips_under_the_best_linear_critic() -> None:
    # Of two distributions that differ by a shift, W1 is the shift's length; D(x) = <shift, x> / ||shift|| attains it.
    real, critic = clips()[0], LinearCritic()
    shift = torch.randn(SHAPE)
    with torch.no_grad():
        critic.layers[0].weight.copy_(shift.flatten() / shift.norm())
    terms = Wasserstein().discriminator_loss(critic, real, real - shift, None, Draw())
    torch.testing.assert_close(terms.named["wasserstein_distance"], shift.norm())


def test_terms_are_added() -> None:
    real, fake = clips()
    critic = LinearCritic()
    plain = Wasserstein().discriminator_loss(critic, real, fake, None, Draw()).total
    terms = Wasserstein({"slope": SlopeOfReal(3.0)}).discriminator_loss(critic, real, fake, None, Draw())
    penalty = len(real) * critic.layers[0].weight.square().sum()
    torch.testing.assert_close(terms.named["slope"], penalty)
    torch.testing.assert_close(terms.total, plain + 3 * penalty)


def test_losses_are_float32_under_autocast() -> None:
    real, fake = clips()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = Wasserstein().discriminator_loss(LinearCritic(), real, fake, None, Draw())
    assert terms.total.dtype == torch.float32


def test_the_constraint_is_applied() -> None:
    constraint, critic = Counting(), LinearCritic()
    Wasserstein(constraint=constraint).constrain(critic, 7)
    assert constraint.calls == [(critic, 7)]
    before = [parameter.clone() for parameter in critic.parameters()]
    Wasserstein().constrain(critic, 7)
    assert all(torch.equal(old, new) for old, new in zip(before, critic.parameters(), strict=True))


def test_a_critic_that_nothing_bounds_is_refused() -> None:
    for terms in (None, {"none": Slope(weight=0.0)}, {"other": Term()}):
        with pytest.raises(ValueError, match="nothing bounds the slope"):
            Wasserstein(terms).check(LinearCritic())


@pytest.mark.filterwarnings("error")
def test_what_bounds_a_critic() -> None:
    Wasserstein(constraint=WeightClipping()).check(LinearCritic())
    Wasserstein({"slope": Slope()}).check(LinearCritic())
    Wasserstein({"r1": SlopeOfReal()}).check(LinearCritic())
    normed = LinearCritic()
    nn.utils.parametrizations.spectral_norm(normed.layers[0])
    Wasserstein().check(normed)
    with pytest.warns(UserWarning, match="WeightClipping acts on weights that spectral norm"):
        Wasserstein(constraint=WeightClipping()).check(normed)


def test_clips_that_differ_in_shape() -> None:
    real, fake = clips()
    with pytest.raises(ValueError, match="must be alike"):
        Wasserstein().discriminator_loss(LinearCritic(), real, fake[:, :, :2], None, Draw())
