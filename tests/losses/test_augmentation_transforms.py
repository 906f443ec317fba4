import math

import pytest
import torch

from losses.augmentation_transforms import (
    as_clips,
    hue_rotation,
    recolor,
    rotation,
    scaling,
    translation,
    warp,
)

NOTHING = torch.zeros(1, dtype=torch.float64)
ONE = NOTHING + 1


def clip(height: int = 5, width: int = 5) -> torch.Tensor:
    return torch.rand(1, 3, 2, height, width, dtype=torch.float64)


def test_the_identity_changes_nothing() -> None:
    clips = clip(4, 7)
    torch.testing.assert_close(warp(clips, scaling(ONE, ONE)), clips)


def test_a_flip_and_a_quarter_turn() -> None:
    clips = clip()
    torch.testing.assert_close(warp(clips, scaling(-ONE, ONE)), clips.flip(-1))
    # The result at (x, y) is the clip at (-y, x): what was below the middle comes to lie to its right.
    torch.testing.assert_close(warp(clips, rotation(ONE * math.pi / 2)), clips.rot90(1, dims=(-2, -1)))


def test_a_translation_reflects_at_the_border_pixels() -> None:
    clips = torch.arange(4.0).expand(1, 1, 1, 2, 4)
    moved = warp(clips, translation(torch.tensor([[-2.0, 0.0]])))  # two pixels to the right
    torch.testing.assert_close(moved[0, 0, 0, 0], torch.tensor([2.0, 1.0, 0.0, 1.0]))


def test_half_a_pixel_is_between_two() -> None:
    clips = torch.arange(4.0).expand(1, 1, 1, 2, 4)
    moved = warp(clips, translation(torch.tensor([[0.5, 0.0]])))
    torch.testing.assert_close(moved[0, 0, 0, 0], torch.tensor([0.5, 1.5, 2.5, 2.5]))


def test_every_clip_has_its_own_map() -> None:
    clips = clip().expand(2, -1, -1, -1, -1)
    warped = warp(clips, torch.cat([scaling(ONE, ONE), scaling(ONE, -ONE)]))
    torch.testing.assert_close(warped, torch.cat([clips[:1], clips[:1].flip(-2)]))


def test_a_warp_can_be_differentiated_twice() -> None:
    inverse = rotation(ONE * 0.4) @ translation(torch.full((1, 2), 1.3, dtype=torch.float64))
    clips = clip(3, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: warp(x, inverse), clips)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, inverse) ** 3, clips)


def test_a_hue_rotation_turns_around_grey() -> None:
    third = hue_rotation(ONE * 2 * math.pi / 3)[0]
    red, green = torch.eye(3, dtype=torch.float64)[:2]
    torch.testing.assert_close(third @ red, green)
    any_angle = hue_rotation(ONE * 0.7)[0]
    torch.testing.assert_close(any_angle @ any_angle.mT, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(any_angle.sum(dim=1), torch.ones(3, dtype=torch.float64))


def test_grey_clips_get_what_grey_colors_get() -> None:
    grey = torch.rand(2, 1, 2, 3, 3)
    matrix, offset = torch.rand(2, 3, 3), torch.rand(2, 3)
    colored = recolor(grey.expand(-1, 3, -1, -1, -1), matrix, offset)
    torch.testing.assert_close(recolor(grey, matrix, offset), colored.mean(dim=1, keepdim=True))


def test_what_is_no_clip() -> None:
    with pytest.raises(ValueError, match=r"sees \(2, 10\); augmentations need clips"):
        as_clips(torch.zeros(2, 10))
    with pytest.raises(ValueError, match="2 channels"):
        recolor(torch.zeros(1, 2, 1, 4, 4), torch.zeros(1, 3, 3), torch.zeros(1, 3))
