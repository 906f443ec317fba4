"""What is proved of reading videos: see `__main__`."""

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from datamodules.clip_dataset import ClipDataset
from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import PositionBatches, TrainingClips
from datamodules.data_ledger import DataLedger
from datamodules.file_guard import FileGuard
from datamodules.isolated_reading import Limits
from datamodules.video_file_reader import VideoFileReader
from datamodules.video_index import index_videos
from datamodules.video_table import Video, VideoTable
from tensor_files.whole_files import sha256_of
from tests.data_reliability.corpus import mutate, mutations, write_corpus
from tests.processes import children_of

BATCH_SIZE, NUM_FRAMES, SIZE = 8, 8, 32
_MOST_GROWTH = 20 << 20  # bytes


class Corpus:
    """Good videos, indexed, of which `count` are changed afterwards."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.root = folder / "videos"
        paths = write_corpus(self.root, count + count // 3 + 3, seed)
        self.videos = index_videos(self.root).videos
        changes = mutations(folder / "instead", seed)
        random = Random(seed)
        self.changed: dict[str, str] = {}  # name -> what was done
        for number, path in enumerate(random.sample(paths, count)):
            what = list(changes)[number % len(changes)]
            mutate(path, changes[what], random)
            self.changed[path.name] = what
        self.num_batches = -(-len(paths) // BATCH_SIZE)  # so that each video is asked for

    def read(self, videos: VideoTable, ledger: Path, workers: int, start: int, stop: int) -> tuple[list[str], float]:
        """Hashes of batches, and the longest time that one took."""
        choose = TrainingClips(videos.num_frames, NUM_FRAMES, 0, True)
        guard = FileGuard(videos, DataLedger(ledger), len(videos), max_bad_share=1)
        reader = VideoFileReader(self.root, videos, SIZE, Limits(120.0))
        dataset = ClipDataset(videos, choose, NUM_FRAMES, reader, guard=guard)
        batches = PositionBatches(BATCH_SIZE, start_step=start)
        loader = ClipLoader(dataset, batches, (3, NUM_FRAMES, SIZE, SIZE), workers, guard)
        hashes, longest, last = [], 0.0, time.monotonic()
        for batch in islice(loader, stop - start):
            content = (batch["clip"].numpy().tobytes(), str(batch["label"].tolist()), str(batch["position"].tolist()))
            hashes.append(hashlib.sha256(content[0] + "".join(content[1:]).encode()).hexdigest())
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return hashes, longest


def prove_changed(corpus: Corpus, folder: Path) -> list[str]:
    """Files that were changed after they were indexed: named once, and the same batches whoever reads them."""
    problems = []
    one, two, again = (folder / f"{name}.jsonl" for name in ("one", "two", "again"))
    for path in (one, two, again):
        path.unlink(missing_ok=True)
    end, half = corpus.num_batches, corpus.num_batches // 2
    whole, longest = corpus.read(corpus.videos, one, 1, 0, end)
    if corpus.read(corpus.videos, two, 2, 0, end)[0] != whole:
        problems.append("two workers give other batches than one")
    first, _ = corpus.read(corpus.videos, again, 2, 0, half)
    if first + corpus.read(corpus.videos, again, 0, half, end)[0] != whole:
        problems.append("a run that goes on gives other batches")
    for path in (one, two, again):
        named = Counter(json.loads(line)["path"] for line in path.read_text().splitlines())
        missed = corpus.changed.keys() - named.keys()
        problems += [f"{path.name}: {name} ({corpus.changed[name]}) is not named" for name in sorted(missed)]
        problems += [f"{path.name}: {name} is named, and good" for name in sorted(named.keys() - corpus.changed.keys())]
        problems += [f"{path.name}: {name} is named {count} times" for name, count in named.items() if count > 1]
    print(f"changed: {len(corpus.changed)} files, {end} batches three times, the slowest after {longest:.1f} s")
    return problems


def prove_damaged(corpus: Corpus, folder: Path) -> list[str]:
    """Damaged files that pass for good ones, so that decoders see them: nothing crashes and nothing hangs."""
    videos = VideoTable.of(
        [
            Video(video.path, video.label, video.properties, sha256_of(corpus.root / video.path))
            for video in corpus.videos
            if (corpus.root / video.path).exists()
        ]
    )
    ledger = folder / "damaged.jsonl"
    ledger.unlink(missing_ok=True)
    num_batches = -(-len(videos) // BATCH_SIZE)
    hashes, longest = corpus.read(videos, ledger, 2, 0, num_batches)
    entries = [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []
    kinds = Counter(entry["kind"] for entry in entries)
    print(f"damaged: {len(videos)} files, the slowest batch after {longest:.1f} s; set aside: {dict(kinds)}")
    problems = [] if len(hashes) == num_batches else [f"{len(hashes)} batches of {num_batches}"]
    good = {video.path for video in videos} - corpus.changed.keys()
    return problems + [f"{each['path']} is set aside, and good" for each in entries if each["path"] in good]


def prove_flat(corpus: Corpus, num_reads: int) -> list[str]:
    """The memory and the open files of this process and its child, over so many reads of good videos."""
    good = [number for number, video in enumerate(corpus.videos) if video.path not in corpus.changed]
    reader = VideoFileReader(corpus.root, corpus.videos, SIZE, Limits(120.0))
    measured: list[tuple[int, int, int]] = []
    for number in range(num_reads):
        reader(good[number % len(good)], range(number % 16, number % 16 + NUM_FRAMES))
        if number % max(1, num_reads // 20) == 0:
            (child,) = (pid for pid in children_of() if b"child_process" in Path(f"/proc/{pid}/cmdline").read_bytes())
            measured.append((_resident(os.getpid()), _resident(child), len(list(Path("/proc/self/fd").iterdir()))))
    settled = np.array(measured[len(measured) // 4 :])
    mine, childs = (int(settled[:, column].max() - settled[0, column]) for column in (0, 1))
    print(f"memory: over {num_reads} reads this process grows by {mine >> 20} MiB, its child by {childs >> 20} MiB")
    problems = [f"memory grows by {each >> 20} MiB" for each in (mine, childs) if each > _MOST_GROWTH]
    return problems + (["open files grow"] if settled[-1, 2] > settled[0, 2] else [])


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
