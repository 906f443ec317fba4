"""Draws the acting figures: a jointed body of thick, antialiased capsules before one background.

Positions are in shares of the frame, x to the right and y downwards, as arrays (T, 2).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.acting_figures_motions import ACTIONS, Floats, Pose
from datamodules.acting_figures_people import PEOPLE, Colour, Person

SIZE = 64  # pixels, height and width of a frame
FRAMES_PER_PERIOD = 20  # at speed 1

_FLOOR = 0.955
_WALL_COLOUR, _FLOOR_COLOUR = (216, 226, 232), (186, 192, 190)
_FAR_SHADE = 0.72  # of the limbs behind the body, seen from the side
_RIM, _RIM_SHADE = 0.014, 0.62  # a darker edge that parts an arm from the trunk behind it

Points = NDArray[np.float64]
Frames = NDArray[np.float32]


class Capsule(NamedTuple):
    """A limb: all points closer to the segment from `start` to `end` than a radius that goes from one end's to the other's."""

    start: Points
    end: Points
    start_radius: float
    end_radius: float
    colour: Colour


def draw_clip(
    person: int, action: str, phase: float, speed: float, num_frames: int, mirrored: bool = False
) -> NDArray[np.uint8]:
    """Draw a person in action.

    Args:
        person: index into `PEOPLE`.
        action: a key of `ACTIONS`.
        phase: of the motion in the first frame, in periods.
        speed: 1 is a period of `FRAMES_PER_PERIOD` frames, 2 is twice as fast.
        num_frames: T.
        mirrored: left and right exchanged.

    Shapes: returns (T, 64, 64, 3) uint8, RGB.
    Raises: ValueError if there is no such person or action.
    """
    if not 0 <= person < len(PEOPLE):
        raise ValueError(f"no person {person}; there are 0 to {len(PEOPLE) - 1}")
    if action not in ACTIONS:
        raise ValueError(f"no action {action!r}; there are {', '.join(ACTIONS)}")
    phases = phase + speed / FRAMES_PER_PERIOD * np.arange(num_frames)
    frames = np.repeat(_background()[None], num_frames, axis=0)  # (T, H, W, 3)
    for capsule in _body(PEOPLE[person], ACTIONS[action](phases)):
        _paint(frames, capsule)
    if mirrored:
        frames = frames[:, :, ::-1]
    return np.ascontiguousarray(frames + 0.5).astype(np.uint8)


@cache
def _background() -> Frames:
    """A plain wall and floor, (H, W, 3), slightly textured and the same mirrored."""
    rng = np.random.default_rng(0)
    texture = np.zeros((SIZE, SIZE))
    for cells, strength in ((4, 3.0), (16, 2.0)):
        texture += strength * np.kron(rng.uniform(-1, 1, (cells, cells)), np.ones((SIZE // cells, SIZE // cells)))
    for axis in (0, 1):
        for _ in range(2):
            texture = (texture + np.roll(texture, 2, axis) + np.roll(texture, -2, axis)) / 3
    rows = (np.arange(SIZE) + 0.5) / SIZE
    floor = np.clip((rows - 0.86) * SIZE / 3, 0, 1)[:, None, None]
    plain = (1 - floor) * np.array(_WALL_COLOUR) + floor * np.array(_FLOOR_COLOUR)
    return (plain + (texture + texture[:, ::-1])[..., None] / 2).astype(np.float32)


def _body(person: Person, pose: Pose) -> list[Capsule]:
    """The body's parts from back to front, its lower foot on the floor."""
    h, w = person.height, person.width
    hips = np.stack([0.5 + h * pose.hip_shift, np.zeros_like(pose.lean)], axis=1)
    up = np.stack([np.sin(pose.lean), -np.cos(pose.lean)], axis=1)
    across = np.stack([np.cos(pose.lean), np.sin(pose.lean)], axis=1)
    neck = hips + 0.31 * h * up
    half_hips, half_shoulders = (0.0, 0.0) if pose.side_view else (0.055 * h * w, 0.105 * h * w)
    legs = [
        _leg(person, pose, limb, hips + side * half_hips * np.array([1.0, 0.0])) for limb, side in ((0, -1), (1, 1))
    ]
    arms = [
        _arm(person, pose, limb, neck - 0.015 * h * up + side * half_shoulders * across)
        for limb, side in ((0, -1), (1, 1))
    ]
    trunk = _trunk(person, pose, hips, neck, across)
    head = _head(person, pose, neck, up, across)
    if pose.side_view:
        parts = [*_shaded(arms[0]), *_shaded(legs[0]), *legs[1], *trunk, *head, *arms[1]]
    else:
        parts = [*head[:1], *legs[0], *legs[1], *trunk, *head[1:], *arms[0], *arms[1]]
    return _on_the_floor(parts, [legs[0][-1], legs[1][-1]], _FLOOR - h * pose.jump)


def _leg(person: Person, pose: Pose, limb: int, hip: Points) -> list[Capsule]:
    """Thigh, shin and foot; the foot is the last."""
    h, w = person.height, person.width
    knee = hip + 0.215 * h * _direction(pose.thighs[limb])
    ankle = knee + 0.195 * h * _direction(pose.shins[limb])
    toes = np.array([0.075 * h if pose.side_view else (0.02 * h if limb else -0.02 * h), 0.0])
    shin_colour = person.bottom if person.legwear == "trousers" else person.skin
    return [
        Capsule(knee, ankle, 0.050 * h * w, 0.044 * h * w, shin_colour),
        Capsule(hip, knee, 0.066 * h * w, 0.054 * h * w, person.bottom),
        Capsule(ankle, ankle + toes, 0.048 * h, 0.042 * h, person.shoes),
    ]


def _arm(person: Person, pose: Pose, limb: int, shoulder: Points) -> list[Capsule]:
    """Upper arm, forearm and hand."""
    h, w = person.height, person.width
    elbow = shoulder + 0.17 * h * _direction(pose.upper_arms[limb])
    wrist = elbow + 0.165 * h * _direction(pose.forearms[limb])
    return [
        Capsule(wrist, wrist + 0.02 * h * _direction(pose.forearms[limb]), 0.050 * h, 0.050 * h, person.skin),
        Capsule(shoulder, elbow, 0.054 * h * w, 0.047 * h * w, person.sleeves),
        Capsule(elbow, wrist, 0.047 * h * w, 0.043 * h * w, person.sleeves),
    ]


def _trunk(person: Person, pose: Pose, hips: Points, neck: Points, across: Points) -> list[Capsule]:
    h, w = person.height, person.width
    if pose.side_view:
        parts = [Capsule(hips, hips + 0.74 * (neck - hips), 0.078 * h * w, 0.088 * h * w, person.top)]
        half_hem = 0.03
    else:
        parts = [
            Capsule(
                hips + side * 0.035 * h * w * across,
                neck + side * 0.065 * h * w * across - 0.22 * (neck - hips),
                0.066 * h * w,
                0.072 * h * w,
                person.top,
            )
            for side in (-1, 0, 1)
        ]
        half_hem = 0.07
    if person.legwear == "skirt":
        hem = hips + np.array([0.0, 0.12 * h])
        parts = [
            *(
                Capsule(
                    hips, hem + np.array([side * half_hem * h * w, 0.0]), 0.075 * h * w, 0.075 * h * w, person.bottom
                )
                for side in (-1, 1)
            ),
            *parts,
        ]
    return parts


def _head(person: Person, pose: Pose, neck: Points, up: Points, across: Points) -> list[Capsule]:
    """What lies behind the trunk seen from the front (the long hair), then neck, hair and face."""
    h = person.height
    centre = neck + 0.125 * h * up
    back = across * (-0.03 * h if pose.side_view else 0.0)
    crown = centre + 0.03 * h * up + back
    tips = centre - (0.14 if person.hair_style == "long" else 0.0) * h * up + 1.5 * back
    hair = person.skin if person.hair_style == "bald" else person.hair
    parts = [
        Capsule(crown, tips, 0.105 * h, 0.095 * h, hair),
        Capsule(neck - 0.02 * h * up, centre, 0.045 * h, 0.045 * h, person.skin),
        Capsule(crown, crown, 0.100 * h, 0.100 * h, hair),
        Capsule(centre - 0.02 * h * up - back, centre - 0.02 * h * up - back, 0.085 * h, 0.085 * h, person.skin),
    ]
    if person.hair_style == "bun":
        bun = crown + 0.11 * h * up + 2 * back
        parts.insert(0, Capsule(bun, bun, 0.055 * h, 0.055 * h, hair))
    return parts


def _on_the_floor(parts: list[Capsule], feet: list[Capsule], floor: Floats) -> list[Capsule]:
    lowest = np.maximum(*(np.maximum(foot.start[:, 1], foot.end[:, 1]) + foot.start_radius for foot in feet))
    shift = np.stack([np.zeros_like(lowest), floor - lowest], axis=1)
    return [part._replace(start=part.start + shift, end=part.end + shift) for part in parts]


def _shaded(parts: list[Capsule]) -> list[Capsule]:
    return [part._replace(colour=_darker(part.colour, _FAR_SHADE)) for part in parts]


def _darker(colour: Colour, shade: float) -> Colour:
    return int(shade * colour[0]), int(shade * colour[1]), int(shade * colour[2])


def _direction(angle: Floats) -> Points:
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _paint(frames: Frames, part: Capsule) -> None:
    """Lay one capsule over all frames (T, H, W, 3), in place; only the rows and columns that it ever touches."""
    ends = np.concatenate([part.start, part.end])
    margin = max(part.start_radius, part.end_radius) + 1.5 / SIZE
    first = np.clip(np.floor((ends.min(axis=0) - margin) * SIZE), 0, SIZE).astype(int)
    last = np.clip(np.ceil((ends.max(axis=0) + margin) * SIZE), 0, SIZE).astype(int)
    x = ((np.arange(first[0], last[0], dtype=np.float32) + 0.5) / SIZE)[None, None, :]
    y = ((np.arange(first[1], last[1], dtype=np.float32) + 0.5) / SIZE)[None, :, None]
    depth = _depth_inside(part, x, y)
    coverage = np.clip(depth * SIZE + 0.5, 0, 1)[..., None]
    inner = np.clip((depth - _RIM) * SIZE + 0.5, 0, 1)[..., None]
    colour = np.array(part.colour, np.float32)
    region = frames[:, first[1] : last[1], first[0] : last[0]]
    region += coverage * (colour * (_RIM_SHADE + (1 - _RIM_SHADE) * inner) - region)


def _depth_inside(part: Capsule, x: Frames, y: Frames) -> Frames:
    """How far inside the capsule (positive) each pixel's centre lies: (T, H, W)."""
    start, along = part.start.astype(np.float32), (part.end - part.start).astype(np.float32)
    dx, dy = x - start[:, 0, None, None], y - start[:, 1, None, None]
    ax, ay = along[:, 0, None, None], along[:, 1, None, None]
    share = np.clip((dx * ax + dy * ay) / np.maximum(ax * ax + ay * ay, 1e-9), 0, 1)
    radius = np.float32(part.start_radius) + np.float32(part.end_radius - part.start_radius) * share
    return radius - np.hypot(dx - share * ax, dy - share * ay)
