"""How fast clips reach a training: our readers beside how others read, and what bounds the loader.

    python -m benchmarks.data --output runs/data_speed --document docs/performance.md

It makes its own videos, and from them everything that its readers read: 320x240 H.264, packs in three formats, zips of
frames.  Three parts, each kept in a JSON file of --output as soon as it is measured, and the page is written from the
files that are there; --parts measures some of them again.  Takes about ten minutes on two cores.  Readers take turns,
so what else runs on the machine meets all alike, but the speeds themselves want the machine to themselves.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.data_bounds import measure_bounds
from benchmarks.data_corpus import Corpus, make_corpus
from benchmarks.data_page import PARTS, write_page
from benchmarks.data_readers import Reader, check_alike, readers_of
from benchmarks.data_timing import Report, measure_loaders, measure_single
from benchmarks.metrics_timing import Record, machine, write_record
from benchmarks.study import positive

PACKAGES = ("torch", "numpy", "decord", "av", "opencv-python-headless", "simplejpeg", "pillow")
SETTINGS = (  # kept in every record
    "num_videos", "frames_per_video", "size", "num_frames", "batch_size", "num_workers", "turns", "seconds",
)  # fmt: skip
_CHECKED_CLIPS = 4  # of each reader


def measure(given: argparse.Namespace, folder: Path) -> None:
    """Make what is to be read in `folder`, and measure the parts that are asked for."""
    torch.set_num_threads(1)  # a reader is one thread, in a worker as here
    os.environ["KINOGAN_CACHE"] = str(folder / "cache")  # of what is known of the videos
    report = reporting()
    corpus = make_corpus(folder, given.num_videos, given.frames_per_video, given.size, given.num_workers)
    readers = readers_of(corpus, given.num_frames, given.batch_size)
    distances = check_alike(readers, _CHECKED_CLIPS)
    settings = {name: getattr(given, name) for name in SETTINGS}
    measurements: dict[str, Callable[[], Record]] = {
        "workers": lambda: {
            "clips_per_second": measure_loaders(
                readers, given.turns, given.seconds, given.num_workers, given.batch_size, report
            )
        },
        "single": lambda: single(corpus, readers, distances, given, report),
        "bounds": lambda: measure_bounds(
            readers, given.turns, given.seconds, given.num_workers, given.batch_size, report
        ),
    }
    for part in given.parts:
        before = machine("cpu", PACKAGES)
        write_record(given.output / f"{part}.json", {"machine": before, **settings, **measurements[part]()})


def single(
    corpus: Corpus, readers: dict[str, Reader], distances: dict[str, float], given: argparse.Namespace, report: Report
) -> Record:
    """The speeds in one process, and what is known of the readers' files and pixels."""
    return {
        "clips_per_second": measure_single(readers, given.turns, given.seconds, report),
        "bytes_per_frame": corpus.bytes_per_frame(),
        "forms": {name: reader.form for name, reader in readers.items()},
        "distances": distances,
    }


def reporting() -> Report:
    """Prints a line, and the minutes since now."""
    start = time.monotonic()
    return lambda line: print(f"data: {(time.monotonic() - start) / 60:4.1f} min, {line}", flush=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.data", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--output", type=Path, default=Path("runs/data_speed"), help="folder of results")
    add("--document", type=Path, help="page to write from the results, such as docs/performance.md")
    add("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="default: all; none writes the page alone")
    add("--corpus", type=Path, help="folder to make the videos in and to keep; a temporary one if not given")
    add("--turns", type=positive, default=5, help="of every reader (5)")
    add("--seconds", type=seconds, default=3.0, help="of a turn (3)")
    add("--num_workers", type=positive, default=2, help="of the loaders (2)")
    add("--batch_size", type=positive, default=16, help="clips of a batch (16)")
    add("--num_frames", type=positive, default=16, help="of a clip (16)")
    add("--size", type=positive, default=64, help="of a clip, in pixels (64)")
    add("--num_videos", type=positive, default=24, help="of the corpus (24)")
    add("--frames_per_video", type=positive, default=200, help="of each video (200)")
    given = parser.parse_args(arguments)
    if given.frames_per_video < given.num_frames:
        parser.error(f"--frames_per_video is {given.frames_per_video}, fewer than a clip has")
    return given


def seconds(text: str) -> float:
    """A time above 0."""
    if (number := float(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def main(arguments: list[str]) -> int:
    """Exit code 0; a mistake that the user can put right ends with a line."""
    given = parsed(arguments)
    if given.parts:
        with tempfile.TemporaryDirectory() as folder:
            measure(given, given.corpus or Path(folder))
    if given.document:
        print(write_page(given.output, given.document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
