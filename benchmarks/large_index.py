"""How long an index of millions of videos takes to open, and how much memory of its own a worker needs with it.

    .venv/bin/python -m benchmarks.large_index --num_videos 10000000

makes up that many rows, writes their columns, and prints for each sampling rule: seconds from the columns on disk to a
stream of clips, milliseconds to a clip far into the stream, and the memory that belongs to one worker alone after 2,000
clips, beside that with 10,000 rows.
"""

import argparse
import gc
import tempfile
import time
from pathlib import Path
from typing import get_args

import numpy as np
from torch.utils.data import DataLoader, Dataset

from datamodules.clip_sampling import PositionBatches, TrainingClips
from datamodules.sampling_rules import Sampling
from datamodules.video_table import VideoTable

FEW = 10_000
NUM_BATCHES = 20
BATCH_SIZE = 100
FAR = 10**9  # a position


def made_up(num_videos: int) -> VideoTable:
    """Videos of 16 to 299 frames in 400 classes, with names of 24 characters and hashes."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, 400, num_videos, dtype=np.int32))
    return VideoTable(
        {
            "num_frames": rng.integers(16, 300, num_videos, dtype=np.int32),
            "width": np.full(num_videos, 320, np.int32),
            "height": np.full(num_videos, 240, np.int32),
            "fps": np.full(num_videos, 25.0),
            "exact_seek": np.ones(num_videos, bool),
            "label": labels,
            "sha256": rng.integers(0, 256, (num_videos, 32), dtype=np.uint8),
            "path_end": np.arange(1, num_videos + 1, dtype=np.int64) * 24,
            "paths": rng.integers(97, 123, num_videos * 24, dtype=np.uint8),
        }
    )


class Choices(Dataset):
    """What a worker does but decoding: position -> frames and name of the video, and the worker's own bytes."""

    def __init__(self, videos: VideoTable, choose: TrainingClips) -> None:
        self.videos, self.choose = videos, choose

    def __getitem__(self, position: int) -> tuple[int, int, int]:
        choice = self.choose(position)
        video = self.videos[choice.video]
        return choice.start_frame, len(video.path), own_bytes()


def own_bytes() -> int:
    """Memory that this process has written; pages of libraries that no other maps just now do not count."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def opened(folder: Path) -> VideoTable:
    """The table whose columns are in a folder."""
    return VideoTable({file.stem: np.load(file, allow_pickle=False) for file in folder.glob("*.npy")})


def measure(folder: Path, sampling: Sampling) -> tuple[float, float, int]:
    """Seconds to open, seconds to a far clip, bytes of a worker."""
    gc.collect()  # what the measurement before left would become the new worker's own when this process drops it
    start = time.perf_counter()
    videos = opened(folder)
    choose = TrainingClips(videos.num_frames, 16, 0, True, sampling=sampling, labels=videos.labels)
    opening = time.perf_counter() - start
    start = time.perf_counter()
    choose(FAR)
    far = time.perf_counter() - start
    loader = DataLoader(Choices(videos, choose), batch_sampler=PositionBatches(BATCH_SIZE), num_workers=1)
    batches = iter(loader)
    of_worker = max(int(next(batches)[2].max()) for _ in range(NUM_BATCHES))
    return opening, far, of_worker


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_videos", type=int, default=10_000_000)
    options = parser.parse_args()
    print(f"{'rule':10}{'videos':>12}{'opening, s':>12}{'far clip, ms':>14}{'worker, MiB':>13}")
    for num_videos in (FEW, options.num_videos):
        with tempfile.TemporaryDirectory() as folder:
            for name, column in made_up(num_videos).columns.items():
                np.save(Path(folder) / f"{name}.npy", column)
            for sampling in get_args(Sampling):
                opening, far, of_worker = measure(Path(folder), sampling)
                print(f"{sampling:10}{num_videos:12,}{opening:12.2f}{1000 * far:14.2f}{of_worker / 2**20:13.1f}")


if __name__ == "__main__":
    main()
