"""python -m tests.reliability --kills 100 --seed 0: does every proof, prints the table and writes the report."""

import argparse
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from tests.reliability.attacks import prove_hostile
from tests.reliability.courses import prove
from tests.reliability.damaged_checkpoints import prove_damaged
from tests.reliability.disturbing import ONE_PROCESS, TWO_PROCESSES, damaged_runs, kills, points, signals
from tests.reliability.full_disks import prove_full_disks
from tests.reliability.mutants import prove_mutated
from tests.reliability.preemptions import prove_preemptions
from tests.reliability.record import Record, session
from tests.reliability.report import failures, table, write_report
from tests.reliability.starts import stop_all
from tests.resuming import make_videos
from tests.test_train import ROOT


def main(arguments: list[str]) -> int:
    """Exit code: 0 if all is as it should be, 1 if anything was not."""
    options = parser().parse_args(arguments)
    output = options.output.absolute()
    record = Record(output / "results.jsonl")
    videos = output / "videos"
    if not videos.exists():
        torch.manual_seed(0)
        make_videos(videos)
    proofs = proofs_of(options, record, output, videos)
    chosen = list(proofs) if options.only is None else options.only
    if chosen:
        record.add(session=session(options.seed))
    for name in chosen:
        proofs[name]()
        write_report(record, options.report)
    write_report(record, options.report)
    found = failures(record)[2:-1]
    print("\n".join([*table(record), "", *found]))
    return 0 if found == ["None."] else 1


def proofs_of(options: argparse.Namespace, record: Record, output: Path, videos: Path) -> dict[str, Callable[[], None]]:
    """What can be chosen, by name."""
    seed = options.seed
    courses = {
        "kills": kills("kills, 1 process", options.kills, ONE_PROCESS),
        "points": points("named points", options.points),
        "signals": signals("signals", options.signals),
        "damaged-runs": damaged_runs("damaged runs", options.damaged_runs),
        "kills-2": kills("kills, 2 processes", options.kills, TWO_PROCESSES),
    }
    return {
        "damaged": partial(prove_damaged, record, output / "damaged", videos, options.damaged, seed),
        "hostile": partial(prove_hostile, record, output / "hostile", videos, options.hostile),
        "mutants": partial(prove_mutated, record, output / "mutants", videos, options.mutants, seed),
        "disks": partial(prove_full_disks, record, output / "disks", videos, options.disks, seed),
        "preemptions": partial(prove_preemptions, record, output / "slurm", videos, options.preemptions),
        **{key: partial(prove, proof, record, output / key, videos, seed) for key, proof in courses.items()},
    }


NAMES = (
    "damaged", "hostile", "mutants", "disks", "preemptions", "kills", "points", "signals", "damaged-runs", "kills-2",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    result = argparse.ArgumentParser(
        prog="python -m tests.reliability", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = result.add_argument
    add("--kills", type=int, default=100, help="random kills, of one process and as many of two")
    add("--points", type=int, default=5, help="kills at each named point")
    add("--signals", type=int, default=100, help="signals that end a run")
    add("--damaged", type=int, default=600, help="checkpoints that are damaged and asked for")
    add("--damaged_runs", type=int, default=13, help="runs that are started again with a damaged checkpoint")
    add("--disks", type=int, default=20, help="full and read-only disks and quotas")
    add("--preemptions", type=int, default=10, help="of a job on a SLURM cluster of its own; takes root")
    add("--hostile", type=int, help="so many hostile files and configs of all kinds (default: all)")
    add("--mutants", type=int, default=2000, help="configs that are changed at random")
    add("--seed", type=int, default=0, help="of everything that is random")
    add("--output", type=Path, default=Path("runs/reliability"), help="its record, and the runs")
    add("--report", type=Path, default=ROOT / "docs" / "reliability.md", help="where the report is written")
    add("--only", nargs="*", choices=NAMES, help="these proofs; none writes the report only (default: all)")
    return result


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop_all)
    sys.exit(main(sys.argv[1:]))
