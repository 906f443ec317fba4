"""The page about the data's speed, from the results alone."""

import statistics
from pathlib import Path
from typing import NamedTuple

from benchmarks.data_bounds import NOTHING_READ, OUR_LOADER, TORCH_LOADER
from benchmarks.data_readers import (
    DECORD,
    JPEG_PACK,
    JPEG_ZIP,
    OURS,
    RAW_PACK,
    VIDEO_FILE_READERS,
)
from benchmarks.data_timing import ratio
from benchmarks.metrics_timing import Record
from benchmarks.speed_page import percent, table, write_sections

Rates = dict[str, list[float]]
FASTEST = "the fastest other reader of video files"


class Aim(NamedTuple):
    """A reader is to be so many times as fast as another, through loaders with workers."""

    reader: str
    other: str
    times: float


AIMS = (
    Aim(OURS, DECORD, 1.4),
    Aim(OURS, FASTEST, 0.9),
    Aim(RAW_PACK, OURS, 40),
    Aim(RAW_PACK, JPEG_ZIP, 5),
    Aim(JPEG_PACK, OURS, 15),
)
AIMED_CLIPS_PER_SECOND = 10_000  # of a raw pack


def write_page(results: Path, document: Path) -> str:
    """Write the page from the parts that were measured; what was written, in a line.

    Raises: SystemExit if there is none.
    """
    about = (
        "Written by `python -m benchmarks.data --document docs/performance.md` from what it measured.  All read the "
        "same clips of the same videos, and each is checked to read the right frames; they take turns, and ratios are "
        "medians over the turns, each against its neighbour in time.  The files are in the page cache."
    )
    return write_sections("How fast the data are", about, SECTIONS, results, document)


def workers_section(record: Record) -> list[str]:
    """All readers through their loaders, and the aims."""
    rates: Rates = record["clips_per_second"]
    aims = [aim_row(aim, rates) for aim in AIMS]
    reached = statistics.median(rates[RAW_PACK])
    return [
        f"Clips of {record['num_frames']} frames of {record['size']}x{record['size']} a second with "
        f"{record['num_workers']} workers and batches of {record['batch_size']}: medians of {record['turns']} turns of "
        f"{record['seconds']:g} s, and in brackets the lowest and the highest.  Ours come through our loader, the "
        "others through torch's DataLoader.",
        "",
        *table(["reader", "clips/s", *ratio_columns()], [reader_row(name, rates) for name in rates]),
        "",
        *table(["", "is to be", "is", ""], aims),
        "",
        f"{RAW_PACK[0].upper()}{RAW_PACK[1:]}: {reached:,.0f} clips/s; aimed at {AIMED_CLIPS_PER_SECOND:,}: "
        f"{verdict(reached >= AIMED_CLIPS_PER_SECOND)}.",
    ]


def single_section(record: Record) -> list[str]:
    """All readers in one process, and what their files take."""
    rates: Rates = record["clips_per_second"]
    rows = [
        [
            *reader_row(name, rates),
            f"{record['bytes_per_frame'][record['forms'][name]]:,.0f}",
            f"{record['distances'][name]:.1f}",
        ]
        for name in rates
    ]
    return [
        f"{record['num_videos']} videos of {record['frames_per_video']} frames, 320x240 H.264 as x264 makes it by "
        f"default; everything else is made from them, at {record['size']}x{record['size']}.  Clips of "
        f"{record['num_frames']} frames, one after the other in one process, {record['turns']} turns of "
        f"{record['seconds']:g} s.  Distance: mean of the pixels' "
        "differences from the raw pack's, in levels of 255.",
        "",
        *table(["reader", "clips/s", *ratio_columns(), "bytes/frame", "distance"], rows),
    ]


def bounds_section(record: Record) -> list[str]:
    """Where the loader's time goes."""
    loaders: Rates = record["loaders"]
    copied = record["copied_gigabytes_per_second"]
    moved = statistics.median(loaders[OUR_LOADER]) * record["bytes_per_clip"] / 1e9
    most = max(copied.values())
    return [
        f"A clip of {record['num_frames']} frames of {record['size']}x{record['size']} is "
        f"{record['bytes_per_clip']:,} bytes.  Microseconds of the processor for a clip of a raw pack:",
        "",
        *table(["step", "µs"], [[step, f"{spent:.1f}"] for step, spent in record["microseconds"].items()]),
        "",
        f"Clips a second with {record['num_workers']} workers and batches of {record['batch_size']}:",
        "",
        *table(
            ["loader of the raw pack", "clips/s", f"over {TORCH_LOADER}"],
            [
                [name, rate_cell(loaders[name]), f"{ratio(loaders[name], loaders[TORCH_LOADER]):.2f}"]
                for name in (TORCH_LOADER, OUR_LOADER, NOTHING_READ)
            ],
        ),
        "",
        f"Copying from memory to memory, GB/s: {', '.join(f'{name} {speed:.1f}' for name, speed in copied.items())}.  "
        f"{OUR_LOADER[0].upper()}{OUR_LOADER[1:]} delivers {moved:.2f} GB/s of clips, {percent(moved / most)} of the "
        "fastest of these; each byte is copied three times on its way (out of the page cache, into planes, into the "
        "batch), so it moves "
        f"{percent(3 * moved / most)}.",
    ]


def ratio_columns() -> list[str]:
    """Titles."""
    return [f"over {name}" for name in (DECORD, OURS)]


def reader_row(name: str, rates: Rates) -> list[str]:
    """Name, speed, and the speed over that of two others."""
    others = [f"{ratio(rates[name], rates[other]):.2f}" for other in (DECORD, OURS)]
    return [f"**{name}**" if name.startswith("ours") else name, rate_cell(rates[name]), *others]


def rate_cell(each_turn: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(each_turn):,.0f} ({min(each_turn):,.0f} to {max(each_turn):,.0f})"


def aim_row(aim: Aim, rates: Rates) -> list[str]:
    """What is to be, what is."""
    other, title = aim.other, aim.other
    if aim.other == FASTEST:
        other = max(VIDEO_FILE_READERS, key=lambda name: statistics.median(rates[name]))
        title = f"{FASTEST} ({other})"
    reached = ratio(rates[aim.reader], rates[other])
    return [f"{aim.reader} / {title}", f"at least {aim.times:g}", f"{reached:.2f}", verdict(reached >= aim.times)]


def verdict(holds: bool) -> str:
    """Whether an aim is reached."""
    return "holds" if holds else "**does not hold**"


SECTIONS = {
    "workers": ("Through a loader with workers", workers_section),
    "single": ("In one process", single_section),
    "bounds": ("What bounds the loader", bounds_section),
}
PARTS = tuple(SECTIONS)
