"""The actions of the acting figures: the angles of a jointed body as functions of the phase of a periodic motion.

Every angle is in radians in the plane of the frame and measured against the frame, not against the limb before: 0 hangs
straight down, positive is towards the right edge.  A phase of 1 is one period.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Pair = tuple[Floats, Floats]


@dataclass(frozen=True)
class Pose:
    """A body in T frames; every array is (T,).

    Of two limbs the first is the left one in the frame, or the far one where the body is seen from the side.

    Args:
        side_view: seen from the side, looking right; otherwise from the front.
        lean: of the trunk from upright.
        upper_arms: angles of the two.
        forearms: angles of the two.
        thighs: angles of the two.
        shins: angles of the two.
        hip_shift: of the hips to the right, as a share of the person's height.
        jump: of the lower foot above the floor, as a share of the person's height.
    """

    side_view: bool
    lean: Floats
    upper_arms: Pair
    forearms: Pair
    thighs: Pair
    shins: Pair
    hip_shift: Floats
    jump: Floats


def waving(phase: Floats) -> Pose:
    """Front: one arm up, its forearm swinging from side to side; the trunk sways along."""
    swing, still = np.sin(2 * np.pi * phase), np.zeros_like(phase)
    return Pose(
        side_view=False,
        lean=np.deg2rad(-5 * swing),
        upper_arms=_degrees(-16 + 4 * swing, 118 - 16 * swing),
        forearms=_degrees(-10 + 4 * swing, 164 - 48 * swing),
        thighs=_degrees(-9 + still, 9 + still),
        shins=_degrees(-5 + still, 5 + still),
        hip_shift=0.01 * swing,
        jump=still,
    )


def jumping_jack(phase: Floats) -> Pose:
    """Front: the arms go from the thighs to overhead while the legs spread, with a small jump each way."""
    spread, still = _there_and_back(phase), np.zeros_like(phase)
    arms, legs = 14 + 140 * spread, 4 + 25 * spread
    return Pose(
        side_view=False,
        lean=still,
        upper_arms=_degrees(-arms, arms),
        forearms=_degrees(-arms - 10 * spread, arms + 10 * spread),
        thighs=_degrees(-legs, legs),
        shins=_degrees(-legs, legs),
        hip_shift=still,
        jump=0.05 * np.sin(2 * np.pi * phase) ** 2,
    )


def bending(phase: Floats) -> Pose:
    """Side: the trunk folds down until the hanging hands reach the toes, and up again; the hips go back for balance."""
    fold = _there_and_back(phase)
    arms = 16 - 6 * fold
    return Pose(
        side_view=True,
        lean=np.deg2rad(-4 + 112 * fold),
        upper_arms=_degrees(arms + 12, arms),
        forearms=_degrees(arms + 20, arms + 8),
        thighs=_degrees(8 * fold, 8 * fold),
        shins=_degrees(8 * fold, 8 * fold),
        hip_shift=-0.04 - 0.10 * fold,
        jump=np.zeros_like(phase),
    )


def walking(phase: Floats) -> Pose:
    """Side: walking on the spot, two steps a period; arms against legs, the knee bent of the leg that comes forward."""
    swing, forward, still = np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase), np.zeros_like(phase)
    thighs = 6 + 34 * swing, 6 - 34 * swing
    knees = 10 + 55 * np.maximum(0, forward), 10 + 55 * np.maximum(0, -forward)
    return Pose(
        side_view=True,
        lean=np.deg2rad(5 + still),
        upper_arms=_degrees(-42 * swing, 42 * swing),
        forearms=_degrees(30 - 42 * swing, 30 + 42 * swing),
        thighs=_degrees(*thighs),
        shins=_degrees(thighs[0] - knees[0], thighs[1] - knees[1]),
        hip_shift=still,
        jump=still,
    )


def squatting(phase: Floats) -> Pose:
    """Front: down over wide feet with the knees outward, while the straight arms rise to the sides."""
    down, still = _there_and_back(phase), np.zeros_like(phase)
    bend = np.deg2rad(62) * down
    leg = np.arcsin(0.30 / np.cos(bend))  # of the line from hip to foot, so that the feet stay where they are
    arms = 14 + 82 * down
    return Pose(
        side_view=False,
        lean=still,
        upper_arms=_degrees(-arms, arms),
        forearms=_degrees(-arms, arms),
        thighs=(-leg - bend, leg + bend),
        shins=(-leg + bend, leg - bend),
        hip_shift=still,
        jump=still,
    )


ACTIONS: dict[str, Callable[[Floats], Pose]] = {
    "bending": bending,
    "jumping_jack": jumping_jack,
    "squatting": squatting,
    "walking": walking,
    "waving": waving,
}


def _there_and_back(phase: Floats) -> Floats:
    """0 at phase 0, 1 at phase 1/2, 0 at phase 1; slow at both ends."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * phase)


def _degrees(first: Floats, second: Floats) -> Pair:
    return np.deg2rad(first), np.deg2rad(second)
