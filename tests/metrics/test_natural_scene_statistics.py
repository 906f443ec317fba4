import numpy as np
import pytest
import torch
from PIL import Image

from metrics.natural_scene_statistics import (
    ALPHAS,
    fit_asymmetric_gaussian,
    halved,
    normalised_luminance,
    patch_features,
    patches,
)
from tests.metrics.noise_octaves import noise_octaves

# `compute_feature` of BasicSR 1.4 for the corner of a picture; it follows the authors' MATLAB program.
FEATURES = [
    2.466000000000002, 1.1614519028770354, 0.8200000000000005, 0.356360254466137, 0.16905085656313895,
    0.42435093337129215, 0.8330000000000006, 0.3934704446623834, 0.146907943864696, 0.4375250521464167,
    0.8100000000000005, 0.3341292873189874, 0.16967645671075388, 0.4032961190596964, 0.8120000000000005,
    0.34059525637134264, 0.16680284898978504, 0.4061199815740242,
]  # fmt: skip


def test_features_of_the_reference() -> None:
    patch = (noise_octaves("octaves")[:96, :96].double() - 128) / 40
    torch.testing.assert_close(patch_features(patch), torch.tensor(FEATURES, dtype=torch.float64), rtol=1e-9, atol=0)


def test_equal_diagonals_repeat_the_left_spread() -> None:
    patch = (noise_octaves("octaves")[:96, :96].double() - 128) / 40
    both, repeated = patch_features(patch), patch_features(patch, equal_diagonals=True)
    assert torch.equal(repeated[[13, 17]], both[[12, 16]])
    others = [index for index in range(18) if index not in (13, 17)]
    assert torch.equal(repeated[others], both[others])


@pytest.mark.parametrize("alpha", [1, 2])
def test_fit_finds_a_distribution(alpha: int) -> None:
    """Laplace and normal values, the right side twice as wide as the left and twice as frequent."""
    rng = np.random.RandomState(0)
    sizes = np.abs(rng.laplace(size=300_000) if alpha == 1 else rng.standard_normal(300_000))
    values = torch.from_numpy(np.where(rng.random_sample(300_000) < 1 / 3, -sizes, 2 * sizes))
    index, left, right = fit_asymmetric_gaussian(values)
    assert ALPHAS[index].item() == pytest.approx(alpha, rel=0.03)
    assert right.item() / left.item() == pytest.approx(2, rel=0.02)


def test_values_on_one_side_or_none_have_a_fit() -> None:
    for values in (torch.rand(50, dtype=torch.float64), -torch.rand(50, dtype=torch.float64), torch.zeros(50).double()):
        assert all(each.isfinite().all() for each in fit_asymmetric_gaussian(values))


def test_halving_is_pillows() -> None:
    picture = noise_octaves("octaves", 40, 52).float()
    expected = np.asarray(Image.fromarray(picture.numpy()).resize((26, 20), Image.Resampling.BICUBIC))
    found = halved(picture[None].double(), "renormalised")[0]
    torch.testing.assert_close(found, torch.from_numpy(expected.copy()).double(), rtol=0, atol=1e-3)
    # The border apart both are the same.
    torch.testing.assert_close(halved(picture[None].double(), "symmetric")[0, 2:-2, 2:-2], found[2:-2, 2:-2])


@pytest.mark.parametrize("border", ["symmetric", "renormalised"])
def test_halving_keeps_a_flat_picture(border: str) -> None:
    flat = torch.full((2, 8, 12), 7.0, dtype=torch.float64)
    assert border in ("symmetric", "renormalised")
    torch.testing.assert_close(halved(flat, border), flat[:, ::2, ::2])  # type: ignore[arg-type]


def test_normalised_luminance_does_not_know_brightness_and_hardly_contrast() -> None:
    picture = noise_octaves("octaves", 60, 60).double()[None]
    before = normalised_luminance(picture, "replicate")
    torch.testing.assert_close(normalised_luminance(picture + 50, "replicate"), before, rtol=1e-6, atol=1e-6)
    assert (normalised_luminance(picture * 2, "replicate") - before).abs().mean() < 0.1 * before.abs().mean()
    zeros = normalised_luminance(picture, "zeros")
    torch.testing.assert_close(zeros[:, 3:-3, 3:-3], before[:, 3:-3, 3:-3])
    assert zeros[0, 0, 0] > before[0, 0, 0]


def test_patches_lie_side_by_side_rows_first() -> None:
    image = torch.arange(24.0).view(1, 4, 6)
    assert torch.equal(patches(image, 2)[0, 1], image[0, :2, 2:4])
    assert torch.equal(patches(image, 2)[0, 3], image[0, 2:, :2])
    assert patches(image, 2).shape == (1, 6, 2, 2)
