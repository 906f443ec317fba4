"""The actions of the acting figures: the angles of a jointed body as functions of the phase of a periodic motion.

Angles are in radians in the picture's plane, 0 hanging straight down, positive towards the right edge of the frame; every
angle is measured against the frame, not against the limb before.  A phase of 1 is one period.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """A body over T frames; every array is (T,).  Of a pair of limbs, the first is the far one or the left one in the frame.

    Args:
        side_view: seen from the side, looking right; otherwise from the front.
        lean: of the trunk from upright, positive to the right.
        upper_arms, forearms, thighs, shins: angles of the two limbs.
        hip_shift: of the hips to the right, as a share of the person's height.
        jump: of the lower foot above the floor, as a share of the person's height.
    """

    side_view: bool
    lean: Floats
    upper_arms: tuple[Floats, Floats]
    forearms: tuple[Floats, Floats]
    thighs: tuple[Floats, Floats]
    shins: tuple[Floats, Floats]
    hip_shift: Floats
    jump: Floats


def waving(phase: Floats) -> Pose:
    """Front: one arm up, its forearm swinging from side to side; the trunk sways along."""
    swing, still = np.sin(2 * np.pi * phase), np.zeros_like(phase)
    return Pose(
        side_view=False,
        lean=_degrees(-4 * swing),
        upper_arms=(_degrees(-14 + 4 * swing), _degrees(112 - 14 * swing)),
        forearms=(_degrees(-8 + 4 * swing), _degrees(176 - 56 * swing)),
        thighs=(_degrees(-9 + still), _degrees(9 + still)),
        shins=(_degrees(-5 + still), _degrees(5 + still)),
        hip_shift=0.01 * swing,
        jump=still,
    )


def jumping_jack(phase: Floats) -> Pose:
    """Front: arms from the thighs to overhead while the legs spread, with a small jump each way."""
    open_ = _there_and_back(phase)
    arms, legs = 16 + 138 * open_, 4 + 25 * open_
    return Pose(
        side_view=False,
        lean=np.zeros_like(phase),
        upper_arms=(_degrees(-arms), _degrees(arms)),
        forearms=(_degrees(-arms - 10 * open_), _degrees(arms + 10 * open_)),
        thighs=(_degrees(-legs), _degrees(legs)),
        shins=(_degrees(-legs), _degrees(legs)),
        hip_shift=np.zeros_like(phase),
        jump=0.05 * np.sin(2 * np.pi * phase) ** 2,
    )


def bending(phase: Floats) -> Pose:
    """Side: the trunk folds forward from upright until the hanging hands reach the toes; the hips go back for balance."""
    fold = _there_and_back(phase)
    arms = _degrees(14 - 4 * fold)
    return Pose(
        side_view=True,
        lean=_degrees(-4 + 112 * fold),
        upper_arms=(arms, arms + _degrees(10)),
        forearms=(arms + _degrees(8), arms + _degrees(18)),
        thighs=(_degrees(8 * fold), _degrees(8 * fold)),
        shins=(_degrees(8 * fold), _degrees(8 * fold)),
        hip_shift=-0.04 - 0.10 * fold,
        jump=np.zeros_like(phase),
    )


def walking(phase: Floats) -> Pose:
    """Side: walking on the spot, two steps a period; arms against the legs, the leg that comes forward bent at the knee."""
    swings = (np.sin(2 * np.pi * phase), -np.sin(2 * np.pi * phase))
    forwards = (np.cos(2 * np.pi * phase), -np.cos(2 * np.pi * phase))
    thighs = tuple(_degrees(6 + 32 * swing) for swing in swings)
    arms = tuple(_degrees(-40 * swing) for swing in swings)
    return Pose(
        side_view=True,
        lean=_degrees(5 + np.zeros_like(phase)),
        upper_arms=(arms[0], arms[1]),
        forearms=(arms[0] + _degrees(30), arms[1] + _degrees(30)),
        thighs=(thighs[0], thighs[1]),
        shins=tuple(thigh - _degrees(12 + 55 * np.maximum(0, going)) for thigh, going in zip(thighs, forwards)),
        hip_shift=np.zeros_like(phase),
        jump=np.zeros_like(phase),
    )


def squatting(phase: Floats) -> Pose:
    """Front: down over wide feet with the knees outward, while the straight arms rise to the sides."""
    down = _there_and_back(phase)
    bend = np.deg2rad(62) * down
    leg = np.arcsin(np.clip(0.30 / np.cos(bend), 0, 1))  # of the line from hip to foot, so that the feet stay in place
    arms = 14 + 82 * down
    return Pose(
        side_view=False,
        lean=np.zeros_like(phase),
        upper_arms=(_degrees(-arms), _degrees(arms)),
        forearms=(_degrees(-arms), _degrees(arms)),
        thighs=(-leg - bend, leg + bend),
        shins=(-leg + bend, leg - bend),
        hip_shift=np.zeros_like(phase),
        jump=np.zeros_like(phase),
    )


ACTIONS: dict[str, Callable[[Floats], Pose]] = {
    action.__name__: action for action in (bending, jumping_jack, squatting, walking, waving)
}


def _there_and_back(phase: Floats) -> Floats:
    """0 at phase 0, 1 at phase 1/2, 0 at phase 1; slow at both ends."""
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return rise * rise * (3 - 2 * rise)


def _degrees(angle: Floats) -> Floats:
    return np.deg2rad(angle)
