import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from metrics.paired import PSNR, SSIM
from tests.metrics.small_network import random_clips


def slopes() -> tuple[Tensor, Tensor]:
    """Two clips of one frame, 24 x 32, that differ by a pattern."""
    y, x = np.mgrid[:24, :32]
    real = np.stack([(40 * c + 5 * x + 3 * y) % 256 for c in range(3)]).astype(np.uint8)
    fake = np.stack([(40 * c + 5 * x + 3 * y + ((x * 7 + y * 13 + c) % 11) * 3) % 256 for c in range(3)])
    return torch.from_numpy(fake.astype(np.uint8))[None, :, None], torch.from_numpy(real)[None, :, None]


def test_values_of_scikit_image() -> None:
    fake, real = slopes()
    assert PSNR()(fake, real).item() == pytest.approx(14.465860648284938, abs=1e-6)
    assert SSIM()(fake, real).item() == pytest.approx(0.6109519046016615, abs=1e-12)  # its defaults: 0.6727998
    assert SSIM()(real, fake).item() == pytest.approx(0.6109519046016615, abs=1e-12)


@pytest.mark.parametrize("difference", [1, 5, 100])
def test_psnr_of_a_constant_difference(difference: int) -> None:
    real = torch.full((2, 3, 4, 16, 16), 50, dtype=torch.uint8)
    expected = 20 * math.log10(255 / difference)
    torch.testing.assert_close(
        PSNR()(real + difference, real), torch.full((2, 4), expected, dtype=torch.float64), rtol=1e-6, atol=0
    )


def test_ssim_of_flat_frames_is_what_the_means_say() -> None:
    dark, bright = (torch.full((1, 1, 1, 16, 16), level, dtype=torch.uint8) for level in (10, 200))
    c1 = (0.01 * 255) ** 2
    assert SSIM()(bright, dark).item() == pytest.approx((2 * 10 * 200 + c1) / (10**2 + 200**2 + c1), rel=1e-9)


@pytest.mark.parametrize("size", [(11, 11), (17, 40)])
def test_ssim_is_the_inner_part_of_the_map_of_torchmetrics(size: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(3)
    real = torch.randint(0, 256, (2, 3, 2, *size), generator=rng, dtype=torch.uint8)
    fake = (real.float() + 20 * torch.randn(real.shape, generator=rng)).clamp(0, 255).byte()
    for frame in range(2):
        pair = (clips[:, :, frame].double() for clips in (fake, real))
        _, whole = structural_similarity_index_measure(*pair, data_range=255.0, return_full_image=True)
        assert isinstance(whole, Tensor)
        expected = whole[..., 5:-5, 5:-5].mean((1, 2, 3))
        torch.testing.assert_close(SSIM()(fake, real)[:, frame], expected, rtol=0, atol=1e-12)


def test_equal_frames() -> None:
    clips = random_clips(2)[..., :8].repeat(1, 1, 1, 2, 2)
    assert (PSNR()(clips, clips) == 100).all()
    assert (PSNR(cap_decibels=60)(clips, clips) == 60).all()
    torch.testing.assert_close(SSIM()(clips, clips), torch.ones(2, 4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_cap_is_reached_by_equal_frames_alone() -> None:
    real = torch.full((1, 3, 1, 224, 224), 9, dtype=torch.uint8)
    fake = real.clone()
    fake[0, 0, 0, 5, 5] = 10
    assert 99 < PSNR()(fake, real).item() < 100


@pytest.mark.parametrize("score", [PSNR(), SSIM()])
def test_every_frame_is_measured_by_itself(score: PSNR | SSIM) -> None:
    rng = torch.Generator().manual_seed(1)
    fake, real = torch.randint(0, 256, (2, 5, 3, 7, 16, 20), generator=rng, dtype=torch.uint8)
    whole = score(fake, real)
    assert whole.shape == (5, 7)
    torch.testing.assert_close(score(fake[3:4, :, 2:3], real[3:4, :, 2:3]), whole[3:4, 2:3], rtol=1e-9, atol=0)
    torch.testing.assert_close(torch.cat([score(fake[:2], real[:2]), score(fake[2:], real[2:])]), whole)
    assert score(fake[:0], real[:0]).shape == (0, 7)


def test_more_noise_is_worse() -> None:
    fake, real = slopes()
    noise = torch.randn(fake.shape, generator=torch.Generator().manual_seed(0))
    noisy = [(real + strength * noise).clamp(0, 255).byte() for strength in (2, 10, 40)]
    for score in (PSNR(), SSIM()):
        values = [score(each, real).item() for each in noisy]
        assert values == sorted(values, reverse=True)


def test_mistakes() -> None:
    clips = random_clips(1)
    with pytest.raises(ValueError, match="ssim needs frames of at least 11x11 pixels; got 8x8"):
        SSIM()(clips, clips)
    with pytest.raises(ValueError, match="psnr compares each clip with a real one"):
        PSNR()(clips)
    with pytest.raises(ValueError, match="cap_decibels must be above 0"):
        PSNR(cap_decibels=0)
