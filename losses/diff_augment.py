"""Differentiable augmentation for training on few clips (Zhao et al. 2020)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from losses.augmentation_transforms import as_clips, per_clip
from losses.base import Augmentation

MAX_SHIFT = 1 / 8  # of height and width
CUTOUT = 1 / 2  # of height and width

Noise = dict[str, Tensor]


class DiffAugment(Augmentation):
    """DiffAugment (Zhao et al. 2020, arXiv:2006.10738, section 3): the same kinds of change for real and fake clips.

    | policy | what happens, once a clip for all frames |
    |---|---|
    | color | brightness: + U(-1/2, 1/2); saturation: distance to the pixel's grey * U(0, 2); |
    | | contrast: distance to the clip's mean * U(1/2, 3/2) |
    | translation | by up to 1/8 of height and width in whole pixels; zeros come in |
    | cutout | a square of half the height and width becomes zero; part of it may lie outside |

    The reference code takes an image's mean for the contrast; of a video it is the clip's, so that frames do not change
    against each other.

    Args:
        policy: which, in this order; the paper uses all three for few data and "translation", "cutout" for more.

    Shapes: (B, C, T, H, W) in [-1, 1] -> the same, at least float32; "color" may leave the range.
    Raises: ValueError if the policy names something else or the discriminator does not see clips.
    """

    def __init__(
        self, policy: Sequence[Literal["color", "translation", "cutout"]] = ("color", "translation", "cutout")
    ) -> None:
        super().__init__()
        self.changes = {"color": recolored, "translation": translated, "cutout": cut_out}
        if unknown := set(policy) - self.changes.keys():
            raise ValueError(f"policy has {', '.join(sorted(unknown))}; it may have {', '.join(self.changes)}")
        self.policy = tuple(policy)

    def sample_noise(self, num_clips: int, rng: torch.Generator) -> Noise:
        """U(0, 1) for each choice: (num_clips,), or (num_clips, 2) for places, vertical and horizontal."""
        return {
            **{name: torch.rand(num_clips, generator=rng) for name in ("brightness", "saturation", "contrast")},
            **{name: torch.rand(num_clips, 2, generator=rng) for name in ("translation", "cutout")},
        }

    def forward(self, clips: Tensor, noise: Noise) -> Tensor:
        """See the class."""
        clips = as_clips(clips)
        for name in self.policy:
            clips = self.changes[name](clips, noise)
        return clips


def recolored(clips: Tensor, noise: Noise) -> Tensor:
    """Brightness, saturation and contrast."""
    clips = clips + per_clip(noise["brightness"].to(clips) - 0.5)
    grey = clips.mean(dim=1, keepdim=True)
    clips = grey + (clips - grey) * per_clip(noise["saturation"].to(clips) * 2)
    mean = clips.mean(dim=(1, 2, 3, 4), keepdim=True)
    return mean + (clips - mean) * per_clip(noise["contrast"].to(clips) + 0.5)


def translated(clips: Tensor, noise: Noise) -> Tensor:
    """Each clip moved by whole pixels, zeros where nothing was."""
    height, width = clips.shape[-2:]
    rows, inside_rows = shifted(height, noise["translation"][:, 0].to(clips))
    columns, inside_columns = shifted(width, noise["translation"][:, 1].to(clips))
    source = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)  # (B, H * W)
    frames = clips.flatten(3).flatten(1, 2)  # (B, C * T, H * W)
    moved = frames.gather(2, source.unsqueeze(1).expand_as(frames)).view(clips.shape)
    return moved * (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None, None]


def shifted(length: int, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Where each place of an axis takes its pixel from, (B, length), and whether there is one."""
    limit = int(length * MAX_SHIFT + 0.5)
    shift = (chosen * (2 * limit + 1)).long() - limit  # (B,), uniform on -limit .. limit
    source = torch.arange(length, device=chosen.device) - shift[:, None]
    return source.clamp(0, length - 1), (source >= 0) & (source < length)


def cut_out(clips: Tensor, noise: Noise) -> Tensor:
    """Each clip with a square of zeros."""
    height, width = clips.shape[-2:]
    rows = covered(height, noise["cutout"][:, 0].to(clips))
    columns = covered(width, noise["cutout"][:, 1].to(clips))
    return clips * ~(rows[:, :, None] & columns[:, None, :])[:, None, None]


def covered(length: int, chosen: Tensor) -> Tensor:
    """Which places of an axis the square covers, (B, length); its middle is uniform on the axis, ends included."""
    size = int(length * CUTOUT + 0.5)
    middle = (chosen * (length + 1 - size % 2)).long()[:, None]
    distance = torch.arange(length, device=chosen.device) - (middle - size // 2)
    return (distance >= 0) & (distance < size)
