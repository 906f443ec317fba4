"""Every damage does what its name says, to every clip by itself."""

import pytest
import torch
from torch import Tensor

from benchmarks.damages import (
    DAMAGES,
    Damage,
    add_noise,
    blur,
    brighten,
    drop_modes,
    freeze,
    memorise,
    repeat_frames,
    reverse,
    shift,
    swap_frames,
    warp,
    wobble,
)
from tests.metrics.moving_shapes import moving_shapes

OF_CLIPS = [damage for damage in DAMAGES if damage.of_clips]
# Which of them move frames in time and change no pixel of a frame.
IN_TIME = {"swapped", "frozen", "repeated", "reversed"}


@pytest.fixture(scope="module")
def clips() -> Tensor:
    return moving_shapes(num_clips=4, num_frames=16, size=32)


def numbered(num_frames: int = 16) -> Tensor:
    """One clip whose pixels are the number of its frame."""
    return torch.arange(num_frames, dtype=torch.uint8).view(1, 1, -1, 1, 1).expand(1, 3, -1, 8, 8).contiguous()


def order(clips: Tensor) -> list[int]:
    return clips[0, 0, :, 0, 0].tolist()


@pytest.mark.parametrize("damage", OF_CLIPS, ids=lambda damage: damage.name)
def test_damaged_clips(damage: Damage, clips: Tensor) -> None:
    assert damage.of_clips is not None and damage.of_set is None
    before, far = clips.clone(), []
    for strength in damage.strengths:
        damaged = damage.of_clips(clips, strength)
        assert (damaged.shape, damaged.dtype) == (clips.shape, torch.uint8)
        assert torch.equal(damage.of_clips(clips, strength), damaged)
        far.append((damaged.float() - clips.float()).square().mean().item())
    assert 0 < far[0] < far[1] < far[2]
    assert torch.equal(clips, before)


@pytest.mark.parametrize("damage", [each for each in OF_CLIPS if each.name != "reversed"], ids=lambda each: each.name)
def test_what_is_done_to_a_clip_depends_on_its_number_alone(damage: Damage, clips: Tensor) -> None:
    assert damage.of_clips is not None
    assert torch.equal(damage.of_clips(clips[:2], 1), damage.of_clips(clips, 1)[:2])


@pytest.mark.parametrize("damage", OF_CLIPS, ids=lambda damage: damage.name)
def test_damages_in_time_keep_every_frame_as_it_is(damage: Damage, clips: Tensor) -> None:
    assert damage.of_clips is not None
    damaged = damage.of_clips(clips, damage.strengths[1])
    frames = {frame.numpy().tobytes() for frame in clips.transpose(1, 2).flatten(0, 1)}
    assert (damage.name in IN_TIME) == all(
        frame.numpy().tobytes() in frames for frame in damaged.transpose(1, 2).flatten(0, 1)
    )


def test_noise_has_its_deviation() -> None:
    grey = torch.full((2, 3, 8, 32, 32), 128, dtype=torch.uint8)
    noise = add_noise(grey, 10).float() - 128
    assert noise.std().item() == pytest.approx(10, rel=0.05)
    assert noise.mean().item() == pytest.approx(0, abs=0.2)
    assert not torch.equal(noise[0], noise[1])


def test_blur_spreads_a_point_with_its_deviation() -> None:
    point = torch.zeros(1, 3, 1, 33, 33, dtype=torch.uint8)
    point[..., 16, 16] = 255
    spread = blur(point, 1.0)[0, 0, 0].float()
    away = torch.arange(33) - 16
    assert (spread.sum(0) * away.square()).sum().item() / spread.sum().item() == pytest.approx(1.0, rel=0.1)
    flat = torch.full((1, 3, 2, 9, 9), 200, dtype=torch.uint8)
    assert torch.equal(blur(flat, 2.0), flat)


def test_brighter_pixels_end_at_white() -> None:
    levels = torch.tensor([0, 100, 240], dtype=torch.uint8).view(1, 1, 1, 1, 3)
    assert brighten(levels, 20).flatten().tolist() == [20, 120, 255]


def test_shifted_clips_have_moved_down_and_right(clips: Tensor) -> None:
    moved = shift(clips, 2)
    assert torch.equal(moved[..., 2:, 2:], clips[..., :-2, :-2])
    assert torch.equal(moved[..., 0, 2:], clips[..., 0, :-2])


def test_warps_are_as_far_as_they_say_and_steady() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).expand(64, 64)  # 4 levels a pixel, from left to right
    clips = ramp.expand(1, 1, 6, 64, 64).contiguous()
    for change, frames_differ in ((warp, False), (wobble, True)):
        inner = slice(8, 56)
        moved = (change(clips, 1.0).float() - clips.float())[..., inner, inner] / 4
        assert 0.5 < moved.square().mean().sqrt().item() < 1.6
        assert bool((moved[:, :, 0] != moved[:, :, 3]).any()) == frames_differ
    assert torch.equal(warp(clips, 0.0), clips)


def test_order_of_frames() -> None:
    clips = numbered()
    assert sorted(order(swap_frames(clips, 4))) == list(range(16))
    assert sum(a != b for a, b in zip(order(swap_frames(clips, 1)), range(16), strict=True)) == 2
    assert order(freeze(clips, 0.5)) == [*range(8), *[8] * 8]
    assert order(freeze(clips, 1.0)) == [0] * 16
    assert order(repeat_frames(clips, 4)) == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]
    assert order(reverse(clips, 1.0)) == list(range(16))[::-1]


def test_a_share_of_the_clips_is_reversed(clips: Tensor) -> None:
    damaged = reverse(clips, 0.25)
    assert torch.equal(damaged[0], clips[0].flip(1))
    assert torch.equal(damaged[1:], clips[1:])


def test_modes_that_are_left_fill_the_set() -> None:
    modes = [0, 1, 2, 3, 0, 1, 2, 3]
    assert drop_modes(modes, 0.0).tolist() == list(range(8))
    assert drop_modes(modes, 0.5).tolist() == [0, 1, 4, 5, 0, 1, 4, 5]
    assert drop_modes(modes, 0.75).tolist() == [0, 4] * 4
    assert drop_modes(modes, 1.0).tolist() == [0, 4] * 4  # one mode is always left


def test_memorised_clips_are_real_ones() -> None:
    assert memorise([0] * 4, 0.0).tolist() == [0, 1, 2, 3]
    assert memorise([0] * 4, 0.5).tolist() == [4, 5, 2, 3]
    assert memorise([0] * 4, 1.0).tolist() == [4, 5, 6, 7]


def test_every_damage_is_of_clips_or_of_the_set() -> None:
    assert all((damage.of_clips is None) != (damage.of_set is None) for damage in DAMAGES)
    assert len({damage.name for damage in DAMAGES}) == len(DAMAGES)
