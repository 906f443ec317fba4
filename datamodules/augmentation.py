"""Augmentation of training clips: one decision a clip, for all its frames, made on the device for a whole batch."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from losses.augmentation_transforms import (
    grey_projection,
    hue_rotation,
    recolor,
    rotation,
    scaling,
    translation,
    warp,
)

# The second entry of every random seed; `clip_sampling` and `sampling_rules` have 0 to 5.
_AUGMENTATION = 6
# What is drawn for each clip, whether it is used or not, so that switching one on changes no other.
_DRAWS = ("area", "aspect", "x", "y", "angle", "brightness", "contrast", "saturation", "hue", "reversal", "speed", "at")


class ClipAugmentation:
    """Changes of place, color and time, each off unless its argument says otherwise; a function of (seed, position).

    What the generator learns is the augmented data: changes that must not reach the generated videos are the
    discriminator's, see `losses.diff_augment` and `losses.adaptive_augmentation`.  Faster clips than those on disk are
    the `max_frame_stride` of the data; mirrored ones its `flip`.

    Args:
        least_crop_area: a rectangle of a share of the frame's area, uniform from this to 1, at a uniform place, is
            resized to the whole frame; above 0, 1 is off.
        largest_crop_aspect: the rectangle's width over its height, relative to the frame's, log-uniform from 1 / this
            to this, cut to the frame; at least 1, which is off.
        rotation_degrees: turned by a uniform angle up to this, to both sides, reflected at the border; 0 is off.
        brightness: a uniform number up to this, of both signs, is added to all pixels, in [-1, 1]; 0 is off.
        contrast: distances from mid-grey change by a factor, log-uniform from 1 / (1 + this) to 1 + this; 0 is off.
        saturation: the same for distances of colors from their grey; 0 is off.
        hue_degrees: colors are turned around the grey axis by a uniform angle up to this, to both sides; 0 is off.
        reversal_probability: of playing a clip backwards, which few motions look natural in; 0 is off.
        least_speed: played at a speed uniform from this to 1, the nearest frames repeated; above 0, 1 is off.

    Raises: ValueError, in one line, if an argument is not as above.
    """

    def __init__(
        self,
        least_crop_area: float = 1.0,
        largest_crop_aspect: float = 1.0,
        rotation_degrees: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue_degrees: float = 0.0,
        reversal_probability: float = 0.0,
        least_speed: float = 1.0,
    ) -> None:
        for name, value, is_right, range_of_it in (
            ("least_crop_area", least_crop_area, 0 < least_crop_area <= 1, "above 0 and at most 1"),
            ("largest_crop_aspect", largest_crop_aspect, 1 <= largest_crop_aspect < math.inf, "at least 1"),
            ("rotation_degrees", rotation_degrees, 0 <= rotation_degrees <= 180, "from 0 to 180"),
            ("brightness", brightness, 0 <= brightness <= 2, "from 0 to 2"),
            ("contrast", contrast, 0 <= contrast < math.inf, "at least 0"),
            ("saturation", saturation, 0 <= saturation < math.inf, "at least 0"),
            ("hue_degrees", hue_degrees, 0 <= hue_degrees <= 180, "from 0 to 180"),
            ("reversal_probability", reversal_probability, 0 <= reversal_probability <= 1, "from 0 to 1"),
            ("least_speed", least_speed, 0 < least_speed <= 1, "above 0 and at most 1"),
        ):
            if not is_right:
                raise ValueError(f"{name} is {value}; it must be {range_of_it}")
        self.least_crop_area = least_crop_area
        self.largest_crop_aspect = largest_crop_aspect
        self.rotation_degrees = rotation_degrees
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue_degrees = hue_degrees
        self.reversal_probability = reversal_probability
        self.least_speed = least_speed

    def __call__(self, clips: Tensor, positions: Tensor, seed: int) -> Tensor:
        """The clips as they are trained on.

        Args:
            clips: (B, C, T, H, W) float32 in [-1, 1], on any device; C is 3, or 1.
            positions: (B,) of the clips in the stream.
            seed: at least 0.

        Shapes: like `clips`, float32 in [-1, 1].
        """
        drawn = np.stack(
            [np.random.default_rng([seed, _AUGMENTATION, p]).random(len(_DRAWS)) for p in positions.tolist()]
        )
        draws = {name: torch.from_numpy(drawn[:, column].copy()) for column, name in enumerate(_DRAWS)}  # float64, CPU
        if self.reversal_probability > 0 or self.least_speed < 1:
            clips = _in_time(clips, self._frames(draws, clips.shape[2]))
        if self.least_crop_area < 1 or self.largest_crop_aspect > 1 or self.rotation_degrees > 0:
            clips = warp(clips, self._place(draws, clips.shape[-2:]).to(clips))
        if self.brightness > 0 or self.contrast > 0 or self.saturation > 0 or self.hue_degrees > 0:
            offset = _both_ways(draws["brightness"], self.brightness)[:, None].repeat(1, 3)
            clips = recolor(clips, self._color(draws).to(clips), offset.to(clips)).clamp(-1, 1)
        return clips

    def _frames(self, draws: dict[str, Tensor], num_frames: int) -> Tensor:
        """(B, T): which frame stands at each time."""
        last = num_frames - 1
        speed = self.least_speed + (1 - self.least_speed) * draws["speed"]
        start = (1 - speed) * last * draws["at"]
        frames = (start[:, None] + speed[:, None] * torch.arange(num_frames)).round().long().clamp(0, last)
        return torch.where(draws["reversal"][:, None] < self.reversal_probability, frames.flip(1), frames)

    def _place(self, draws: dict[str, Tensor], size: Sequence[int]) -> Tensor:
        """(B, 3, 3): from positions in the result to those in the clip, see `losses.augmentation_transforms.warp`."""
        height, width = size
        area = self.least_crop_area + (1 - self.least_crop_area) * draws["area"]
        aspect = _factor(draws["aspect"], self.largest_crop_aspect)
        x_share, y_share = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
        middle_x = (1 - x_share) * (width - 1) * (draws["x"] - 0.5)
        middle_y = (1 - y_share) * (height - 1) * (draws["y"] - 0.5)
        angle = _both_ways(draws["angle"], math.radians(self.rotation_degrees))
        moved = translation(torch.stack([middle_x, middle_y], dim=1))
        return moved @ rotation(angle) @ scaling(x_share, y_share)

    def _color(self, draws: dict[str, Tensor]) -> Tensor:
        """(B, 3, 3): from a color to the changed one."""
        hue = hue_rotation(_both_ways(draws["hue"], math.radians(self.hue_degrees)))
        saturation = _factor(draws["saturation"], 1 + self.saturation)[:, None, None]
        grey = grey_projection(hue)
        saturated = saturation * torch.eye(3, dtype=hue.dtype) + (1 - saturation) * grey
        return _factor(draws["contrast"], 1 + self.contrast)[:, None, None] * (saturated @ hue)


def _in_time(clips: Tensor, frames: Tensor) -> Tensor:
    """Clip b's frames[b, t] at time t."""
    return clips[torch.arange(len(clips))[:, None], :, frames.to(clips.device)].transpose(1, 2).contiguous()


def _both_ways(uniform: Tensor, largest: float) -> Tensor:
    """[0, 1] -> [-largest, largest]."""
    return (2 * uniform - 1) * largest


def _factor(uniform: Tensor, largest: float) -> Tensor:
    """[0, 1] -> [1 / largest, largest], log-uniform."""
    return torch.exp(_both_ways(uniform, math.log(largest)))
