"""Videos of a run as files."""

import json
import math
from pathlib import Path

import torch

from evaluation.generated_videos import GeneratedVideos
from evaluation.trained_run import TrainedRun
from video_io.grid import video_grid
from video_io.reading import probe
from video_io.writing import write_video

LEAST_SIZE = 64  # pixels of a grid's videos; smaller ones are enlarged
FPS = 8.0  # where nothing tells


def write_each(videos: GeneratedVideos, folder: Path, fps: float) -> None:
    """Write each video, pixel by pixel, to <folder>/00000.mp4, ...; one that is there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for indices, clips in videos.batches():
        for index, clip in zip(indices, clips, strict=True):
            write_video(folder / f"{index:05d}.mp4", clip.expand(3, -1, -1, -1), fps)


def write_grid(videos: GeneratedVideos, path: Path, fps: float) -> None:
    """Write all videos beside each other into one file, small ones enlarged by a whole factor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = torch.cat([clips.cpu() for _, clips in videos.batches()]).expand(-1, 3, -1, -1, -1)  # (N, 3, T, H, W)
    factor = math.ceil(LEAST_SIZE / min(clips.shape[3:]))
    clips = clips.repeat_interleave(factor, dim=3).repeat_interleave(factor, dim=4)
    write_video(path, video_grid(clips, math.ceil(math.sqrt(len(clips)))), fps)


def fps_of(run: TrainedRun) -> float:
    """Frames per second of the clips that a run was trained with, from what its folder holds."""
    card, real = run.folder / "card.json", run.folder / "samples" / "real.mp4"
    if card.is_file():
        try:
            return float(json.loads(card.read_text(encoding="utf-8"))["fps"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{card}: is no card of an export; it has no fps") from error
    return probe(real).fps if real.is_file() else FPS
