"""`evaluate.py weights`: which weight files the metrics can use, whether they are here, and how to get them."""

import argparse
import sys

from tqdm import tqdm

from evaluation.results import aligned
from metrics.weights import WeightState, add, fetch, weight_states

VERBS = {"here": "is", "missing": "belongs", "wrong": "is not the published file"}


def add_weights_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.description = "List every weight file that a metric can use; fetch one, or add one that you have."
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fetch", metavar="NAME", help="download a file, check it, and put it into the cache")
    group.add_argument(
        "--add", nargs=2, metavar=("NAME", "FILE"), help="check a file of yours and put it into the cache"
    )


def run_weights(options: argparse.Namespace) -> None:
    """List, fetch or add.

    Raises: FileNotFoundError or ValueError, in one line.
    """
    if options.fetch:
        with tqdm(desc=options.fetch, unit="B", unit_scale=True, leave=False, delay=1) as bar:

            def show(done: int, total: int | None) -> None:
                bar.total = total
                bar.update(done - bar.n)

            path = fetch(options.fetch, show)
        print(f"{options.fetch} is in {path}")
    elif options.add:
        print(f"{options.add[0]} is in {add(*options.add)}")
    else:
        print(weights_table())
        print("\nfetch one with --fetch NAME, or add yours with --add NAME FILE", file=sys.stderr)


def weights_table() -> str:
    """A line a file, then where each comes from and what its licence is."""
    states = weight_states()
    rows = [("name", "state", "size", "sha256", "used by")]
    rows += [
        (each.file.name, each.state, size_of(each), (each.sha256 or "not known")[:16], each.file.used_by)
        for each in states
    ]
    lines = aligned(rows)
    for each in states:
        file = each.file
        lines += ["", f"{file.name}: {file.file_name}, {file.kind}; licence: {file.licence}"]
        lines += [f"  from {url}" for url in file.urls] or [f"  comes with the package {file.package}"]
        if each.path is not None:
            lines.append(f"  {VERBS[each.state]} in {each.path}")
        if each.state != "here":
            lines.append(f"  where no link works: {file.if_dead}")
    return "\n".join(lines)


def size_of(state: WeightState) -> str:
    """In megabytes, where it is published."""
    size = state.file.size_bytes
    return "not known" if size is None else f"{size / 1e6:.3g} MB"
