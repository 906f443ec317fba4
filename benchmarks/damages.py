"""Ways to damage clips, each in three strengths: what the sensitivity study of the metrics measures.

A damage of clips is a pure function of uint8 clips (N, C, T, H, W) and a strength, and gives clips of the same shape;
what it does to a clip depends on the clip's number alone.  A damage of a set of clips chooses: of N generated and N
real clips, in one row, N.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

OfClips = Callable[[Tensor, float], Tensor]  # uint8 clips (N, C, T, H, W), a strength
OfSet = Callable[[Sequence[int], float], Tensor]  # the mode of each of N clips, a strength -> int64 (N,)
WARP_CELLS = 4  # along each side of a frame: how smooth a warp is


@dataclass(frozen=True)
class Damage:
    """A kind of damage.

    Args:
        name: in tables and pictures.
        words: what is done, and what the strength counts.
        strengths: weak, medium, strong.
        of_clips, of_set: one of them, see the head of this file.
    """

    name: str
    words: str
    strengths: tuple[float, float, float]
    of_clips: OfClips | None = None
    of_set: OfSet | None = None


def add_noise(clips: Tensor, deviation: float) -> Tensor:
    """Gaussian noise of this standard deviation, in grey levels of 0..255."""
    noise = torch.stack([torch.randn(clips.shape[1:], generator=_rng(clip)) for clip in range(len(clips))])
    return _uint8(clips.float() + deviation * noise)


def blur(clips: Tensor, sigma: float) -> Tensor:
    """Every frame under a Gaussian of this standard deviation, in pixels; the border is repeated."""
    radius = round(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    window = window / window.sum()
    frames = F.pad(_frames(clips).float(), [radius] * 4, mode="replicate").flatten(0, 1)[:, None]  # (N * T * C, 1, ..)
    smooth = F.conv2d(F.conv2d(frames, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return _clips(_uint8(smooth).view(-1, clips.shape[1], *clips.shape[3:]), clips)


def brighten(clips: Tensor, levels: float) -> Tensor:
    """So many grey levels more, cut off at 255."""
    return _uint8(clips.float() + levels)


def shift(clips: Tensor, pixels: float) -> Tensor:
    """Everything moved down and to the right by so many pixels, the border repeated: as sharp and moving as before."""
    pixels = int(pixels)
    moved = F.pad(_frames(clips).float(), [pixels, 0, pixels, 0], mode="replicate")
    return _clips(_uint8(moved[..., : clips.shape[3], : clips.shape[4]]), clips)


def warp(clips: Tensor, deviation: float) -> Tensor:
    """Every clip bent by a smooth random field of this standard deviation in pixels, the same in all its frames."""
    return _warped(clips, deviation, fields_per_clip=1)


def wobble(clips: Tensor, deviation: float) -> Tensor:
    """As `warp`, with another field for every frame."""
    return _warped(clips, deviation, fields_per_clip=clips.shape[2])


def swap_frames(clips: Tensor, num_swaps: float) -> Tensor:
    """In every clip so many pairs of frames, chosen at random, change places in time."""
    swapped = clips.clone()
    for number, clip in enumerate(swapped):  # (C, T, H, W), a view
        rng = _rng(number)
        for _ in range(int(num_swaps)):
            first, second = torch.randperm(clip.shape[1], generator=rng)[:2].tolist()
            clip[:, [first, second]] = clip[:, [second, first]]
    return swapped


def freeze(clips: Tensor, share: float) -> Tensor:
    """Motion stops: the last share of the frames repeat the frame before them; all of them, the first one."""
    last = round((1 - share) * (clips.shape[2] - 1))
    return clips[:, :, torch.arange(clips.shape[2]).clamp(max=last)]


def repeat_frames(clips: Tensor, times: float) -> Tensor:
    """Stutter: every so many-th frame is shown so many times."""
    times = int(times)
    return clips[:, :, torch.arange(clips.shape[2]) // times * times]


def reverse(clips: Tensor, share: float) -> Tensor:
    """A share of the clips runs backwards."""
    num_reversed = round(share * len(clips))
    return torch.cat([clips[:num_reversed].flip(2), clips[num_reversed:]])


def drop_modes(modes: Sequence[int], share: float) -> Tensor:
    """A share of the modes is missing, the last ones; clips of the others are repeated in their place."""
    kinds = sorted(set(modes))
    kept = set(kinds[: max(1, round((1 - share) * len(kinds)))])
    left = [clip for clip, mode in enumerate(modes) if mode in kept]
    return torch.tensor([left[number % len(left)] for number in range(len(modes))])


def memorise(modes: Sequence[int], share: float) -> Tensor:
    """A share of the clips are real clips, the same to the last bit."""
    num_clips = len(modes)
    numbers = torch.arange(num_clips)
    return torch.where(numbers < round(share * num_clips), numbers + num_clips, numbers)


DAMAGES = (
    Damage("noise", "Gaussian noise; its standard deviation in grey levels", (5, 15, 45), add_noise),
    Damage("blur", "Gaussian blur; its standard deviation in pixels", (0.5, 1, 2), blur),
    Damage("brightness", "every pixel brighter; grey levels", (10, 20, 40), brighten),
    Damage("warp", "every clip bent, all its frames alike; standard deviation in pixels", (0.5, 1, 2), warp),
    Damage("wobble", "every frame bent otherwise; standard deviation in pixels", (0.25, 0.5, 1), wobble),
    Damage("shift", "everything moved, nothing else changed; pixels down and right", (1, 2, 4), shift),
    Damage("swapped", "frames change places in time; pairs of frames", (1, 4, 16), swap_frames),
    Damage("frozen", "motion stops; share of the clip", (0.25, 0.5, 1), freeze),
    Damage("repeated", "stutter; how often a frame is shown", (2, 4, 8), repeat_frames),
    Damage("reversed", "time runs backwards; share of the clips", (0.25, 0.5, 1), reverse),
    Damage(
        "modes dropped",
        "modes are missing, others repeated; share of the modes",
        (0.25, 0.5, 0.75),
        of_set=drop_modes,
    ),
    Damage("memorised", "exact copies of real clips; share of the clips", (0.25, 0.5, 1), of_set=memorise),
)


def _rng(clip: int) -> torch.Generator:
    """Random numbers of a clip."""
    return torch.Generator().manual_seed(clip)


def _frames(clips: Tensor) -> Tensor:
    """(N * T, C, H, W), the frames of the first clip first."""
    return clips.transpose(1, 2).flatten(0, 1)


def _clips(frames: Tensor, like: Tensor) -> Tensor:
    """The clips (N, C, T, H, W) that `_frames` made `frames` of."""
    return frames.unflatten(0, (len(like), like.shape[2])).transpose(1, 2).contiguous()


def _uint8(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _warped(clips: Tensor, deviation: float, fields_per_clip: int) -> Tensor:
    """Clips looked up at p + field(p), bilinear, the border repeated."""
    num_frames, height, width = clips.shape[2:]
    cells = torch.stack(
        [torch.randn(fields_per_clip, 2, WARP_CELLS, WARP_CELLS, generator=_rng(clip)) for clip in range(len(clips))]
    )  # (N, 1 or T, 2, cells, cells)
    fields = F.interpolate(cells.flatten(0, 1), size=(height, width), mode="bicubic")
    fields = deviation * fields / fields.square().mean((1, 2, 3), keepdim=True).sqrt()
    fields = fields.unflatten(0, (len(clips), fields_per_clip)).expand(-1, num_frames, -1, -1, -1).flatten(0, 1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    # From pixels to the units of grid_sample, in which a frame reaches from -1 to 1.
    places = torch.stack([(2 * (x + fields[:, 0]) + 1) / width - 1, (2 * (y + fields[:, 1]) + 1) / height - 1], dim=-1)
    bent = F.grid_sample(_frames(clips).float(), places, padding_mode="border", align_corners=False)
    return _clips(_uint8(bent), clips)
