"""Draws clips of the acting figures: antialiased capsules laid one over the other before one background."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.acting_figures_body import Capsule, Part, body, shaded
from datamodules.acting_figures_motions import ACTIONS
from datamodules.acting_figures_people import PEOPLE

SIZE = 64  # pixels, height and width of a frame
FRAMES_PER_PERIOD = 20  # at speed 1

_WALL, _FLOOR = (216, 226, 232), (176, 182, 180)
_HORIZON = 0.86
_RIM, _RIM_SHADE = 0.016, 0.60  # a darker edge, as wide as a pixel, which parts an arm from the trunk behind it

Floats = NDArray[Any]


def draw_clip(
    person: int, action: str, phase: float, speed: float, num_frames: int, mirrored: bool = False
) -> NDArray[np.uint8]:
    """Draw a person in action.

    Args:
        person: index into `PEOPLE`.
        action: a key of `ACTIONS`.
        phase: of the motion in the first frame, in periods.
        speed: 1 is a period of `FRAMES_PER_PERIOD` frames, 2 is twice as fast.
        num_frames: T, at least 1.
        mirrored: left and right exchanged; the background is the same either way.

    Shapes: returns (T, 64, 64, 3) uint8, RGB.
    Raises: ValueError if there is no such person or action, or no frame is asked for.
    """
    if not 0 <= person < len(PEOPLE):
        raise ValueError(f"no person {person}; there are 0 to {len(PEOPLE) - 1}")
    if action not in ACTIONS:
        raise ValueError(f"no action {action!r}; there are {', '.join(ACTIONS)}")
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, not {num_frames}")
    phases = phase + speed / FRAMES_PER_PERIOD * np.arange(num_frames)
    frames = np.repeat(_background()[None], num_frames, axis=0)  # (T, H, W, 3)
    for part in body(PEOPLE[person], ACTIONS[action](phases)):
        _paint(frames, part)
    if mirrored:
        frames = frames[:, :, ::-1]
    return np.ascontiguousarray(frames + 0.5).astype(np.uint8)


@cache
def _background() -> Floats:
    """A plain wall and floor, slightly textured and symmetric: (H, W, 3) float32, 0 to 255."""
    rng = np.random.default_rng(0)
    texture = np.zeros((SIZE, SIZE))
    for cells, strength in ((4, 3.0), (16, 2.0)):
        texture += strength * np.kron(rng.uniform(-1, 1, (cells, cells)), np.ones((SIZE // cells, SIZE // cells)))
    for axis in (0, 1, 0, 1):
        texture = (texture + np.roll(texture, 2, axis) + np.roll(texture, -2, axis)) / 3
    y = (np.arange(SIZE) + 0.5) / SIZE
    floor = np.clip((y - _HORIZON) * SIZE / 3, 0, 1)[:, None, None]
    plain = (1 - floor) * np.array(_WALL) + floor * np.array(_FLOOR)
    return (plain + (texture + texture[:, ::-1])[..., None] / 2).astype(np.float32)


def _paint(frames: Floats, part: Part) -> None:
    """Lay one part over all frames (T, H, W, 3), in place; only the rows and columns that it touches in any frame."""
    ends = np.concatenate([end for capsule in part.capsules for end in (capsule.start, capsule.end)])
    reach = max(max(capsule.start_radius, capsule.end_radius) for capsule in part.capsules) + 1 / SIZE
    left, top = np.clip(np.floor((ends.min(axis=0) - reach) * SIZE), 0, SIZE).astype(int)
    right, bottom = np.clip(np.ceil((ends.max(axis=0) + reach) * SIZE), 0, SIZE).astype(int)
    x = ((np.arange(left, right) + 0.5) / SIZE).astype(np.float32)[None, None, :]
    y = ((np.arange(top, bottom) + 0.5) / SIZE).astype(np.float32)[None, :, None]
    depth = np.max([_depth_inside(capsule, x, y) for capsule in part.capsules], axis=0)  # (T, bottom-top, right-left)
    coverage = np.clip(depth * SIZE + 0.5, 0, 1)[..., None]
    inner = np.clip((depth - _RIM) * SIZE + 0.5, 0, 1)[..., None]
    fill, rim = np.array(part.colour, np.float32), np.array(shaded(part.colour, _RIM_SHADE), np.float32)
    region = frames[:, top:bottom, left:right]
    region += coverage * (rim + inner * (fill - rim) - region)


def _depth_inside(capsule: Capsule, x: Floats, y: Floats) -> Floats:
    """How far inside the capsule (or, negative, outside) each point lies, as a share of the frame: (T, H, W)."""
    start, along = capsule.start.astype(np.float32), (capsule.end - capsule.start).astype(np.float32)
    from_start_x, from_start_y = x - start[:, 0, None, None], y - start[:, 1, None, None]
    along_x, along_y = along[:, 0, None, None], along[:, 1, None, None]
    length_squared = np.maximum(along_x**2 + along_y**2, np.float32(1e-9))
    share = np.clip((from_start_x * along_x + from_start_y * along_y) / length_squared, 0, 1)
    radius = np.float32(capsule.start_radius) + np.float32(capsule.end_radius - capsule.start_radius) * share
    return radius - np.hypot(from_start_x - share * along_x, from_start_y - share * along_y)
