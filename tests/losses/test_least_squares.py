import pytest
import torch
from torch import Tensor, nn

from losses.base import Draw, Judged
from losses.hinge import Hinge
from losses.least_squares import LeastSquares, MismatchedLabels
from networks.base import Judgement

CLIPS = torch.rand(6, 3, 2, 4, 4)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def says_the_label(clips: Tensor, labels: Tensor | None) -> Judgement:
    assert labels is not None
    return Judgement((labels.float() + 0 * clips.flatten(1).sum(dim=1),))


@pytest.mark.parametrize("targets", [(1.0, 0.0, 1.0), (1.0, -1.0, 0.0)])
def test_the_papers_losses(targets: tuple[float, float, float]) -> None:
    b, a, c = targets
    real, fake = torch.randn(2, 5)
    objective = LeastSquares(b, a, c)
    expected = ((real - b) ** 2).mean() / 2 + ((fake - a) ** 2).mean() / 2
    torch.testing.assert_close(objective.discriminator_adversarial((real,), (fake,), Draw()), expected)
    torch.testing.assert_close(objective.generator_adversarial(None, (fake,), Draw()), ((fake - c) ** 2).mean() / 2)


def test_initial_values() -> None:
    zeros = (torch.zeros(4, 1, 2, 2, 2), torch.zeros(4, dtype=torch.bfloat16))
    assert LeastSquares().discriminator_adversarial(zeros, zeros, Draw()) == 2 * 0.5
    assert LeastSquares(1, -1, 0).discriminator_adversarial(zeros, zeros, Draw()) == 2 * 1.0
    assert LeastSquares(1, -1, 0).generator_adversarial(None, zeros, Draw()) == 0


def test_signs_are_those_of_the_distance_from_the_middle_of_the_targets() -> None:
    def discriminator(clips: Tensor, labels: Tensor | None) -> Judgement:
        return Judgement((torch.tensor([0.1, 0.4, 0.6, 0.9, 1.1, 2.0]),))

    for objective, signs in ((LeastSquares(), (4 - 2) / 6), (LeastSquares(1, -1, 0), 1.0)):
        named = objective.discriminator_loss(discriminator, CLIPS, CLIPS, None, Draw()).named
        torch.testing.assert_close(named["signs_real"], torch.tensor(signs))


def test_its_generator_minimises_pearsons_divergence() -> None:
    # For the best D = (b p + a q) / (p + q), 2 E_{p+q} (D - c)^2 / 2 is chi^2(p + q || 2 q) (Mao et al. 2017, Eq. 12
    # onwards) where a = -1, b = 1, c = 0.
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    best = (p - q) / (p + q)
    of_best = ((p + q) * best**2).sum()
    torch.testing.assert_close(of_best, ((2 * q - (p + q)) ** 2 / (p + q)).sum())
    logits = best.clone().requires_grad_(True)
    per_outcome = p * (logits - 1) ** 2 / 2 + q * (logits + 1) ** 2 / 2
    (slope,) = torch.autograd.grad(per_outcome.sum(), logits)
    torch.testing.assert_close(slope, torch.zeros(3))


def test_wrong_labels_are_wrong_and_all_of_them_occur() -> None:
    noise = MismatchedLabels(1.0, 5).sample_noise(400, torch.Generator().manual_seed(0))
    assert noise["offset"].shape == (400,)
    assert noise["offset"].bincount(minlength=5).tolist()[0] == 0
    assert (noise["offset"].bincount(minlength=5)[1:] > 60).all()


def test_mismatched_labels_add_their_distance_from_the_fake_target() -> None:
    objective = LeastSquares(1, -1, 0, {"mismatched": MismatchedLabels(3.0, 5, fake_target=-1.0)})
    draw = Draw(noise=objective.sample_noise(6, torch.Generator().manual_seed(0)))
    wrong = (LABELS + draw.noise["mismatched/offset"]) % 5
    assert (wrong != LABELS).all()
    terms = objective.discriminator_loss(says_the_label, CLIPS, CLIPS, LABELS, draw)
    expected = ((wrong.float() + 1) ** 2).mean() / 2
    torch.testing.assert_close(terms.named["mismatched"], expected)
    torch.testing.assert_close(terms.total, terms.named["adversarial"] + 3 * expected)
    assert "mismatched" not in objective.generator_loss(says_the_label, CLIPS, CLIPS, LABELS, draw).named


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"num_classes is 1; .* at least 2"):
        MismatchedLabels(1.0, 1)
    for real_target in (1, 0.5):
        with pytest.raises(ValueError, match=f"real_target is {real_target}, fake_target 1; the first must be larger"):
            LeastSquares(real_target, 1)
    judged = Judged(CLIPS, None, (torch.zeros(6),), (), None)
    with pytest.raises(ValueError, match="no labels"):
        MismatchedLabels(1.0, 5).discriminator_term(says_the_label, judged, judged, Draw())


def test_what_mismatched_labels_go_with() -> None:
    terms, critic = {"mismatched": MismatchedLabels(1.0, 5)}, nn.Identity()
    with pytest.raises(ValueError, match="num_classes of MismatchedLabels is 5, that of the discriminator 0"):
        LeastSquares(terms=terms).check(critic)
    critic.num_classes = 5
    LeastSquares(terms=terms).check(critic)
    with pytest.raises(ValueError, match=r"fake_target of MismatchedLabels is 0\.0, that of the objective -1"):
        LeastSquares(1, -1, 0, terms).check(critic)
    with pytest.raises(ValueError, match="MismatchedLabels is a least-squares loss, the objective is Hinge"):
        Hinge(terms).check(critic)
