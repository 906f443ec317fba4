"""How long a pack of millions of videos takes to open, and how much memory of its own a worker needs with it.

    .venv/bin/python -m benchmarks.large_index --num_videos 10000000

makes up a pack of that many videos, whose shards are holes that take no room on a disk, and opens it as a run does, by
`PackedVideos` and its loader with one worker.  It prints for each sampling rule, and for each way to hold videos out:
seconds of `setup`, on the clock and of the processor; seconds from there to the stream of clips; seconds to its first
batch; the memory that belongs to the worker alone after 2,000 clips, beside that with 10,000 videos.
"""

import argparse
import gc
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from pyarrow import compute

from datamodules.clip_dataset import ClipDataset
from datamodules.packed_videos import PackedVideos
from datamodules.sampling_rules import Sampling
from packs.index import PACKED, Header, Row, shard_path, write_columns

FEW = 10_000
NUM_BATCHES = 20
BATCH_SIZE = 100
SIZE = 8  # pixels: the index is what is measured
VIDEOS_OF_A_SHARD = 1024  # as prepare.py makes them


class Measured(NamedTuple):
    """Seconds to open, on the clock and of the processor, to the stream, to the first batch; the worker's bytes."""

    setup: float
    setup_processor: float
    stream: float
    first_batch: float
    of_worker: int


class CountsItsMemory(ClipDataset):
    """Clips whose labels are the bytes that belong to their worker alone, or 0: counting takes longer than reading."""

    def __getitem__(self, position: int) -> dict[str, Any]:
        return {**super().__getitem__(position), "label": own_bytes() if position % BATCH_SIZE == 0 else 0}


def made_up(folder: Path, num_videos: int) -> None:
    """A pack of videos of 16 to 299 frames in 400 classes, with names of 26 characters, hashes and captions; one
    in ten is of the validation split.
    """
    rng = np.random.default_rng(0)
    lengths = rng.integers(16, 300, num_videos)
    labels = np.sort(rng.integers(0, 400, num_videos))
    num_bytes = lengths * 3 * SIZE**2
    shards, ends = np.arange(num_videos) // VIDEOS_OF_A_SHARD, np.cumsum(num_bytes)
    firsts = np.arange(0, num_videos, VIDEOS_OF_A_SHARD)
    begins = ends - num_bytes
    shard_bytes = np.diff([*begins[firsts], ends[-1]])
    (folder / "shards").mkdir()
    for shard, length in enumerate(shard_bytes.tolist()):
        with shard_path(folder, shard).open("wb") as file:
            file.truncate(length)
    numbers = [compute.utf8_lpad(pa.array(each).cast(pa.string()), 8, "0") for each in (labels, np.arange(num_videos))]
    names = compute.binary_join_element_wise("class", numbers[0], "/", numbers[1], ".mp4", "")
    ends_of_hashes = np.arange(num_videos + 1, dtype=np.int32) * 64
    hashes = pa.StringArray.from_buffers(
        num_videos, pa.py_buffer(ends_of_hashes), pa.py_buffer(rng.bytes(32 * num_videos).hex().encode())
    )
    columns: dict[str, Any] = {
        name: pa.repeat(pa.scalar(value, pa.string() if value is None else None), num_videos)
        for name, value in Row("", PACKED)._asdict().items()
    } | {
        "path": names,
        "num_frames": pa.array(lengths),
        "label": pa.array(labels),
        "shard": pa.array(shards),
        "offset": pa.array(begins - begins[firsts][shards]),
        "num_bytes": pa.array(num_bytes),
        "sha256": hashes,
        "packed_sha256": hashes,
        "caption": names,
        "split": pa.array(np.where(rng.random(num_videos) < 0.1, "validation", "train")),
        "fps": pa.repeat(25.0, num_videos),
        "exact_seek": pa.repeat(pa.scalar(None, pa.bool_()), num_videos),
    }
    class_names = tuple(f"class{label:08d}" for label in range(400))
    fingerprint = hashes[0].as_py()
    header = Header("raw", SIZE, SIZE, class_names, num_videos, tuple(shard_bytes.tolist()), fingerprint, "made up", "")
    write_columns(folder, header, columns)


def own_bytes() -> int:
    """Memory that this process has written; pages of libraries that no other maps just now do not count."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def measure(folder: Path, **settings: Any) -> Measured:
    """Open a pack and take batches from it."""
    gc.collect()  # what the measurement before left would become the new worker's own when this process drops it
    data = PackedVideos(str(folder), size=SIZE, batch_size=BATCH_SIZE, num_workers=1, **settings)
    times, processor = [time.perf_counter()], time.process_time()
    data.setup("fit")
    times.append(time.perf_counter())
    processor = time.process_time() - processor
    loader = data.train_dataloader()
    times.append(time.perf_counter())
    loader.dataset.__class__ = CountsItsMemory
    batches = iter(loader)
    next(batches)
    times.append(time.perf_counter())
    of_worker = max(int(batch["label"].max()) for batch in islice(batches, NUM_BATCHES))
    setup, stream, first_batch = np.diff(times).tolist()
    return Measured(setup, processor, stream, first_batch, of_worker)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_videos", type=int, default=10_000_000)
    options = parser.parse_args()
    ways: list[dict[str, Any]] = [{"sampling": rule} for rule in get_args(Sampling)]
    ways += [{"captions": True}, {"use_splits": False, "validation_fraction": 0.0}, {"use_splits": False}]
    titles = "setup, s", "processor, s", "stream, s", "first batch, s", "worker, MiB"
    print(f"{'settings':50}{'videos':>12}" + "".join(f"{title:>16}" for title in titles))
    for num_videos in (FEW, options.num_videos):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["KINOGAN_CACHE"] = f"{folder}/cache"
            made_up(Path(folder), num_videos)
            for way in ways:
                found = measure(Path(folder), **way)
                numbers = *found[:-1], found.of_worker / 2**20
                print(f"{way!s:50}{num_videos:12,}" + "".join(f"{each:16.2f}" for each in numbers), flush=True)


if __name__ == "__main__":
    main()
