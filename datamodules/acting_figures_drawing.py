"""Writes the acting figures, a small data set of drawn people in action, as ordinary mp4 files.

    python -m datamodules.acting_figures_drawing data/acting_figures

Twelve people (`acting_figures_people`), five actions (`acting_figures_motions`) and four takes of each: 240 videos of
56 frames of 64x64 at 25 frames per second, h264 with the encoder's default key frames, in one class folder per action:
waving/person07_waving_take2.mp4.  A take has its own phase and speed, and every second one is mirrored.  The bytes
are a function of the seed.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from tqdm import tqdm

from datamodules.acting_figures_frames import draw_clip
from datamodules.acting_figures_motions import ACTIONS
from datamodules.acting_figures_people import PEOPLE
from video_io.writing import write_video

FPS = 25
NUM_FRAMES = 56
CARD = "acting_figures.json"  # lies beside the class folders and says what the set is
_DRAWING = 2  # which version of the drawing; raise it when the pixels change
_SPEEDS = (0.85, 1.2)


@dataclass(frozen=True)
class Take:
    """One video: `path` below the data set's folder and the arguments of `draw_clip`."""

    path: str
    person: int
    action: str
    phase: float
    speed: float
    mirrored: bool


def plan_takes(seed: int = 0, num_people: int = len(PEOPLE), num_takes: int = 4) -> list[Take]:
    """Which videos there are: for every person and action `num_takes` takes, every second of them mirrored.

    Phase is uniform over the period and speed over 0.85 to 1.2, functions of (seed, person, action, take) alone.
    """
    takes = []
    for person in range(num_people):
        for number, action in enumerate(ACTIONS):
            for take in range(num_takes):
                rng = np.random.default_rng([seed, person, number, take])
                path = f"{action}/person{person + 1:02d}_{action}_take{take + 1}.mp4"
                phase, speed = rng.uniform(), rng.uniform(*_SPEEDS)
                takes.append(Take(path, person, action, phase, speed, take % 2 == 1))
    return takes


def write_acting_figures(
    folder: str | Path, seed: int = 0, num_people: int = len(PEOPLE), num_takes: int = 4, num_frames: int = NUM_FRAMES
) -> Path:
    """Draw the data set into `folder`, which appears only when it is complete; nothing happens if it is there already.

    Threads draw and encode, one per core: no process is forked or spawned, so it may be called from anywhere.

    Args:
        folder: to make; may exist if it is empty, or if it holds this very data set.
        seed: of phases and speeds, at least 0.
        num_people: the first so many of the twelve people.
        num_takes: videos of each person in each action.
        num_frames: of every video.

    Returns: the folder.
    Raises: ValueError if the folder holds something else, or another or a damaged version of the set.
    """
    folder = Path(folder)
    if not 1 <= num_people <= len(PEOPLE):
        raise ValueError(f"num_people must be from 1 to {len(PEOPLE)}, not {num_people}")
    if seed < 0 or num_takes < 1 or num_frames < 1:
        raise ValueError(
            f"seed {seed} must be at least 0, num_takes {num_takes} and num_frames {num_frames} at least 1"
        )
    takes = plan_takes(seed, num_people, num_takes)
    rows = [asdict(take) for take in takes]
    card = {"drawing": _DRAWING, "fps": FPS, "num_frames": num_frames, "seed": seed, "takes": rows}
    if _is_written(folder, card):
        return folder
    partial = folder.with_name(f".{folder.name}.{uuid4().hex}.partial")
    partial.mkdir(parents=True)
    try:
        _write_takes(partial, takes, num_frames)
        (partial / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        _rename(partial, folder, card)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_takes(folder: Path, takes: list[Take], num_frames: int) -> None:
    for action in {take.action for take in takes}:
        (folder / action).mkdir()

    def write(take: Take) -> None:
        frames = draw_clip(take.person, take.action, take.phase, take.speed, num_frames, take.mirrored)  # (T, H, W, C)
        write_video(folder / take.path, torch.from_numpy(frames).permute(3, 0, 1, 2), FPS, reproducible=True)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for _ in tqdm(
                pool.map(write, takes), total=len(takes), desc="drawing acting figures", unit="video", mininterval=1
            ):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _is_written(folder: Path, card: dict) -> bool:
    """Whether `folder` holds the set that `card` describes; False if there is nothing in it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    found = None
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if found != card:
        raise ValueError(f"{folder}: holds something else than these acting figures; name another folder or remove it")
    num_missing = sum(not (folder / take["path"]).is_file() for take in card["takes"])
    if num_missing:
        raise ValueError(f"{folder}: {num_missing} videos of the acting figures are missing; remove it and draw again")
    return True


def _rename(partial: Path, folder: Path, card: dict) -> None:
    try:
        partial.replace(folder)
    except OSError:
        if not _is_written(folder, card):  # by another process that was faster
            raise


def main() -> int:
    """The command line: draw the data set and say what was written, or say in one line why not."""
    parser = argparse.ArgumentParser(
        prog="python -m datamodules.acting_figures_drawing", description="Draw acting figures."
    )
    parser.add_argument("folder", type=Path, help="where to write the videos, such as data/acting_figures")
    parser.add_argument("--seed", type=int, default=0, help="of the motions' phases and speeds")
    arguments = parser.parse_args()
    try:
        folder = write_acting_figures(arguments.folder, arguments.seed)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    videos = sorted(folder.glob("*/*.mp4"))
    megabytes = sum(video.stat().st_size for video in videos) / 1e6
    print(f"{folder}: {len(videos)} videos, {megabytes:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
