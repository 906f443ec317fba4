"""How fast the metrics are: feature networks, the Frechet distance, and what measuring costs a training.

    python -m benchmarks.metrics --output runs/metric_speed --document docs/metric_speed.md

Four parts, each kept in a JSON file of --output as soon as it is measured, and the page is written from the files that
are there; --parts measures some of them again.  `peer` compares with torch-fidelity and runs with --peers only, see
`benchmarks.metrics_peer` for how to have it beside this project.  OMP_NUM_THREADS sets the threads.  What else runs on
the machine meets both sides of every ratio alike, but not a bare time: have the machine to yourself.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.metrics_distance import measure_distances
from benchmarks.metrics_networks import NETWORKS, measure_networks
from benchmarks.metrics_page import PARTS, write_page
from benchmarks.metrics_peer import measure_peer, peer_is_installed
from benchmarks.metrics_timing import Record, write_record
from benchmarks.metrics_training import experiments, measure_training
from benchmarks.study import positive


def measure(given: argparse.Namespace, folder: Path) -> None:
    """Measure the parts that are asked for; `folder` is for what is not kept."""
    on_gpu = torch.device(given.device).type == "cuda"
    num_clips = given.num_clips or (64 if on_gpu else 4)
    measurements: dict[str, Callable[[], Record]] = {
        "networks": lambda: measure_networks(
            given.networks, given.frame_size, num_clips, given.repeats, given.compile, given.device, folder
        ),
        "distance": lambda: measure_distances(given.dimensions, given.repeats, given.device),
        "peer": lambda: measure_peer(given.frame_size, 16 * num_clips, given.repeats, given.device, folder),
        "training": lambda: training(given, folder),
    }
    for part in parts_of(given):
        print(f"metrics: {part} ...", flush=True)
        write_record(given.output / f"{part}.json", measurements[part]())


def training(given: argparse.Namespace, folder: Path) -> Record:
    """Of all experiments, or of those that are named, the others as they were."""
    record = measure_training(
        given.models or experiments(), given.scale, given.data, given.root, given.steps, given.device, folder
    )
    return with_others(record, given.output / "training.json") if given.models else record


def with_others(record: Record, path: Path) -> Record:
    """An earlier record with the experiments that were measured again; the new one where there is none."""
    if not path.exists():
        return record
    earlier = json.loads(path.read_text())
    again = sorted({*earlier.get("again", []), *record["experiments"]})
    return {**earlier, "experiments": {**earlier["experiments"], **record["experiments"]}, "again": again}


def parts_of(given: argparse.Namespace) -> list[str]:
    """What is to be measured."""
    return [part for part in PARTS if part != "peer" or given.peers] if given.parts is None else given.parts


def check(given: argparse.Namespace) -> None:
    """Find out mistakes before minutes are spent.

    Raises: SystemExit with one line.
    """
    try:
        torch.zeros(1, device=given.device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise SystemExit(f"metrics: --device {given.device} cannot be used: {error}".partition("\n")[0]) from error
    if "peer" in parts_of(given) and not peer_is_installed():
        raise SystemExit(
            "metrics: --peers compares with torch-fidelity, which is not installed: pip install --no-deps --target "
            "/tmp/peers torch-fidelity, then PYTHONPATH=/tmp/peers python -m benchmarks.metrics --peers ..."
        )


def at_least_two(text: str) -> int:
    """A number of clips of which features differ."""
    if (number := int(text)) < 2:
        raise argparse.ArgumentTypeError(f"{number} is not at least 2")
    return number


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.metrics", description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("runs/metric_speed"), help="folder of results")
    parser.add_argument("--document", type=Path, help="page to write from the results, such as docs/metric_speed.md")
    parser.add_argument("--device", default="cpu", help="of the networks and our distance (cpu)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="default: all; none writes the page alone")
    parser.add_argument("--peers", action="store_true", help="compare with torch-fidelity, too")
    parser.add_argument("--repeats", type=positive, default=5, help="turns of every comparison (5)")
    networks = parser.add_argument_group("networks and peer")
    networks.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    networks.add_argument("--frame_size", type=positive, default=64, help="pixels of the clips (64)")
    networks.add_argument("--num_clips", type=at_least_two, help="in a timed call (4; 64 on a GPU)")
    networks.add_argument("--compile", action="store_true", help="time torch.compile, too")
    distance = parser.add_argument_group("distance")
    distance.add_argument("--dimensions", type=positive, nargs="+", default=[400, 1280, 2048])
    training = parser.add_argument_group("training")
    training.add_argument("--models", nargs="+", choices=experiments(), metavar="NAME", help="again; default: all anew")
    training.add_argument("--scale", choices=["small", "full"], default="small")
    training.add_argument("--data", default="", help="YAML of the data set; the acting figures if not given")
    training.add_argument("--root", help="folder of the data set")
    training.add_argument("--steps", type=positive, default=6, help="timed steps of each model (6)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Exit code 0; a mistake that the user can put right ends with a line."""
    given = parsed(arguments)
    check(given)
    with tempfile.TemporaryDirectory() as folder:
        measure(given, Path(folder))
    if given.document:
        print(write_page(given.output, given.document))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
