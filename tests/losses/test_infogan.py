import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.auxiliary_classifier import AuxiliaryClassifier
from losses.base import Draw, Judged
from losses.infogan import InfoGAN
from losses.non_saturating import NonSaturating
from networks.base import Judgement
from networks.mocogan import MoCoGANDiscriminator, MoCoGANGenerator


def judged(class_logits: Tensor | None) -> Judged:
    return Judged(torch.zeros(2, 3, 4, 8, 8), None, (torch.zeros(2),), (), class_logits)


def no_discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
    raise AssertionError("the judgements are given")


CATEGORY = torch.tensor([0, 2])
DRAW = Draw(latents={"category": CATEGORY})


def test_both_players_minimise_the_cross_entropy_of_the_latent() -> None:
    logits = torch.randn(2, 3)
    expected = -torch.stack([logits.softmax(1)[0, 0], logits.softmax(1)[1, 2]]).log().mean()
    term = InfoGAN()
    torch.testing.assert_close(term.discriminator_term(no_discriminator, judged(None), judged(logits), DRAW), expected)
    torch.testing.assert_close(term.generator_term(no_discriminator, None, judged(logits), DRAW), expected)
    unsure = term.generator_term(no_discriminator, None, judged(torch.zeros(2, 3)), DRAW)
    torch.testing.assert_close(unsure, torch.tensor(math.log(3)))
    assert term.generator_term(no_discriminator, None, judged(logits.bfloat16()), DRAW).dtype == torch.float32


def test_one_hot_is_as_good_as_an_index() -> None:
    logits = torch.randn(2, 3)
    one_hot = Draw(latents={"code": F.one_hot(CATEGORY, 3).float()})
    torch.testing.assert_close(
        InfoGAN(latent="code").generator_term(no_discriminator, None, judged(logits), one_hot),
        InfoGAN().generator_term(no_discriminator, None, judged(logits), DRAW),
    )


def test_mocogans_classifier_is_trained_without_labels_and_trains_the_generator() -> None:
    torch.manual_seed(0)
    generator = MoCoGANGenerator(10, 16, num_categories=3, base_channels=2)
    network = MoCoGANDiscriminator(10, 16, num_categories=3, base_channels=2)
    latents = generator.sample_latents(4, torch.Generator().manual_seed(0))
    view = network.sample_view(4, torch.Generator())
    objective = NonSaturating(terms={"category": InfoGAN()})
    draw = Draw(latents=latents)

    def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
        return network(clips, labels, view)

    fake = generator(latents)
    objective.discriminator_loss(discriminator, torch.rand_like(fake), fake.detach(), None, draw).total.backward()
    class_rows = network.to_logits.weight.grad[1:]
    assert (class_rows.flatten(1).abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in generator.parameters())
    terms = objective.generator_loss(discriminator, fake.detach(), fake, None, draw)
    (of_term,) = torch.autograd.grad(terms.total - terms.named["adversarial"], generator.recurrent.weight_ih)
    assert of_term[:, 10:].abs().sum() > 0  # where the category enters


def test_one_classifier_has_one_meaning() -> None:
    labels = AuxiliaryClassifier(1.0)
    with pytest.raises(ValueError, match=r"InfoGAN and of_labels \(AuxiliaryClassifier\) would train one classifier"):
        NonSaturating(terms={"of_latents": InfoGAN(), "of_labels": labels}).check(nn.Identity())
    NonSaturating(terms={"of_latents": InfoGAN(), "of_labels": AuxiliaryClassifier(0.0)}).check(nn.Identity())
    NonSaturating(terms={"of_latents": InfoGAN(0.0), "of_labels": labels}).check(nn.Identity())


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="the discriminator gives no class_logits"):
        InfoGAN().generator_term(no_discriminator, None, judged(None), DRAW)
    with pytest.raises(ValueError, match="no latent 'category' for InfoGAN, it has content"):
        InfoGAN().generator_term(
            no_discriminator, None, judged(torch.zeros(2, 3)), Draw(latents={"content": torch.zeros(2, 5)})
        )
    with pytest.raises(ValueError, match="'category' name 3 classes; the discriminator's class_logits are for 2"):
        InfoGAN().generator_term(no_discriminator, None, judged(torch.zeros(2, 2)), DRAW)
