"""The command line of evaluate.py: measure, compare, weights."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed

from evaluation.evaluation import evaluate
from evaluation.metric_list import metric_list
from evaluation.processes import one_line
from evaluation.results import Results, compare, table
from evaluation.weights_command import add_weights_arguments, run_weights

DESCRIPTION = """Score videos, or a run of train.py, against real videos.

    python evaluate.py --real DATA --fake DATA_OR_RUN --metrics fvd2048_16f,fid50k --output result.json
    python evaluate.py --metrics list             every name that there is
    python evaluate.py compare A.json B.json      refuses numbers that were not measured alike
    python evaluate.py weights                    which weight files there are, and where to get them
    torchrun --nproc_per_node 2 evaluate.py ...   divides the work over processes; the numbers are the same

DATA is a folder of videos, a folder of frame folders, a pack of prepare.py, or an .npy or .pt array.
Exit code: 0 when done, 1 when one of the metrics could not be computed, 2 for a mistake that you can put right."""
LONGEST_WAIT = timedelta(days=7)  # of one process for another, which may be reading all videos for the first time


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, prog: str, description: str | None = None) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, description=description, formatter_class=layout, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise ValueError instead of printing how the program is used."""
        raise ValueError(f"{message}; see {self.prog} --help")


def run(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code.

    Raises: ValueError or OSError, in one line, for a mistake that the user can put right.
    """
    if arguments[:1] == ["compare"]:
        run_compare(arguments[1:])
    elif arguments[:1] == ["weights"]:
        parser = Parser("evaluate.py weights")
        add_weights_arguments(parser)
        run_weights(parser.parse_args(arguments[1:]))
    else:
        options = measure_parser().parse_args(arguments)
        if options.metrics != "list":
            return run_measure(options)
        print(metric_list())
    return 0


def run_compare(arguments: list[str]) -> None:
    """Print two files of results side by side."""
    parser = Parser("evaluate.py compare", "Print the values of two evaluations side by side, if they may be compared.")
    parser.add_argument("results", nargs=2, type=Path, help="files that evaluate.py has written")
    one, other = parser.parse_args(arguments).results
    print(compare(Results.read(one), Results.read(other), (str(one), str(other))))


def run_measure(options: argparse.Namespace) -> int:
    """Measure, print the table, write the cards and the page; the exit code."""
    device = join_processes(options.device)
    try:
        results, page = evaluate(options, device)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    if results is None:
        return 0
    print(f"real  {results.real}\nfake  {results.fake}\n\n{table(results)}\n\ncards in {options.output}")
    if page is not None:
        print(f"page in {page}")
    return 1 if results.failed else 0


def at_least(least: int) -> Callable[[str], int]:
    """Reads a whole number that may not be smaller."""

    def whole_number(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return number

    return whole_number


def measure_parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    parser = Parser("evaluate.py", DESCRIPTION)
    add = parser.add_argument
    add("--real", metavar="DATA", help="real videos; not needed for scores of the generated ones alone")
    add("--fake", metavar="DATA_OR_RUN", help="generated videos, or a run folder")
    add("--metrics", required=True, help="names with commas between; `evaluate.py --metrics list` lists them")
    add("--output", type=Path, default=Path("result.json"), help="file of the cards; the page lies beside it")
    add("--real_list", help="text file of the real videos to take, a name a line")
    add("--fake_list", help="text file of the fake videos to take")
    add(
        "--frame_stride",
        type=at_least(1),
        help="every how many-th frame of the real videos is a frame (a run's own, else 1)",
    )
    add(
        "--size",
        type=at_least(1),
        help="pixels of height and width that both sides are brought to (the fake videos' own)",
    )
    add("--seed", type=at_least(0), default=0, help="of the choice of clips, and of latents (0)")
    add("--num_videos", type=at_least(1), help="generated by a run for scores of single clips (256)")
    add("--checkpoint", default="last", help="of a run: last, best, or a path (last)")
    add("--weights", choices=("ema", "latest"), default="ema", help="of a run's generator (ema)")
    add("--truncation", type=float, help="of a run's generator (its config's)")
    add("--allow_package", action="append", default=[], help="whose classes a run's config may name")
    add("--weight_file", action="append", default=[], metavar="NETWORK=PATH", help="of a feature network")
    add("--ma_scores", help="CSV or JSON of the scores that the perceptual index needs")
    add("--device", help="cpu, cuda, cuda:1 (the first GPU if there is one)")
    add("--batch_size", type=at_least(1), default=16, help="clips at a time (16)")
    add("--num_workers", type=at_least(0), default=0, help="processes that read files ahead, each (0)")
    add("--no_page", action="store_true", help="write no page of pictures")
    return parser


def join_processes(device: str | None) -> torch.device:
    """Meet the other processes, if torchrun has started this one; the device of this one.

    Raises: ValueError if there is no such device.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ValueError(f"--device {device}: is no device; give cpu, cuda or cuda:1") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {device}: there is no GPU here that torch can use")
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", local_rank)
    if chosen.type == "cuda" and chosen.index >= torch.cuda.device_count():
        raise ValueError(
            f"{chosen}: this machine has {torch.cuda.device_count()} GPUs; start as many processes at most"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    return chosen


def main(arguments: list[str]) -> int:
    """Exit code: 0 when done, 1 when one of the metrics could not be computed, 2 for a mistake of the user."""
    try:
        return run(arguments)
    except (ValueError, OSError) as mistake:
        if os.environ.get("RANK", "0") == "0":  # each process finds the same one
            print(f"evaluate.py: {one_line(mistake)}", file=sys.stderr)
        return 2
