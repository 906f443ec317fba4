import math

import pytest
import torch
from torch import Tensor

from losses.auxiliary_classifier import AuxiliaryClassifier
from losses.base import Draw, Judged
from losses.non_saturating import NonSaturating
from networks.base import Judgement


def judged(class_logits: Tensor | None, labels: Tensor | None) -> Judged:
    return Judged(torch.zeros(2, 3, 4, 8, 8), labels, (torch.zeros(2),), (), class_logits)


def no_discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
    raise AssertionError("the judgements are given")


LABELS = torch.tensor([0, 2])


def test_a_classifier_that_knows_nothing_loses_log_k_a_side() -> None:
    unsure = judged(torch.zeros(2, 3), LABELS)
    both = AuxiliaryClassifier().discriminator_term(no_discriminator, unsure, unsure, Draw())
    real_only = AuxiliaryClassifier(learns_from_fake=False).discriminator_term(no_discriminator, unsure, unsure, Draw())
    torch.testing.assert_close(both, torch.tensor(2 * math.log(3)))
    torch.testing.assert_close(real_only, torch.tensor(math.log(3)))


def test_who_learns_from_what() -> None:
    real, fake = torch.randn(2, 2, 3)
    of_real, of_fake = (
        -torch.stack([logits.softmax(1)[0, 0], logits.softmax(1)[1, 2]]).log().mean() for logits in (real, fake)
    )
    term = AuxiliaryClassifier()
    judged_real, judged_fake = judged(real, LABELS), judged(fake, LABELS)
    torch.testing.assert_close(
        term.discriminator_term(no_discriminator, judged_real, judged_fake, Draw()), of_real + of_fake
    )
    torch.testing.assert_close(term.generator_term(no_discriminator, None, judged_fake, Draw()), of_fake)
    learns_from_real = AuxiliaryClassifier(learns_from_fake=False)
    torch.testing.assert_close(
        learns_from_real.discriminator_term(no_discriminator, judged_real, judged_fake, Draw()), of_real
    )


def test_it_is_float32_whatever_the_logits_are() -> None:
    logits = torch.randn(2, 3)
    value = AuxiliaryClassifier().generator_term(no_discriminator, None, judged(logits.bfloat16(), LABELS), Draw())
    assert value.dtype == torch.float32


def test_in_an_objective_it_is_weighted_and_named() -> None:
    network = torch.nn.Linear(3 * 4 * 8 * 8, 4)

    def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
        outputs = network(clips.flatten(1))
        return Judgement((outputs[:, 0],), (), outputs[:, 1:])

    real, fake = torch.rand(2, 2, 3, 4, 8, 8)
    terms = NonSaturating(terms={"category": AuxiliaryClassifier(weight=0.5)}).discriminator_loss(
        discriminator, real, fake, LABELS, Draw()
    )
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 0.5 * terms.named["category"])


def test_no_gpu_is_waited_for() -> None:
    # Values of a meta tensor cannot be looked at, only its shape.
    given = judged(torch.zeros(2, 3, device="meta"), torch.zeros(2, dtype=torch.int64, device="meta"))
    assert AuxiliaryClassifier().generator_term(no_discriminator, None, given, Draw()).shape == ()


def test_what_is_missing_is_named() -> None:
    term = AuxiliaryClassifier()
    for class_logits, labels, message in (
        (None, LABELS, "the discriminator gives no class_logits"),
        (torch.zeros(2, 3), None, "there are no labels"),
        (torch.zeros(2, 2), LABELS, "labels name 3 classes; the discriminator's class_logits are for 2"),
    ):
        with pytest.raises(ValueError, match=message):
            term.generator_term(no_discriminator, None, judged(class_logits, labels), Draw())
        with pytest.raises(ValueError, match=message):
            term.discriminator_term(no_discriminator, judged(class_logits, labels), judged(None, None), Draw())
