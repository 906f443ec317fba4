import pytest
import torch
from torch import Tensor

from losses.diff_augment import DiffAugment


def drawn(num_clips: int, **chosen: float) -> dict[str, Tensor]:
    """Noise in which some choices, in [0, 1), are given for all clips."""
    noise = DiffAugment().sample_noise(num_clips, torch.Generator().manual_seed(0))
    return {name: torch.full_like(values, chosen.get(name, 0.5)) for name, values in noise.items()}


def test_color_of_a_constant_clip_is_a_shift_in_brightness() -> None:
    clips = torch.full((2, 3, 4, 8, 8), 0.2)
    for chosen, shift in ((0.0, -0.5), (0.75, 0.25)):
        shifted = DiffAugment(["color"])(clips, drawn(2, brightness=chosen, saturation=0.9, contrast=0.1))
        torch.testing.assert_close(shifted, clips + shift)


def test_no_saturation_is_grey_and_contrast_scales_around_the_mean_of_the_clip() -> None:
    clips = torch.rand(2, 3, 4, 8, 8)
    grey = DiffAugment(["color"])(clips, drawn(2, saturation=0.0))
    torch.testing.assert_close(grey, clips.mean(dim=1, keepdim=True).expand_as(clips))
    mean = clips.mean(dim=(1, 2, 3, 4), keepdim=True)
    half = DiffAugment(["color"])(clips, drawn(2, contrast=0.0))
    torch.testing.assert_close(half, mean + (clips - mean) / 2)


def test_a_translation_moves_a_pixel_and_zeros_come_in() -> None:
    clips = torch.ones(1, 1, 2, 16, 16)
    clips[..., 5, 6] = 7
    noise = drawn(1)
    noise["translation"] = torch.tensor([[0.999, 0.0]])  # two pixels down, two to the left
    moved = DiffAugment(["translation"])(clips, noise)
    assert (moved[..., 7, 4] == 7).all() and (moved == 7).sum() == 2
    assert (moved[..., :2, :] == 0).all() and (moved[..., 14:] == 0).all() and (moved[..., 2:, :14] > 0).all()


def test_translations_are_uniform_and_symmetric() -> None:
    augment = DiffAugment(["translation"])
    clips = torch.arange(1.0, 17).expand(4000, 1, 1, 1, 16).expand(-1, -1, -1, 16, -1)
    moved = augment(clips, augment.sample_noise(4000, torch.Generator().manual_seed(0)))
    # The largest number within column 8 over the rows is 9 minus the shift.
    counts = torch.bincount(moved[..., 8].amax(dim=(1, 2, 3)).long())
    assert counts.nonzero().flatten().tolist() == [7, 8, 9, 10, 11]
    assert ((counts[7:] - 800).abs() < 100).all()


def test_cutout_is_a_square_of_half_the_size_which_may_lie_outside() -> None:
    clips = torch.ones(1, 3, 2, 16, 16)
    expected = torch.ones(16, 16)
    expected[4:12, 4:12] = 0  # its middle is pixel 8
    assert (DiffAugment(["cutout"])(clips, drawn(1)) == expected).all()
    corner = torch.ones(16, 16)
    corner[:4, :4] = 0
    assert (DiffAugment(["cutout"])(clips, drawn(1, cutout=0.0)) == corner).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_all_frames_of_a_clip_alike_and_every_clip_by_its_own_draw(channels: int) -> None:
    augment = DiffAugment()
    noise = augment.sample_noise(4, torch.Generator().manual_seed(1))
    clips = torch.rand(1, channels, 1, 16, 16).expand(4, -1, 5, -1, -1)
    augmented = augment(clips, noise)
    assert (augmented == augmented[:, :, :1]).all()
    assert not torch.allclose(augmented[0], augmented[1])
    part = augment(clips[1:3], {name: values[1:3] for name, values in noise.items()})
    torch.testing.assert_close(part, augmented[1:3])


def test_double_backward() -> None:
    augment = DiffAugment()
    noise = augment.sample_noise(2, torch.Generator().manual_seed(0))
    clips = torch.rand(2, 3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, noise), clips)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, noise) ** 3, clips)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="policy has flip; it may have color, translation, cutout"):
        DiffAugment(["color", "flip"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"sees \(2, 30\)"):
        DiffAugment()(torch.zeros(2, 30), drawn(2))
