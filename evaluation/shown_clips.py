"""Which clips a page shows, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from evaluation.clip_set import ClipSet
from metrics.memorisation import nearest_rows
from video_io.writing import write_video

LEAST_SIZE = 128  # pixels; smaller clips are enlarged
STRIP_FRAMES = 8


@dataclass(frozen=True)
class PairedScores:
    """What a metric says of each generated clip beside the real clip of the same number.

    Args:
        name: of the metric.
        values: (N,), of each pair.
        higher_is_better: whether a large value is good.
    """

    name: str
    values: Tensor
    higher_is_better: bool


@dataclass(frozen=True)
class Pair:
    """A clip, the clip that it is shown beside, and why.

    Args:
        shown, beside: (set, number in it).
        text: what a reader should know, in a few words.
    """

    shown: tuple[ClipSet, int]
    beside: tuple[ClipSet, int]
    text: str


@dataclass(frozen=True)
class Gallery:
    """Pairs under a heading."""

    title: str
    explanation: str
    pairs: tuple[Pair, ...]


def by_score(real: ClipSet, fake: ClipSet, scores: PairedScores, num_shown: int) -> list[Gallery]:
    """The best and the worst pairs.

    Raises: ValueError if the numbers of clips and scores differ.
    """
    if not len(real) == len(fake) == len(scores.values):
        raise ValueError(f"{len(scores.values)} scores do not fit {len(real)} real and {len(fake)} generated clips")
    order = scores.values.argsort(stable=True, descending=scores.higher_is_better).tolist()

    def pairs(indices: Sequence[int]) -> tuple[Pair, ...]:
        return tuple(
            Pair((fake, index), (real, index), f"{scores.name} {float(scores.values[index]):.4g}") for index in indices
        )

    num_best = min(num_shown, -(-len(order) // 2))
    num_worst = min(num_shown, len(order) - num_best)
    beside = "each beside the real clip that it should be like"
    return [
        Gallery(f"Best by {scores.name}", f"The best of {len(order)}, {beside}.", pairs(order[:num_best])),
        Gallery(
            f"Worst by {scores.name}",
            f"The worst of {len(order)}, {beside}.",
            pairs(order[::-1][:num_worst]),
        ),
    ]


def by_distance(real: ClipSet, fake: ClipSet, num_shown: int) -> list[Gallery]:
    """The generated clips nearest to and farthest from a real one, and the real ones that nothing generated is near."""
    assert real.features is not None and fake.features is not None
    distances, nearest = nearest_rows(fake.features, real.features)
    order = distances.argsort(stable=True).tolist()
    num_best = min(num_shown, -(-len(order) // 2))
    num_worst = min(num_shown, len(order) - num_best)
    missed, nearest_fake = nearest_rows(real.features, fake.features)
    by_miss = missed.argsort(stable=True, descending=True).tolist()
    once = {real.names[index]: index for index in reversed(by_miss)}  # a rule that repeats may choose a clip again
    most_missed = [index for index in by_miss if once[real.names[index]] == index][:num_shown]
    return [
        Gallery(
            "Best clips",
            "The generated clips nearest to a real one in feature space, each beside it. A distance near 0 is a copy.",
            _pairs(fake, real, order[:num_best], distances, nearest),
        ),
        Gallery(
            "Worst clips",
            "The generated clips farthest from every real one, each beside its nearest.",
            _pairs(fake, real, order[::-1][:num_worst], distances, nearest),
        ),
        Gallery(
            "What is missing",
            "The real clips farthest from every generated one, each beside its nearest: what the generator does not "
            "make.",
            _pairs(real, fake, most_missed, missed, nearest_fake),
        ),
    ]


def copies(fake: ClipSet, training: ClipSet, num_shown: int) -> Gallery:
    """The generated clips nearest to a clip that was trained with."""
    assert training.features is not None and fake.features is not None
    distances, nearest = nearest_rows(fake.features, training.features)
    order = distances.argsort(stable=True).tolist()[:num_shown]
    return Gallery(
        "Nearest training clips",
        f"The generated clips nearest to one of {len(training)} training clips, each beside it: is it a copy? The "
        f"median distance of all generated clips is {float(distances.median()):.4g}.",
        _pairs(fake, training, order, distances, nearest),
    )


def _pairs(
    shown: ClipSet, beside: ClipSet, indices: Sequence[int], distances: Tensor, nearest: Tensor
) -> tuple[Pair, ...]:
    return tuple(
        Pair((shown, index), (beside, int(nearest[index])), f"distance {float(distances[index]):.4g}")
        for index in indices
    )


def write_clips(folder: Path, galleries: Sequence[Gallery], fps: float) -> dict[tuple[str, int], str]:
    """Write each clip of some galleries once: <side>-<number>.mp4, and .png, a strip of its frames.

    Returns the name of the files, without ending, for each (side, number).
    """
    wanted = {(clips.side, number): clips for g in galleries for p in g.pairs for clips, number in (p.shown, p.beside)}
    names = {}
    for (side, number), clips in sorted(wanted.items(), key=lambda item: item[0]):
        name = names[side, number] = f"{side}-{number:05}"
        clip = enlarged(clips.clip(number).cpu())
        write_video(folder / f"{name}.mp4", clip, fps)
        Image.fromarray(strip(clip).permute(1, 2, 0).numpy()).save(folder / f"{name}.png", optimize=True)
    return names


def enlarged(clip: Tensor) -> Tensor:
    """(3, T, H, W) of a clip (C, T, H, W): grey as RGB, each pixel repeated until the short side is `LEAST_SIZE`."""
    factor = -(-LEAST_SIZE // min(clip.shape[2:]))
    return clip.expand(3, -1, -1, -1).repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def strip(clip: Tensor) -> Tensor:
    """Frames of a clip (C, T, H, W) beside each other, over all its time: (C, H, frames * W)."""
    times = torch.linspace(0, clip.shape[1] - 1, min(STRIP_FRAMES, clip.shape[1])).round().long()
    return torch.cat(tuple(clip[:, times].unbind(1)), dim=2)
