"""Adaptive discriminator augmentation, ADA (Karras et al. 2020)."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from losses.augmentation_transforms import (
    as_clips,
    grey_projection,
    hue_rotation,
    recolor,
    rotation,
    scaling,
    translation,
    warp,
)
from losses.base import Augmentation, in_float32

Distribution = Callable[[int, torch.Generator], Tensor]  # number of clips, source of randomness -> (num_clips, 2)


def uniform(limit: float) -> Distribution:
    """U(-limit, limit)."""
    return lambda num_clips, rng: (2 * torch.rand(num_clips, 2, generator=rng) - 1) * limit


def normal(deviation: float) -> Distribution:
    """N(0, deviation^2)."""
    return lambda num_clips, rng: torch.randn(num_clips, 2, generator=rng) * deviation


def one_of(count: int) -> Distribution:
    """Uniform on 0 .. count - 1."""
    return lambda num_clips, rng: torch.randint(count, (num_clips, 2), generator=rng).float()


# By how much each transformation changes a clip; 0 changes nothing.  Where one number is needed it is the first.
TRANSFORMATIONS: dict[str, dict[str, Distribution]] = {
    "blit": {"flip": one_of(2), "quarter_turns": one_of(4), "whole_pixels": uniform(1 / 8)},
    "geometry": {
        "scale": normal(0.2),
        "first_rotation": uniform(math.pi),
        "stretch": normal(0.2),
        "second_rotation": uniform(math.pi),
        "translation": normal(1 / 8),
    },
    "color": {
        "brightness": normal(0.2),
        "contrast": normal(0.5),
        "luma_flip": one_of(2),
        "hue": uniform(math.pi),
        "saturation": normal(1.0),
    },
}


class AdaptiveAugmentation(Augmentation):
    """Augmentations whose probability p follows how far D overfits (Karras et al. 2020, arXiv:2006.06676).

    r_t = mean sign(D(real) - undecided) over `interval` updates of D; then p moves by clips seen / speed_clips, up if
    r_t > target and down if r_t < target, within [0, 1] (section 3 and its Eq. 1).  r_t needs an objective with an
    undecided logit, such as the non-saturating, hinge or least-squares loss: Wasserstein and relativistic logits mean
    nothing by themselves.

    Each transformation happens to a clip, all its frames alike, with probability p (appendix B); s is the size of the
    frame:

    | group | transformation |
    |---|---|
    | blit | x-flip half the time; 0 to 3 quarter turns; translation by whole pixels, U(-s/8, s/8) |
    | geometry | scale 2^N(0, 0.2^2); rotation U(-pi, pi) before or after; stretch 2^N(0, 0.2^2), the inverse along y; |
    | | translation N(0, (s/8)^2) |
    | color | brightness + N(0, 0.2^2); contrast * 2^N(0, 0.5^2); luma flip half the time; hue U(-pi, pi); |
    | | saturation * 2^N(0, 1) |

    These groups are the paper's "bgc"; its filters, noise and cutout did not help there.  The whole geometry is one
    bilinear resampling, reflected at the border.  The paper upsamples frames by a wavelet filter before it and
    downsamples after it: left out, because at the sizes of video it costs four times the pixels for all frames, and
    the loss of sharpness is the same for real and fake clips.

    p and its running sums are buffers: a run that goes on does so exactly, and all processes have the same p.

    Args:
        target: r_t that is aimed at, in (-1, 1); 0.6 in the paper.
        speed_clips: real clips in which p can go from 0 to 1; 500,000 in the paper.
        interval: steps of the discriminator between two moves of p; 4 in the paper.
        initial_probability: p at the start, in [0, 1]; 0 in the paper.  With an unreachable speed_clips p stays here.
        pipeline: which groups; all in the paper.

    Shapes: (B, C, T, H, W) in [-1, 1] -> the same, at least float32; C is 1 or 3; "color" may leave the range.
    Raises: ValueError if an argument is out of its range or the discriminator does not see clips.
    """

    adapts = True
    probability: Tensor
    sum_of_signs: Tensor
    num_clips: Tensor
    num_steps: Tensor

    def __init__(
        self,
        target: float = 0.6,
        speed_clips: int = 500_000,
        interval: int = 4,
        initial_probability: float = 0.0,
        pipeline: Sequence[Literal["blit", "geometry", "color"]] = ("blit", "geometry", "color"),
    ) -> None:
        super().__init__()
        if not -1 < target < 1:
            raise ValueError(f"target is {target}; it must be between -1 and 1")
        if speed_clips < 1 or interval < 1:
            raise ValueError(f"speed_clips is {speed_clips} and interval {interval}; both must be at least 1")
        if not 0 <= initial_probability <= 1:
            raise ValueError(f"initial_probability is {initial_probability}; it must be between 0 and 1")
        if unknown := set(pipeline) - TRANSFORMATIONS.keys():
            raise ValueError(f"pipeline has {', '.join(sorted(unknown))}; it may have {', '.join(TRANSFORMATIONS)}")
        self.target = target
        self.speed_clips = speed_clips
        self.interval = interval
        self.pipeline = tuple(pipeline)
        self.register_buffer("probability", torch.tensor(float(initial_probability)))
        self.register_buffer("sum_of_signs", torch.tensor(0.0))
        self.register_buffer("num_clips", torch.tensor(0))
        self.register_buffer("num_steps", torch.tensor(0))

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> dict[str, Tensor]:
        """For each transformation by how much, (num_clips, 2), and U(0, 1), (num_clips,): it happens if that is < p."""
        noise = {}
        for group in self.pipeline:
            for name, distribution in TRANSFORMATIONS[group].items():
                noise[name] = distribution(num_clips, rng)
                noise[f"{name}_chance"] = torch.rand(num_clips, generator=rng)
        return noise

    def forward(self, clips: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """See the class."""
        clips = as_clips(clips)
        with in_float32(clips):
            amounts = self.amounts(clips, noise)
            if {"blit", "geometry"} & set(self.pipeline):
                clips = warp(clips, inverse_geometry(amounts, *clips.shape[-2:]))
            if "color" in self.pipeline:
                clips = recolor(clips, *color_map(amounts))
        return clips

    def amounts(self, clips: Tensor, noise: dict[str, Tensor]) -> dict[str, Tensor]:
        """By how much each transformation changes each clip, (B, 2): 0 where it does not happen."""
        either = 1 - (1 - self.probability).sqrt()  # with which the first or the second rotation happens with p
        amounts = {}
        for name in (name for group in TRANSFORMATIONS.values() for name in group):
            if name in noise:
                happens = noise[f"{name}_chance"] < (either if name.endswith("_rotation") else self.probability)
                amounts[name] = (noise[name] * happens.unsqueeze(1)).to(clips)
            else:
                amounts[name] = clips.new_zeros(len(clips), 2)
        return amounts

    def adapt(self, signs_real: Tensor, num_clips: int) -> dict[str, Tensor]:
        """Move p on every interval-th call, see the class.  No branch, so that no GPU has to be waited for."""
        self.sum_of_signs += signs_real.detach() * num_clips
        self.num_clips += num_clips
        self.num_steps += 1
        due = self.num_steps % self.interval == 0
        direction = (self.sum_of_signs / self.num_clips - self.target).sign()
        moved = (self.probability + direction * self.num_clips / self.speed_clips).clamp(0, 1)
        self.probability.copy_(torch.where(due, moved, self.probability))
        self.sum_of_signs *= ~due
        self.num_clips *= ~due
        return {"augmentation_probability": self.probability.clone()}


def inverse_geometry(amounts: dict[str, Tensor], height: int, width: int) -> Tensor:
    """(B, 3, 3): from a position in the result to that in the clip, in pixels from the middle."""
    size = amounts["translation"].new_tensor([width, height])
    flip = 1 - 2 * amounts["flip"][:, 0]
    scale = torch.exp2(-amounts["scale"][:, 0])
    stretch = torch.exp2(-amounts["stretch"][:, 0])
    return (
        scaling(flip, torch.ones_like(flip))
        @ rotation(-math.pi / 2 * amounts["quarter_turns"][:, 0])
        @ translation(-(amounts["whole_pixels"] * size).round())
        @ scaling(scale, scale)
        @ rotation(-amounts["first_rotation"][:, 0])
        @ scaling(stretch, 1 / stretch)
        @ rotation(-amounts["second_rotation"][:, 0])
        @ translation(-amounts["translation"] * size)
    )


def color_map(amounts: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(B, 3, 3) and (B, 3): what colors are multiplied by, and what is added then."""
    brightness = amounts["brightness"][:, :1]
    grey = grey_projection(brightness)
    identity = torch.eye(3, device=grey.device, dtype=grey.dtype)
    contrast = torch.exp2(amounts["contrast"][:, 0])[:, None, None] * identity
    luma_flip = identity - 2 * amounts["luma_flip"][:, 0, None, None] * grey
    saturation = grey + torch.exp2(amounts["saturation"][:, 0])[:, None, None] * (identity - grey)
    matrix = saturation @ hue_rotation(amounts["hue"][:, 0]) @ luma_flip @ contrast
    return matrix, brightness * matrix.sum(dim=2)
