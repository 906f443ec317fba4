"""The clips of the sensitivity study: half of the videos are the real side, the other half is damaged."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from datamodules.splits import Split, split_by_fraction, split_by_lists
from evaluation.open_videos import open_videos
from evaluation.source_clips import ClipsOfSource
from evaluation.video_source import VideoSource
from metrics.clip_rules import ClipRule, choose

# Windows of frames that do not overlap, in an order drawn from the seed: each frame is in one clip at most.
RULE = ClipRule("shuffled", one_per_video=False, overlapping=False)


@dataclass(frozen=True)
class StudyClips:
    """Both sides of the study.

    Args:
        real, fake: uint8 (N, 3, T, size, size) each, of different videos.
        modes: of each fake clip, its class, or its video where there are fewer than three classes.
        description: what they are, for the reader of the results.
    """

    real: Tensor
    fake: Tensor
    modes: list[int]
    description: dict[str, str | int]


def read_study_clips(
    videos: Path,
    num_clips: int,
    num_frames: int,
    size: int,
    real_list: Path | None = None,
    group_pattern: str | None = None,
    seed: int = 0,
) -> StudyClips:
    """Read as many clips of either half as both have, at most `num_clips`.

    Args:
        videos: what `open_videos` takes.
        real_list: text file of the real side's videos, a name a line; None: half of the groups, by the hash of their
            names.
        group_pattern: see `split_by_fraction`.

    Raises: ValueError or FileNotFoundError, in one line, if the videos or the arguments do not fit.
    """
    source = open_videos(videos)
    sides = [
        source.restricted_to([name for name, is_wanted in zip(source.names, half, strict=True) if is_wanted])
        for half in halves(source, real_list, group_pattern)
    ]
    chosen = [choose(RULE, side.lengths, num_clips, num_frames, seed=seed) for side in sides]
    num_clips = min(map(len, chosen))
    clips = [
        ClipsOfSource(side, choices[:num_clips], num_frames, size=(size, size))
        for side, choices in zip(sides, chosen, strict=True)
    ]
    fake = clips[1]
    classes = fake.labels
    return StudyClips(
        real=read_all(clips[0]),
        fake=read_all(fake),
        modes=classes if len(set(classes)) > 2 else [choice.video for choice in fake.choices],
        description={
            "data": source.describe().rpartition(";")[0],
            "real": f"{num_clips} clips of {len(sides[0])} videos",
            "fake": f"{num_clips} clips of the {len(sides[1])} other videos",
            "modes": "classes" if len(set(classes)) > 2 else "videos",
            "num_clips": num_clips,
            "num_frames": num_frames,
            "size": size,
            "fingerprint": source.fingerprint,
        },
    )


def halves(source: VideoSource, real_list: Path | None, group_pattern: str | None) -> Split:
    """Which are the real videos, and which the others.

    Raises: as `split_by_fraction` and `split_by_lists`; ValueError if one half is empty.
    """
    if real_list is None:
        return split_by_fraction(source.names, 0.5, group_pattern)
    if group_pattern is not None:
        raise ValueError("give --real_list or --group_pattern, not both")
    real, other = split_by_lists(source.names, str(real_list), None)
    if not other.any():
        raise ValueError(f"{real_list}: names all videos; some must be left to be damaged")
    return real, other


def read_all(clips: ClipsOfSource) -> Tensor:
    """All clips; grey ones in three channels."""
    items = clips.__getitems__(range(len(clips)))  # together, so that no frame is decoded twice
    return torch.stack([item["clip"] for item in items]).expand(-1, 3, -1, -1, -1).contiguous()
