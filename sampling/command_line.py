"""The command line of sample.py: videos from a run, or the run's generator to give away."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor
from typing_extensions import override

from callbacks.protocols import ProvidesClips
from evaluation.generated_videos import GeneratedVideos
from evaluation.trained_run import TrainedRun, open_run
from sampling.export import export
from sampling.videos import fps_of, write_each, write_grid

DESCRIPTION = """Make videos from a run of train.py, or publish its generator.

    python sample.py RUN --num_videos 16 --output videos     each video as a file, videos/00000.mp4, ...
    python sample.py RUN --output grid.mp4                   all beside each other in one file
    python sample.py RUN --export FOLDER                     safetensors, config and card; FOLDER is used like RUN

Video i depends on the seed and i alone."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")


def main(arguments: list[str]) -> int:
    """Exit code: 0 when done, 2 for a mistake that the user can put right."""
    try:
        run(parser().parse_args(arguments))
    except (ValueError, OSError) as mistake:
        print(f"sample.py: {mistake}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    result = Parser(
        prog="sample.py",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add("run", type=Path, metavar="RUN", help="folder of a run, or of an export")
    add("--output", type=Path, default=Path("videos"), help="a folder, or an .mp4 file for a grid (videos)")
    add("--export", type=Path, metavar="FOLDER", help="write the generator there instead of videos")
    add("--num_videos", type=int, default=16, help="how many (16)")
    add("--num_frames", type=int, help="of each, where the generator can make other lengths than in training")
    add("--seed", type=int, default=0, help="of the latents (0)")
    add("--labels", type=numbers, help="classes with commas between, which take turns (all of them)")
    add("--truncation", type=float, help="psi, above 0 and at most 1 (the config's)")
    add("--checkpoint", default="last", help="last, best, or a path (last)")
    add("--weights", choices=("ema", "latest"), default="ema", help="of the generator (ema)")
    add("--root", help="of the real videos that a generator makes its own from, if not where they were")
    add("--fps", type=float, help="frames per second (those of training)")
    add("--batch_size", type=int, default=16, help="made at a time; another one rounds otherwise (16)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    add("--allow_package", action="append", default=[], help="whose classes the config may name")
    return result


def run(options: argparse.Namespace) -> None:
    """Do what the options say.

    Raises: ValueError or OSError, in one line.
    """
    opened = open_run(
        options.run,
        options.checkpoint,
        ema=options.weights == "ema",
        truncation=options.truncation,
        device=options.device,
        allow_packages=options.allow_package,
    )
    fps = fps_of(opened) if options.fps is None else options.fps
    if options.export is not None:
        export(opened, options.export, fps)
        print(f"generator of step {opened.step} in {options.export}")
        return
    labels = options.labels and [options.labels[index % len(options.labels)] for index in range(options.num_videos)]
    videos = GeneratedVideos(
        opened,
        options.num_videos,
        options.num_frames,
        seed=options.seed,
        labels=labels,
        conditions=conditions(opened, options.num_videos, options.root),
        batch_size=options.batch_size,
    )
    write = write_grid if options.output.suffix == ".mp4" else write_each
    write(videos, options.output, fps)
    print(f"{len(videos)} videos of step {opened.step} in {options.output}")


def conditions(opened: TrainedRun, num_videos: int, root: str | None) -> Callable[[int], Tensor] | None:
    """Real clips, for a generator that makes its videos from some."""
    if not opened.module.conditions_on_clips:
        return None
    data = opened.datamodule(root)
    if not isinstance(data, ProvidesClips):
        raise ValueError(f"{opened.folder}: its generator makes videos from clips, which {type(data).__name__} has not")
    clips = data.evaluation_dataset(max(num_videos, 1), "train")
    return lambda index: clips[index]["clip"]


def numbers(text: str) -> list[int]:
    """The integers of a list with commas."""
    return [int(each) for each in text.split(",")]
