"""The motions of the acting figures, as angles."""

import numpy as np
import pytest

from datamodules.acting_figures_body import FLOOR, body
from datamodules.acting_figures_motions import ACTIONS, bending, jumping_jack, squatting, walking, waving
from datamodules.acting_figures_people import PEOPLE

PERIOD = np.linspace(0, 1, 41)


@pytest.mark.parametrize("action", ACTIONS)
def test_motions_are_periodic_and_smooth(action):
    pose, later = ACTIONS[action](PERIOD), ACTIONS[action](PERIOD + 3)
    for name in ("lean", "upper_arms", "forearms", "thighs", "shins", "hip_shift", "jump"):
        np.testing.assert_allclose(getattr(pose, name), getattr(later, name), atol=1e-9)
        assert np.abs(np.diff(getattr(pose, name))).max() < np.deg2rad(20)  # in a fortieth of a period


def test_bending_reaches_down_and_comes_up():
    lean = np.rad2deg(bending(PERIOD).lean)
    assert (lean[0] < 5, lean[20] > 90, lean[40] < 5) == (True, True, True)


def test_jumping_jack_opens_arms_and_legs_together():
    pose = jumping_jack(PERIOD)
    assert np.corrcoef(pose.upper_arms[1], pose.thighs[1])[0, 1] > 0.99
    assert np.rad2deg(np.ptp(pose.upper_arms[1])) > 120
    for limbs in (pose.upper_arms, pose.forearms, pose.thighs, pose.shins):
        np.testing.assert_allclose(limbs[0], -limbs[1])


def test_squatting_lowers_the_head_over_feet_that_stay():
    pose = squatting(PERIOD)
    feet = np.sin(pose.thighs[1]) + np.sin(pose.shins[1])  # of two segments of length 1
    np.testing.assert_allclose(feet, feet[0], atol=1e-9)
    height = np.cos(pose.thighs[1]) + np.cos(pose.shins[1])
    assert height[20] < 0.5 * height[0]


def test_walking_moves_arms_against_legs_and_never_bends_a_knee_forward():
    pose = walking(PERIOD)
    assert np.corrcoef(pose.thighs[0], pose.thighs[1])[0, 1] < -0.99
    assert np.corrcoef(pose.thighs[0], pose.upper_arms[0])[0, 1] < -0.99
    for limb in (0, 1):
        assert (pose.shins[limb] < pose.thighs[limb]).all()


def test_waving_swings_one_raised_forearm():
    pose = waving(PERIOD)
    assert np.rad2deg(pose.upper_arms[1]).min() > 90
    assert np.rad2deg(np.ptp(pose.forearms[1])) > 80
    assert np.rad2deg(np.ptp(pose.forearms[0])) < 15


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("person", range(0, len(PEOPLE), 4))
def test_the_lower_foot_stands_on_the_floor_unless_it_jumps(action, person):
    pose = ACTIONS[action](PERIOD)
    bottoms = [
        np.maximum(capsule.start[:, 1] + capsule.start_radius, capsule.end[:, 1] + capsule.end_radius)
        for part in body(PEOPLE[person], pose)
        for capsule in part.capsules
        if part.colour in (PEOPLE[person].shoes, tuple(int(0.7 * channel) for channel in PEOPLE[person].shoes))
    ]
    np.testing.assert_allclose(np.max(bottoms, axis=0), FLOOR - PEOPLE[person].height * pose.jump, atol=1e-9)
