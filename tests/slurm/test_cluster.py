"""The batch scripts as they are, on a SLURM cluster of two nodes: only what a CPU needs is said on the command line."""

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tensor_files.committed import committed, damage
from tests.resuming import rows
from tests.slurm.cluster import Cluster, processes_with, ranks_of
from tests.slurm.preempting import SETTINGS, last_step, preempt

pytestmark = pytest.mark.slow
SLOWNESS = 3  # of a machine that has other things to do


@pytest.fixture
def arguments(videos: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Those of train.py for so many steps."""

    def make(steps: int, *more: str) -> list[str]:
        given = ["--data.root", str(videos), "--runs_folder", str(tmp_path / "runs"), "--trainer.max_steps", str(steps)]
        return [*SETTINGS, *given, *more]

    return make


def test_a_run_on_one_gpu(cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]]) -> None:
    job = cluster.submit("slurm/one_gpu.sh", *arguments(2))
    assert cluster.wait_for_end(job) == "COMPLETED", cluster.output(job)
    (run,) = (tmp_path / "runs" / "demo").iterdir()
    assert run.name == f"slurm-{job}.0"
    assert last_step(run) == 2
    assert "trained 2 steps" in cluster.output(job)
    assert not re.search("warn", cluster.output(job), re.IGNORECASE), cluster.output(job)


def test_a_mistake_ends_the_job_and_is_one_line(
    cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]]
) -> None:
    job = cluster.submit(
        "slurm/several_nodes.sh", *arguments(2, "--data.root", str(tmp_path / "nowhere")),
        options=("--ntasks-per-node=1",),
    )  # fmt: skip
    assert cluster.wait_for_end(job) == "FAILED"
    assert cluster.show(job, "ExitCode") == "2:0" and cluster.show(job, "Restarts") == "0"
    said = [line for line in cluster.output(job).splitlines() if not line.startswith(("srun: ", "slurmstepd: "))]
    assert len(said) == 1 and said[0].startswith("train.py: data: "), cluster.output(job)
    assert not (tmp_path / "runs").exists()


def test_two_nodes_preempted_again_and_again_end_as_if_they_were_not(
    cluster: Cluster, tmp_path: Path, videos: Path
) -> None:
    assert preempt(cluster, videos, tmp_path / "runs", 3) == ["SIGUSR1", "SIGTERM", "SIGUSR1"]


def test_tasks_of_an_array_keep_to_their_own(
    cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]]
) -> None:
    steps = 60
    given = arguments(steps)
    listed = tmp_path / "my list.txt"
    listed.write_text("".join(f"{shlex.join([*given, '--seed_everything', str(seed)])}\n" for seed in (5, 6, 7)))
    job = cluster.submit("slurm/array.sh", str(listed), "--checkpoints.keep_newest", "1", options=("--array=0-2",))
    runs = [tmp_path / "runs" / "demo" / f"slurm-{job}_{task}.0" for task in range(3)]
    cluster.until(lambda: all(last_step(run) >= 5 for run in runs), 400, "the tasks did not all train", f"{job}_0")
    # Task 2 has the number of the array itself: its requeue must not take the others along.
    cluster.run("scancel", "--signal=USR1", f"{job}_2")
    cluster.until(lambda: cluster.show(f"{job}_2", "Restarts") == "1", 120, "not requeued", f"{job}_2")
    cluster.hurry(f"{job}_2")
    for task, run in enumerate(runs):
        assert cluster.wait_for_end(f"{job}_{task}") == "COMPLETED", cluster.output(f"{job}_{task}")
        assert [row["step"] for row in rows(run)] == [str(step) for step in range(1, steps + 1)]
        assert cluster.show(f"{job}_{task}", "Restarts") == str(int(task == 2))
        assert len(committed(run / "checkpoints")) == 1
        assert yaml.safe_load((run / "config.yaml").read_text())["seed_everything"] == 5 + task
    assert sorted((tmp_path / "runs" / "demo").iterdir()) == runs
    assert len({rows(run)[-1]["generator/loss"] for run in runs}) == 3


def test_an_array_that_is_longer_than_its_list(cluster: Cluster, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("--config conf/demo.yaml\n")
    job = cluster.submit("slurm/array.sh", str(listed), options=("--array=1",))
    assert cluster.wait_for_end(f"{job}_1") == "FAILED"
    assert cluster.output(f"{job}_1") == f"{listed} has no line 2 for task 1 of the array\n"


def test_before_the_time_limit_a_run_saves_and_the_job_comes_back(
    cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]]
) -> None:
    job = cluster.submit("slurm/one_node.sh", *arguments(100_000),
                         options=("--ntasks-per-node=2", "--time=3", "--signal=USR1@60"))  # fmt: skip
    cluster.until(lambda: cluster.show(job, "Restarts") == "1", 240, "the time limit was not noticed", job)
    (run,) = (tmp_path / "runs" / "demo").iterdir()
    (step,) = re.findall(r"stopped by SIGUSR1 and saved after step (\d+)", cluster.output(job))
    assert (run / "checkpoints" / "last.ckpt").resolve().name == f"step-{int(step):08d}.ckpt"
    cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=60")
    cluster.hurry(job)
    cluster.until(lambda: last_step(run) > int(step), 600, "did not go on", job)
    cluster.run("scancel", job)
    assert cluster.wait_for_end(job) == "CANCELLED"
    assert "TIMEOUT" not in cluster.output(job) and list((tmp_path / "runs" / "demo").iterdir()) == [run]


def test_a_job_that_stops_too_often_ends(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 75\n")
    program.chmod(0o755)
    job = cluster.submit("slurm/one_gpu.sh", options=(f"--export=ALL,PYTHON={program},MOST_RESTARTS=1",))
    cluster.until(lambda: cluster.show(job, "Restarts") == "1", 60, "not requeued", job)
    cluster.hurry(job)
    assert cluster.wait_for_end(job) == "FAILED" and cluster.show(job, "ExitCode") == "75:0"
    assert f"job {job}: stopped again after 1 restarts (MOST_RESTARTS is 1); not requeued" in cluster.output(job)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("sent", "seconds"), [(signal.SIGKILL, 15), (signal.SIGSTOP, 10 + 40)])
def test_a_rank_that_is_killed_or_hangs_is_named_and_the_job_ends(
    cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]], sent: signal.Signals, seconds: int, rank: int
) -> None:
    timeout = ("--config", "conf/trainer/ddp.yaml", "--trainer.strategy.init_args.timeout", "0:0:10")
    job = cluster.submit(
        "slurm/several_nodes.sh", *arguments(100_000, *timeout), options=("--ntasks-per-node=1",)
    )  # fmt: skip
    run = tmp_path / "runs" / "demo" / f"slurm-{job}.0"
    cluster.until(lambda: last_step(run) >= 30, 300, "does not train", job)
    processes = ranks_of(str(tmp_path))
    assert sorted(processes) == [0, 1]
    os.kill(processes[rank], sent)
    begin = time.monotonic()
    assert cluster.wait_for_end(job) == "FAILED", cluster.output(job)
    took = time.monotonic() - begin
    said = cluster.output(job)
    named = rf"train.py: rank {rank} hung or was ended after step \d+, says rank {1 - rank} on node{2 - rank}"
    assert re.search(named, said), said
    assert f"srun: error: node{rank + 1}: task {rank}: Killed" in said
    assert not cluster.show(job, "ExitCode").startswith("0:") and cluster.show(job, "Restarts") == "0"
    assert processes_with(str(tmp_path)) == []
    assert took < seconds * SLOWNESS, said
    assert all(not damage(path) for path in committed(run / "checkpoints"))


def test_a_sweep_without_a_server_is_an_array(
    cluster: Cluster, tmp_path: Path, arguments: Callable[..., list[str]]
) -> None:
    rates = [0.001, 0.002]
    content = {
        "program": "train.py", "method": "grid", "command": ["${program}", *arguments(2), "${args}"],
        "parameters": {"model.generator_optimizer.lr": {"values": rates}},
    }  # fmt: skip
    (tmp_path / "rates.yaml").write_text(yaml.safe_dump(content))
    options = ("--cpus-per-task=1", f"--output={cluster.folder}/%A_%a.out")
    said = cluster.run(sys.executable, "-m", "slurm.sweep", f"{tmp_path}/rates.yaml", "--at_once", "1", "--", *options)
    submitted = re.fullmatch(r"Submitted batch job (\d+): 2 trials, listed in (\S+)", said)
    assert submitted, said
    job, listed = submitted.groups()
    try:
        for task in ("0", "1"):
            assert cluster.wait_for_end(f"{job}_{task}") == "COMPLETED", cluster.output(f"{job}_{task}")
    finally:
        Path(listed).unlink()
    for task, rate in enumerate(rates):
        run = tmp_path / "runs" / "demo" / f"slurm-{job}_{task}.0"
        assert last_step(run) == 2
        config = yaml.safe_load((run / "config.yaml").read_text())
        assert config["model"]["init_args"]["generator_optimizer"]["init_args"]["lr"] == rate
