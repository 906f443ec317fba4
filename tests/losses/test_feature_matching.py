import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw, Term
from losses.feature_matching import FeatureMatching, FeatureMatchingGAN
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1
from networks.base import Judgement

REAL, FAKE = torch.rand(2, 6, 3, 2, 4, 4)


def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
    """One head with the mean colours for features, one with the clip's brightness twice."""
    colours = clips.mean(dim=(2, 3, 4))
    brightness = colours.mean(dim=1, keepdim=True)
    return Judgement((colours.sum(dim=1), brightness), (colours, brightness.expand(-1, 2)))


def without_features(clips: Tensor, labels: Tensor | None) -> Judgement:
    return Judgement((clips.flatten(1).sum(dim=1),))


def distance() -> Tensor:
    difference = REAL.mean(dim=(0, 2, 3, 4)) - FAKE.mean(dim=(0, 2, 3, 4))
    return difference.square().sum() + 2 * difference.mean().square()


def test_it_is_the_squared_distance_of_the_means_summed_over_heads() -> None:
    terms = NonSaturating(terms={"matching": FeatureMatching(5.0)}).generator_loss(
        discriminator, REAL, FAKE, None, Draw()
    )
    torch.testing.assert_close(terms.named["matching"], distance())
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 5 * distance())


def test_it_replaces_the_adversarial_loss() -> None:
    objective = FeatureMatchingGAN()
    torch.testing.assert_close(objective.generator_loss(discriminator, REAL, FAKE, None, Draw()).total, distance())
    assert objective.generator_loss(discriminator, REAL, REAL.flip(0), None, Draw()).total < 1e-12
    torch.testing.assert_close(
        objective.discriminator_loss(discriminator, REAL, FAKE, None, Draw()).total,
        NonSaturating().discriminator_loss(discriminator, REAL, FAKE, None, Draw()).total,
    )


def test_the_gradient_goes_to_the_generated_clips_alone() -> None:
    real, fake = REAL.clone().requires_grad_(True), FAKE.clone().requires_grad_(True)
    FeatureMatchingGAN().generator_loss(discriminator, real, fake, None, Draw()).total.backward()
    assert real.grad is None
    positions, num_clips = 2 * 4 * 4, 6
    difference = FAKE.mean(dim=(0, 2, 3, 4)) - REAL.mean(dim=(0, 2, 3, 4))
    expected = 2 * (difference + 2 * difference.mean() / 3) / (positions * num_clips)
    torch.testing.assert_close(fake.grad, expected.view(1, 3, 1, 1, 1).expand_as(fake))


def test_the_means_are_over_all_processes() -> None:
    sent = []

    def first_process(tensor: Tensor) -> Tensor:
        sent.append(tensor)
        return tensor

    def second_process(tensor: Tensor) -> Tensor:
        return (tensor + sent.pop(0)) / 2

    for part, exchange in ((slice(0, 3), first_process), (slice(3, 6), second_process)):
        draw = Draw(mean_over_processes=exchange)
        terms = FeatureMatchingGAN().generator_loss(discriminator, REAL[part], FAKE[part], None, draw)
    torch.testing.assert_close(terms.total, distance())


def test_in_float32_under_autocast() -> None:
    layer = nn.Linear(96, 4)

    def network(clips: Tensor, labels: Tensor | None) -> Judgement:
        features = layer(clips.flatten(1))
        return Judgement((features.sum(dim=1),), (features,))

    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = FeatureMatchingGAN().generator_loss(network, REAL, FAKE, None, Draw())
    assert terms.total.dtype == torch.float32
    expected = FeatureMatchingGAN().generator_loss(network, REAL, FAKE, None, Draw()).total
    torch.testing.assert_close(terms.total, expected, rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("term", [FeatureMatching(0.0), FeatureMatching(1.0, interval=2), R1()])
def test_a_generator_without_a_loss(term: Term) -> None:
    with pytest.raises(ValueError, match="feature_matching is the generator's only loss"):
        FeatureMatchingGAN(terms={"feature_matching": term})
    assert FeatureMatchingGAN(terms={"feature_matching": FeatureMatching(2.0)}).terms["feature_matching"].weight == 2


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="gives features, and this one gives none"):
        FeatureMatchingGAN().generator_loss(without_features, REAL, FAKE, None, Draw())
    with pytest.raises(ValueError, match="gives features, and this one gives none"):
        FeatureMatchingGAN().check(nn.Linear(1, 1))
