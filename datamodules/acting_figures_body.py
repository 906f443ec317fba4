"""The body of an acting figure: a person in a pose as coloured parts made of capsules.

Positions are (T, 2), x and y as shares of the frame, x to the right and y down.  `h` is the person's height and `w` the
person's width throughout.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.acting_figures_motions import Floats, Pose
from datamodules.acting_figures_people import Colour, Person

FLOOR = 0.955  # y of the soles
_FAR_SHADE = 0.70  # of the limbs behind the body, seen from the side
_DOWN, _RIGHT = np.array([0.0, 1.0]), np.array([1.0, 0.0])

Points = NDArray[Any]


class Capsule(NamedTuple):
    """The points within a radius of the segment from `start` to `end`; it goes from one end's to the other's."""

    start: Points
    end: Points
    start_radius: float
    end_radius: float


class Part(NamedTuple):
    """Capsules of one colour that are seen as one shape."""

    colour: Colour
    capsules: list[Capsule]


def body(person: Person, pose: Pose) -> list[Part]:
    """The parts from back to front, the lower foot on the floor."""
    h, w = person.height, person.width
    across = np.stack([np.cos(pose.lean), np.sin(pose.lean)], axis=1)
    up = np.stack([np.sin(pose.lean), -np.cos(pose.lean)], axis=1)
    hips = 0.5 * (_RIGHT + _DOWN) + h * pose.hip_shift[:, None] * _RIGHT
    neck = hips + 0.31 * h * up
    half_hips, half_shoulders = (0.0, 0.0) if pose.side_view else (0.055 * h * w, 0.115 * h * w)
    shoulders = neck - 0.02 * h * up
    legs = [_leg(person, pose, limb, hips + side * half_hips * _RIGHT) for limb, side in ((0, -1), (1, 1))]
    arms = [_arm(person, pose, limb, shoulders + side * half_shoulders * across) for limb, side in ((0, -1), (1, 1))]
    trunk = _trunk(person, pose, hips, neck, across)
    hair, face = _head(person, pose, neck, up, across)
    if pose.side_view:
        parts = [*_in_shade(arms[0]), *_in_shade(legs[0]), *legs[1], *trunk, *face, *arms[1]]
    else:
        parts = [*hair, *legs[0], *legs[1], *trunk, *face, *arms[0], *arms[1]]
    return _on_the_floor(parts, [_foot(leg) for leg in legs], FLOOR - h * pose.jump)


def _leg(person: Person, pose: Pose, limb: int, hip: Points) -> list[Part]:
    """Shin and thigh, then the foot."""
    h, w = person.height, person.width
    knee = hip + 0.215 * h * _direction(pose.thighs[limb])
    ankle = knee + 0.185 * h * _direction(pose.shins[limb])
    toes = ankle + (0.085 if pose.side_view else 0.025 * (2 * limb - 1)) * h * _RIGHT + 0.01 * h * _DOWN
    foot = Part(person.shoes, [Capsule(ankle + 0.01 * h * _DOWN, toes, 0.056 * h, 0.052 * h)])
    thigh = Capsule(hip, knee, 0.072 * h * w, 0.060 * h * w)
    shin = Capsule(knee, ankle, 0.056 * h * w, 0.046 * h * w)
    if person.legwear == "trousers":
        return [Part(person.bottom, [thigh, shin]), foot]
    return [Part(person.skin, [shin]), Part(person.bottom, [thigh]), foot]


def _foot(leg: list[Part]) -> Capsule:
    return leg[-1].capsules[0]


def _arm(person: Person, pose: Pose, limb: int, shoulder: Points) -> list[Part]:
    """Hand, then upper arm and forearm."""
    h, w = person.height, person.width
    elbow = shoulder + 0.165 * h * _direction(pose.upper_arms[limb])
    wrist = elbow + 0.155 * h * _direction(pose.forearms[limb])
    hand = wrist + 0.03 * h * _direction(pose.forearms[limb])
    sleeve = [
        Capsule(shoulder, elbow, 0.064 * h * w, 0.058 * h * w),
        Capsule(elbow, wrist, 0.058 * h * w, 0.053 * h * w),
    ]
    return [Part(person.skin, [Capsule(hand, hand, 0.056 * h, 0.056 * h)]), Part(person.sleeves, sleeve)]


def _trunk(person: Person, pose: Pose, hips: Points, neck: Points, across: Points) -> list[Part]:
    """The top, and a skirt below it."""
    h, w = person.height, person.width
    chest = neck - 0.22 * (neck - hips)
    columns, spread = ((0.0,), 0.035) if pose.side_view else ((-1.0, 0.0, 1.0), 0.065)
    top = [
        Capsule(
            hips + 0.6 * s * spread * h * w * across, chest + s * spread * h * w * across, 0.070 * h * w, 0.078 * h * w
        )
        for s in columns
    ]
    if person.legwear != "skirt":
        return [Part(person.top, top)]
    hem = hips + 0.13 * h * _DOWN
    flares = [Capsule(hips, hem + s * spread * h * w * _RIGHT, 0.070 * h * w, 0.080 * h * w) for s in (-1.0, 0.0, 1.0)]
    return [Part(person.bottom, flares), Part(person.top, top)]


def _head(person: Person, pose: Pose, neck: Points, up: Points, across: Points) -> tuple[list[Part], list[Part]]:
    """What hangs behind the trunk where it is seen from the front (the hair), and the head."""
    h = person.height
    back = (-0.035 * h if pose.side_view else 0.0) * across
    centre = neck + 0.13 * h * up
    crown, chin = centre + 0.03 * h * up + back, centre - 0.02 * h * up - 0.5 * back
    throat = Part(person.skin, [Capsule(neck - 0.02 * h * up, centre, 0.045 * h, 0.045 * h)])
    face = Capsule(chin, chin, 0.092 * h, 0.092 * h)
    cap = Capsule(crown, crown, 0.104 * h, 0.104 * h)
    if person.hair_style == "bald":
        return [], [throat, Part(person.skin, [face, cap])]
    hanging = []
    if person.hair_style == "long":
        hanging = [Capsule(crown, centre - 0.13 * h * up + 1.6 * back, 0.104 * h, 0.112 * h)]
    if person.hair_style == "bun":
        bun = crown + 0.11 * h * up + 1.6 * back
        hanging = [Capsule(bun, bun, 0.062 * h, 0.062 * h)]
    head = [throat, Part(person.hair, [cap, *(hanging if pose.side_view else [])]), Part(person.skin, [face])]
    return [Part(person.hair, hanging)] if hanging else [], head


def _on_the_floor(parts: list[Part], feet: list[Capsule], floor: Floats) -> list[Part]:
    soles = [np.maximum(foot.start[:, 1] + foot.start_radius, foot.end[:, 1] + foot.end_radius) for foot in feet]
    shift = (floor - np.maximum(*soles))[:, None] * _DOWN
    return [
        part._replace(capsules=[c._replace(start=c.start + shift, end=c.end + shift) for c in part.capsules])
        for part in parts
    ]


def _in_shade(parts: list[Part]) -> list[Part]:
    return [part._replace(colour=shaded(part.colour, _FAR_SHADE)) for part in parts]


def shaded(colour: Colour, shade: float) -> Colour:
    """The colour with every channel multiplied by `shade`."""
    return int(shade * colour[0]), int(shade * colour[1]), int(shade * colour[2])


def _direction(angle: Floats) -> Points:
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)
