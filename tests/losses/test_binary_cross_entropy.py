import pytest
import torch
import torch.nn.functional as F

from losses.binary_cross_entropy import bce_discriminator, check_real_target


@pytest.mark.parametrize("target", [1.0, 0.9])
def test_it_is_binary_cross_entropy_with_one_smoothed_target(target: float) -> None:
    real, fake = torch.randn(2, 7)
    expected = F.binary_cross_entropy_with_logits(real, torch.full((7,), target))
    expected = expected + F.binary_cross_entropy_with_logits(fake, torch.zeros(7))
    torch.testing.assert_close(bce_discriminator((real,), (fake,), target), expected)


def test_a_smoothed_target_is_the_best_answer() -> None:
    best = torch.tensor(0.9).logit()
    slopes = []
    for logit in (best - 1, best, best + 1):
        logit = logit.requires_grad_(True)
        slopes.append(torch.autograd.grad(bce_discriminator((logit,), (torch.zeros(1),), 0.9), logit)[0].item())
    assert slopes[0] < 0 < slopes[2] and abs(slopes[1]) < 1e-6


def test_heads_add_up_and_maps_are_averaged() -> None:
    score_map, scores = torch.randn(3, 1, 2, 4, 4), torch.randn(3)
    both = bce_discriminator((score_map, scores), (score_map, scores), 0.9)
    alone = [bce_discriminator((head,), (head,), 0.9) for head in (score_map.flatten(), scores)]
    torch.testing.assert_close(both, alone[0] + alone[1])


def test_sure_logits_stay_finite_in_bfloat16() -> None:
    sure = torch.tensor([300.0], dtype=torch.bfloat16)
    loss = bce_discriminator((-sure,), (sure,), 1.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, 2 * sure.float()[0])


@pytest.mark.parametrize("target", [0.5, 0.0, 1.01])
def test_targets_out_of_range(target: float) -> None:
    with pytest.raises(ValueError, match=f"real_target is {target}; it must be above 0.5"):
        check_real_target(target)
