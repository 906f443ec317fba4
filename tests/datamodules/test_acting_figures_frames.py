"""What is drawn: clips, people and motions of the acting figures."""

import itertools

import numpy as np
import pytest

from datamodules.acting_figures_frames import FRAMES_PER_PERIOD, SIZE, draw_clip
from datamodules.acting_figures_motions import ACTIONS
from datamodules.acting_figures_people import PEOPLE

EVERYONE = range(len(PEOPLE))


def at_32(clip: np.ndarray) -> np.ndarray:
    """(T, 32, 32, 3) float: 2x2 pixels averaged, as a GAN that trains at 32x32 sees them."""
    return clip.reshape(len(clip), 32, 2, 32, 2, 3).mean((2, 4))


@pytest.mark.parametrize("action", ACTIONS)
def test_clips_are_frames_that_repeat_with_the_period(action):
    clip = draw_clip(3, action, phase=0.3, speed=1.0, num_frames=FRAMES_PER_PERIOD + 4)
    assert (clip.shape, clip.dtype) == ((FRAMES_PER_PERIOD + 4, SIZE, SIZE, 3), np.uint8)
    assert np.abs(clip[FRAMES_PER_PERIOD:].astype(int) - clip[:4]).max() <= 1  # rounding


def test_same_arguments_give_the_same_pixels():
    first, second = (draw_clip(5, "walking", 0.123, 1.07, 8, mirrored=True) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("action", "mean_colour"),
    [
        ("bending", (196.36, 200.37, 204.07)),
        ("jumping_jack", (188.08, 189.32, 192.88)),
        ("squatting", (188.19, 189.32, 193.04)),
        ("walking", (192.4, 195.54, 199.24)),
        ("waving", (188.74, 190.11, 193.73)),
    ],
)
def test_pixels_stay_what_they_were(action, mean_colour):
    # recorded; if the drawing is changed on purpose, record again and raise _DRAWING in acting_figures_drawing
    clip = np.concatenate([draw_clip(person, action, 0.1, 1.0, 5) for person in EVERYONE])
    assert clip.mean((0, 1, 2)) == pytest.approx(mean_colour, abs=0.05)


def test_mirrored_is_the_mirror_image():
    assert np.array_equal(draw_clip(1, "walking", 0, 1, 3, mirrored=True), draw_clip(1, "walking", 0, 1, 3)[:, :, ::-1])


def test_the_background_is_symmetric():
    left_corner, right_corner = np.s_[:, :40, :8], np.s_[:, :40, -8:]
    frame = draw_clip(0, "bending", 0, 1, 1)
    assert np.array_equal(frame[left_corner], frame[right_corner][:, :, ::-1])
    assert 1 < frame[left_corner].std(axis=(1, 2)).mean() < 8  # slightly textured


def test_phase_and_speed_say_where_in_the_motion_a_frame_is():
    slow, fast = draw_clip(2, "squatting", 0, 1, 9), draw_clip(2, "squatting", 0, 2, 5)
    late = draw_clip(2, "squatting", 4 / FRAMES_PER_PERIOD, 1, 5)
    assert np.abs(slow[::2].astype(int) - fast).max() <= 1
    assert np.abs(slow[4:].astype(int) - late).max() <= 1


@pytest.mark.parametrize(("person", "action"), itertools.product(EVERYONE, ACTIONS))
def test_nobody_leaves_the_frame(person, action):
    clip = draw_clip(person, action, 0, 1, FRAMES_PER_PERIOD).astype(int)
    plain = draw_clip(0, "bending", 0, 1, 1).astype(int)  # its outermost pixels are background
    for border in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        assert np.array_equal(clip[border], np.broadcast_to(plain[border], clip[border].shape))


@pytest.mark.parametrize(("person", "action"), itertools.product(EVERYONE, ACTIONS))
def test_the_motion_of_sixteen_frames_is_seen_at_32x32(person, action):
    clip = at_32(draw_clip(person, action, 0.7, 0.85, 16))
    moving = (np.ptp(clip, axis=0).max(axis=-1) > 60).mean()
    assert moving > 0.04, f"only {moving:.1%} of the pixels change much"


def test_figures_are_large():
    for person in EVERYONE:
        standing = draw_clip(person, "jumping_jack", 0, 1, 1).astype(int)[0]
        rows = np.flatnonzero(np.ptp(standing, axis=1).max(axis=1) > 60)  # a figure makes a row uneven
        assert 0.65 * SIZE < len(rows) < 0.9 * SIZE


def test_people_are_told_apart_by_what_they_wear():
    standing = [at_32(draw_clip(person, "waving", 0.25, 1, 1)) for person in EVERYONE]
    for one, other in itertools.combinations(EVERYONE, 2):
        assert np.abs(standing[one] - standing[other]).mean() > 4


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: f"{person.top}")
def test_arms_are_seen_before_the_trunk_and_the_wall(person):
    wall = draw_clip(0, "bending", 0, 1, 1)[0, 5, 5].astype(int)
    for behind in (np.array(person.top), wall):
        assert np.linalg.norm(np.array(person.sleeves) - behind) > 75


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no person 12; there are 0 to 11"):
        draw_clip(12, "waving", 0, 1, 4)
    with pytest.raises(ValueError, match="no action 'flying'; there are bending, jumping_jack"):
        draw_clip(0, "flying", 0, 1, 4)
    with pytest.raises(ValueError, match="num_frames must be at least 1, not 0"):
        draw_clip(0, "waving", 0, 1, 0)
