import pytest
import torch
from torch import Tensor, nn

from losses.adaptive_augmentation import AdaptiveAugmentation
from losses.base import (
    RESERVED_NAMES,
    AdversarialObjective,
    Augmentation,
    Draw,
    Judged,
    Logits,
    Term,
    score,
    sum_of_means,
)
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1
from losses.wasserstein import Wasserstein
from tests.losses.critics import SHAPE, LinearCritic


class Noted(Term):
    """Adds its number and remembers what it was given."""

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        return {"number": torch.rand(num_clips, generator=rng)}

    def discriminator_term(self, discriminator: object, real: Judged, fake: Judged, draw: Draw) -> Tensor:
        self.draw = draw
        return draw.noise["number"].mean()

    def generator_term(self, discriminator: object, real: Judged | None, fake: Judged, draw: Draw) -> Tensor | None:
        self.real = real
        return None


class NeedsReal(Noted):
    needs_real = True


class Relativistic(AdversarialObjective):
    is_relativistic = True

    def discriminator_adversarial(self, real: Logits, fake: Logits, draw: Draw) -> Tensor:
        return sum_of_means(torch.square, real)

    def generator_adversarial(self, real: Logits | None, fake: Logits, draw: Draw) -> Tensor:
        assert real is not None
        return real[0].mean() - fake[0].mean()


def test_each_term_gets_the_noise_that_it_asked_for() -> None:
    first, second = Noted(2.0), Noted(1.0)
    objective = NonSaturating(terms={"first": first, "second": second})
    noise = objective.sample_noise(3, torch.Generator().manual_seed(0))
    assert set(noise) == {"first/number", "second/number"}
    real, fake = torch.rand(2, 3, *SHAPE)
    terms = objective.discriminator_loss(LinearCritic(0.0), real, fake, None, Draw(4, noise, {"z": fake}))
    assert torch.equal(first.draw.noise["number"], noise["first/number"])
    assert first.draw.step == 4 and first.draw.latents["z"] is fake
    expected = terms.named["adversarial"] + 2 * noise["first/number"].mean() + noise["second/number"].mean()
    torch.testing.assert_close(terms.total, expected)
    torch.testing.assert_close(terms.named["first"], noise["first/number"].mean())


def test_real_clips_are_judged_for_the_generator_only_where_they_are_needed() -> None:
    real, fake = torch.rand(2, 3, *SHAPE)
    without, with_real = Noted(), NeedsReal()
    NonSaturating(terms={"a": without}).generator_loss(LinearCritic(1.0), real, fake, None, Draw())
    assert without.real is None
    NonSaturating(terms={"a": with_real}).generator_loss(LinearCritic(1.0), real, fake, None, Draw())
    assert with_real.real is not None and with_real.real.clips is real
    critic = LinearCritic(1.0)
    expected = critic(real).logits[0].mean() - critic(fake).logits[0].mean()
    torch.testing.assert_close(Relativistic().generator_loss(critic, real, fake, None, Draw()).total, expected)


def test_signs_of_the_real_logits_are_logged() -> None:
    real = torch.zeros(4, *SHAPE)
    critic = LinearCritic(1.0)
    real[:3] = critic.weights[0].detach()
    real[3] = -critic.weights[0].detach()
    terms = NonSaturating().discriminator_loss(critic, real, real, None, Draw())
    assert terms.named["signs_real"] == 0.5


def test_a_lazy_term_is_due_by_the_players_own_updates() -> None:
    # With five steps of the generator for one of the discriminator the latter is updated at steps 4, 9, 14, ...
    real, fake = torch.rand(2, 3, *SHAPE)
    objective = NonSaturating(terms={"r1": R1(interval=3)})
    updates = [Draw(5 * update + 4, update=update) for update in range(7)]
    losses = [objective.discriminator_loss(LinearCritic(1.0), real, fake, None, draw) for draw in updates]
    assert [update for update, terms in enumerate(losses) if "r1" in terms.named] == [0, 3, 6]


class Refusing(Term):
    def check(self, discriminator: nn.Module, objective: AdversarialObjective) -> None:
        raise ValueError(f"no {type(objective).__name__} with {type(discriminator).__name__}")


def test_terms_that_are_on_are_checked_with_both() -> None:
    NonSaturating(terms={"off": Refusing(0.0)}).check(nn.Identity())
    with pytest.raises(ValueError, match="no NonSaturating with Identity"):
        NonSaturating(terms={"on": Refusing(0.5)}).check(nn.Identity())


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_names_of_what_is_logged_anyway(name: str) -> None:
    with pytest.raises(ValueError, match=f"a term is called {name}, as something else"):
        NonSaturating(terms={"r1": R1(), name: R1()})


def test_what_an_objective_logs_is_reserved() -> None:
    real, fake = torch.rand(2, 3, *SHAPE)
    for objective in (NonSaturating(), Wasserstein()):
        for loss in (objective.discriminator_loss, objective.generator_loss):
            assert loss(LinearCritic(1.0), real, fake, None, Draw()).named.keys() <= RESERVED_NAMES


def test_only_ada_adapts_to_signs() -> None:
    assert AdaptiveAugmentation.adapts and not Augmentation.adapts


def test_the_optimizer_is_corrected_for_the_longest_interval() -> None:
    assert NonSaturating().optimizer_correction == 1
    assert NonSaturating(terms={"r1": R1()}).optimizer_correction == 1
    terms = {"r1": R1(interval=4), "late": R1(interval=16), "off": R1(0, interval=99)}
    assert NonSaturating(terms=terms).optimizer_correction == 16 / 17


def test_a_score_is_the_mean_over_a_map() -> None:
    head = torch.arange(12.0).view(2, 2, 3)
    assert score(head).tolist() == [2.5, 8.5]
    assert score(torch.tensor([1.0, 2.0], dtype=torch.bfloat16)).dtype == torch.float32


def test_real_and_fake_must_be_alike() -> None:
    with pytest.raises(ValueError, match="must be alike"):
        NonSaturating().discriminator_loss(
            LinearCritic(1.0), torch.zeros(1, *SHAPE), torch.zeros(2, *SHAPE), None, Draw()
        )
