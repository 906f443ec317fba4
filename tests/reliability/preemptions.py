"""A job that a real SLURM cluster preempts and requeues, again and again."""

import shutil
from pathlib import Path

from tests.reliability.record import Record
from tests.slurm.cluster import Cluster, why_not
from tests.slurm.preempting import preempt

NAME = "SLURM preemptions"


def prove_preemptions(record: Record, folder: Path, videos: Path, count: int) -> None:
    """One job of two nodes that is preempted so often; all or none of its preemptions are as they should be."""
    if record.trials(NAME):
        return
    if reason := why_not():
        print(f"{NAME}: not run, {reason}", flush=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cluster = Cluster(folder)
    problem, sent = "", ["before the end"] * count
    try:
        sent = preempt(cluster, videos, folder / "runs", count)
    except AssertionError as error:
        problem = " ".join(str(error).split())[:500] or "an assertion without words failed"
    finally:
        cluster.stop()
    for trial, kind in enumerate(sent):
        record.add(proof=NAME, trial=trial, kind=kind, ok=not problem, problem=problem)
    print(f"{NAME}: {count} of {count}; {problem or 'exact'}", flush=True)
