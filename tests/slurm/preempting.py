"""A job on two nodes that is preempted again and again, and what must be as if it had not been."""

import re
from functools import partial
from pathlib import Path

from tensor_files.committed import committed, damage
from tests.resuming import rows, same, state
from tests.slurm.cluster import Cluster
from tests.test_train import SMALL

SETTINGS = [
    *SMALL, "--trainer.logger", "false", "--samples.every_n_steps", "null", "--metrics.every_n_steps", "null",
    "--curves.every_n_steps", "100", "--checkpoints.every_n_steps", "25", "--data.keep_decoded", "true",
]  # fmt: skip
STEPS_EACH = 20
SIGNALS = ("USR1", "TERM")


def preempt(cluster: Cluster, videos: Path, runs: Path, times: int) -> list[str]:
    """Train one run undisturbed and one that is preempted so often, and compare them; what was sent, in order.

    Raises: AssertionError, with what is not as it should be.
    """
    steps = STEPS_EACH * (times + 1)
    given = [*SETTINGS, "--data.root", str(videos), "--runs_folder", str(runs), "--trainer.max_steps", str(steps)]
    options = ("--ntasks-per-node=1",)
    job = cluster.submit("slurm/several_nodes.sh", *given, "--run_name", "whole", options=options)
    assert cluster.wait_for_end(job) == "COMPLETED", cluster.output(job)
    (whole,) = (runs / "whole").iterdir()
    job = cluster.submit("slurm/several_nodes.sh", *given, "--run_name", "part", options=options)
    run = runs / "part" / f"slurm-{job}.0"
    sent = [SIGNALS[number % 2] for number in range(times)]
    for number, name in enumerate(sent, start=1):
        at = last_step(run) + 3
        cluster.until(partial(lambda at: last_step(run) >= at, at), 600, f"never came to step {at}", job)
        cluster.run("scancel", f"--signal={name}", job)
        cluster.until(partial(lambda n: cluster.show(job, "Restarts") == str(n), number), 120, "not requeued", job)
        assert all(not damage(path) for path in committed(run / "checkpoints"))
        cluster.hurry(job)
    assert cluster.wait_for_end(job) == "COMPLETED", cluster.output(job)
    check_output(cluster.output(job), times)
    assert list((runs / "part").iterdir()) == [run]
    one, other = state(run), state(whole)
    for name in one:
        assert same(one[name], other[name]), name
    assert rows(run) == rows(whole)
    assert [row["step"] for row in rows(run)] == [str(step) for step in range(1, steps + 1)]
    return [f"SIG{name}" for name in sent]


def check_output(said: str, times: int) -> None:
    """Whether a job saved after so many different steps, and went on from exactly those."""
    stops = [int(step) for step in re.findall(r"stopped by SIG\w+ and saved after step (\d+)", said)]
    assert len(stops) == times and len({*stops}) == times, said
    assert re.findall(r"going on from \S+/step-(\d+)\.ckpt", said) == [f"{step:08d}" for step in stops], said


def last_step(run: Path) -> int:
    """The last that was logged; 0 before the first."""
    return int(rows(run)[-1]["step"]) if (run / "metrics.csv").exists() and rows(run) else 0
