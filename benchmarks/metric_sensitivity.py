"""Measure damaged clips with every metric that needs no download: which metric sees which damage.

    python -m benchmarks.metric_sensitivity                                   # the acting figures, made on the spot
    python -m benchmarks.metric_sensitivity --videos path/to/videos --output results/my_videos.json
    python -m benchmarks.metric_sensitivity --small                           # some seconds: does it run?

Half of the videos are the real side.  Of the other half the clips are measured as they are, which is the floor (the
distance between real clips of different videos), and damaged: see `benchmarks.damages`.  Writes --output with all
values and their 95 % intervals, and pictures beside it; --page writes tables of it into docs/metrics.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.damages import DAMAGES, Damage
from benchmarks.metrics_docs import write_page
from benchmarks.sensitivity_clips import StudyClips, read_study_clips
from benchmarks.sensitivity_measuring import HIGHER_IS_BETTER, MetricSuite
from benchmarks.sensitivity_pictures import draw_curves, draw_damages
from datamodules.acting_figures import ActingFigures
from datamodules.acting_figures_drawing import write_acting_figures
from metrics.card import versions
from metrics.estimators import Estimate

Point = tuple[str, float]  # name of the damage, strength
SMALL = ("frozen", "memorised")  # damages for a smoke test
Work = Callable[[], dict[str, Estimate]]


def study(clips: StudyClips, suite: MetricSuite, damages: Sequence[Damage], num_threads: int) -> dict[str, Any]:
    """Measure every damage in every strength; plain values, ready for JSON.

    Args:
        num_threads: points that are measured at a time.
    """
    start = time.monotonic()
    floor, points = measured(clips, suite, damages, num_threads)
    return {
        **clips.description,
        "versions": versions(),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "threads": num_threads,
        "damages": [
            {"name": damage.name, "words": damage.words, "strengths": list(damage.strengths)} for damage in damages
        ],
        "metrics": [
            {
                "name": name,
                "key": key,
                "higher_is_better": name in HIGHER_IS_BETTER,
                "floor": plain(floor.get(name)),
                "values": {
                    damage.name: [plain(points[damage.name, strength].get(name)) for strength in damage.strengths]
                    for damage in damages
                },
            }
            for name, key in suite.keys.items()
        ],
    }


def measured(
    clips: StudyClips, suite: MetricSuite, damages: Sequence[Damage], num_threads: int
) -> tuple[dict[str, Estimate], dict[Point, dict[str, Estimate]]]:
    """The floor, and every point."""
    with tqdm(desc="undamaged clips", total=2, leave=False) as bar:
        real = suite.rows(clips.real)
        bar.update()
        fake = suite.rows(clips.fake, undamaged=clips.fake)
        bar.update()
    suite.set_real(real)
    pool = fake.followed_by(real)

    def work(damage: Damage, strength: float) -> Work:
        def of_clips() -> dict[str, Estimate]:
            assert damage.of_clips is not None
            return suite.estimates(suite.rows(damage.of_clips(clips.fake, strength), undamaged=clips.fake))

        def of_set() -> dict[str, Estimate]:
            assert damage.of_set is not None
            return suite.estimates(pool.of(damage.of_set(clips.modes, strength)))

        return of_set if damage.of_clips is None else of_clips

    points: dict[Point, dict[str, Estimate]] = {}
    # Each point has one core; to torch every new thread has as many as there are.
    with ThreadPoolExecutor(num_threads, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        running = {
            threads.submit(work(damage, strength)): (damage.name, strength)
            for damage in damages
            for strength in damage.strengths
        }
        for done in tqdm(as_completed(running), desc="damaged clips", total=len(running)):
            points[running[done]] = done.result()
    return suite.estimates(fake), points


def plain(estimate: Estimate | None) -> dict[str, Any] | None:
    """Value and interval; None where a metric says nothing of a damage."""
    if estimate is None:
        return None
    return {"value": estimate.value, "interval": list(estimate.interval) if estimate.interval else None}


def arguments_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--videos", type=Path, help="folder of videos, of frame folders, or an array (the acting figures)")
    add("--real_list", type=Path, help="text file of the videos of the real side (half of all, by their names' hash)")
    add("--group_pattern", help=r"regular expression of what must not be in both halves, such as 'person(\d+)'")
    add("--num_clips", type=int, default=128, help="of either side, at most (128)")
    add("--num_frames", type=int, default=16, help="of a clip (16)")
    add("--size", type=int, default=64, help="pixels (64)")
    add("--also", default="", help="further protocols with commas between, such as fvd128_16f/i3d_torchscript")
    add("--threads", type=int, default=torch.get_num_threads(), help="points measured at a time (one a core)")
    add("--output", type=Path, default=Path("runs/metric_sensitivity.json"), help="file of the values")
    add("--page", type=Path, help="page to write the tables into, such as docs/metrics.md")
    add("--small", action="store_true", help="8 clips of 4 frames, two damages")
    return parser.parse_args(arguments)


def videos_of(options: argparse.Namespace, stack: ExitStack) -> tuple[Path, str | None]:
    """Where the videos are, drawn if there are none, and what must not be in both halves."""
    if options.videos is not None:
        return options.videos, options.group_pattern
    if not options.small:
        return write_acting_figures(ActingFigures.DRAWN_ROOT), ActingFigures.PERSON
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "acting_figures"
    return write_acting_figures(folder, num_people=2, num_takes=1, num_frames=8), ActingFigures.PERSON


def run(arguments: list[str]) -> None:
    """Read, measure, write.

    Raises: ValueError or FileNotFoundError, in one line, for a mistake that the user can put right.
    """
    options = arguments_of(arguments)
    num_clips, num_frames = (8, 4) if options.small else (options.num_clips, options.num_frames)
    with ExitStack() as stack:
        videos, pattern = videos_of(options, stack)
        clips = read_study_clips(videos, num_clips, num_frames, options.size, options.real_list, pattern)
    also = tuple(name for name in options.also.split(",") if name)
    suite = MetricSuite(len(clips.fake), num_frames, also)
    damages = [each for each in DAMAGES if not options.small or each.name in SMALL]
    results = study(clips, suite, damages, options.threads)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    draw_curves(results, options.output.with_suffix(".png"))
    draw_damages(options.output.with_name("damages.png"))
    if options.page is not None:
        write_page(options.page)
    print(f"values in {options.output}, pictures beside it")


def main(arguments: list[str]) -> int:
    """Exit code: 0 when done, 2 for a mistake that the user can put right."""
    try:
        run(arguments)
    except (ValueError, FileNotFoundError) as mistake:
        print(f"metric_sensitivity: {mistake}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
