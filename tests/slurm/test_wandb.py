"""Sweeps with agents, a server that is lost, and runs that are uploaded later, against a W&B server of our own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.slurm.cluster import Cluster, processes_with
from tests.slurm.preempting import last_step
from tests.slurm.wandb_server import Store, wandb_server
from tests.test_resume import rows
from tests.test_train import ROOT, SMALL

KEY = "a" * 40
WANDB = Path(sys.executable).with_name("wandb")
SETTINGS = [*SMALL, "--samples.every_n_steps", "null", "--metrics.num_videos", "4", "--data.keep_decoded", "true"]

pytestmark = pytest.mark.slow


def environment(store: Store, folder: Path) -> dict[str, str]:
    own = {
        "WANDB_BASE_URL": store.url, "WANDB_API_KEY": KEY, "WANDB_MODE": "online", "HOME": str(folder),
        "OMP_NUM_THREADS": "1", "WANDB_DATA_DIR": str(folder / "data"), "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
    }  # fmt: skip
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    return {**kept, **own}


def run(command: list[str], store: Store, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    given = {**environment(store, folder), **more}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("mood", ["well", "errors", "silent"])
def test_a_server_that_fails_while_a_run_trains(tmp_path: Path, videos: Path, mood: str) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", *SETTINGS, "--data.root", str(videos), "--trainer.max_steps", "120"]
    timeouts = ["--trainer.logger.finish_timeout", "3", "--metrics.every_n_steps", "null"]
    with wandb_server(mood) as store:
        finished = run([*command, *timeouts, "--run_folder", str(folder)], store, tmp_path,
                       WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL="1")  # fmt: skip
        (kept,) = store.runs.values()
    assert finished.returncode == 0, finished.stderr
    assert store.mood == mood and kept["history"]
    assert [row["step"] for row in rows(folder)] == [str(step) for step in range(1, 121)]
    logged = [line["trainer/global_step"] for line in kept["history"] if "generator/loss" in line]
    assert logged == list(range(1, len(logged) + 1))
    assert (len(logged) == 120) == (mood == "well")
    assert (kept["exit_code"] == 0) == (mood == "well")


def test_a_run_that_is_interrupted_is_to_be_handed_out_again_and_goes_on(tmp_path: Path, videos: Path) -> None:
    folder = tmp_path / "run"
    given = [*SETTINGS, "--data.root", str(videos), "--trainer.max_steps", "6", "--metrics.every_n_steps", "null"]
    given += ["--checkpoints.every_n_steps", "2", "--run_folder", str(folder)]
    with wandb_server() as store:
        stopped = run([sys.executable, "-m", "tests.killing", "SIGUSR1", "3", *given], store, tmp_path)
        assert stopped.returncode == 75, stopped.stderr
        (kept,) = store.runs.values()
        assert kept["is_preempting"] and kept["exit_code"] == 1
        assert [line["trainer/global_step"] for line in kept["history"] if "generator/loss" in line] == [1, 2, 3]
        again = run([sys.executable, "train.py", *given], store, tmp_path)
        assert again.returncode == 0, again.stderr
        assert list(store.runs.values()) == [kept]
    logged = [line["trainer/global_step"] for line in kept["history"] if "generator/loss" in line]
    assert kept["exit_code"] == 0 and logged == [1, 2, 3, 4, 5, 6]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds wandb's process in /proc")
def test_a_signal_that_ends_the_process_of_wandb_ends_no_run(tmp_path: Path, videos: Path) -> None:
    folder = tmp_path / "run"
    given = [*SETTINGS, "--data.root", str(videos), "--trainer.max_steps", "100", "--metrics.every_n_steps", "null"]
    command = [sys.executable, "train.py", *given, "--run_folder", str(folder)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        while not (folder / "metrics.csv").exists() or len(rows(folder)) < 3:
            assert process.poll() is None
            time.sleep(0.2)
        (service,) = set(processes_with("wandb-core")) & set(processes_with(f"--pid\0{process.pid}\0"))
        os.kill(service, signal.SIGTERM)
        said = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert said.count("W&B cannot be used any more (") == 1, said
    assert [row["step"] for row in rows(folder)] == [str(step) for step in range(1, 101)]


def test_offline_runs_are_uploaded_later_as_one(tmp_path: Path, videos: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", *SETTINGS, "--data.root", str(videos), "--run_folder", str(folder)]
    with wandb_server() as store:
        for steps in ("2", "4"):
            trained = run([*command, "--trainer.max_steps", steps], store, tmp_path, WANDB_MODE="offline")
            assert trained.returncode == 0, trained.stderr
        assert not store.runs
        parts = sorted(map(str, folder.glob("wandb/offline-run-*")))
        assert len(parts) == 2
        uploaded = run([str(WANDB), "sync", *parts], store, tmp_path)
        assert uploaded.returncode == 0, uploaded.stdout + uploaded.stderr
        (kept,) = store.runs.values()
    logged = sorted(line["trainer/global_step"] for line in kept["history"] if "generator/loss" in line)
    assert logged == [1, 2, 3, 4]
    assert kept["config"]["seed_everything"] == 0


def begin_sweep(store: Store, folder: Path, given: list[str], rates: list[float]) -> str:
    """Have the server know a sweep over learning rates; what sbatch is told of the environment."""
    content = {
        "program": "train.py", "method": "grid",
        "metric": {"name": "fvd4_8f/efficientnet_lite0", "goal": "minimize"},
        "command": ["${env}", sys.executable, "${program}", *given, "${args}"],
        "parameters": {"model.generator_optimizer.lr": {"values": rates}},
    }  # fmt: skip
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content))
    made = run([str(WANDB), "sweep", "--project", "p", str(folder / "sweep.yaml")], store, folder,
               WANDB_DIR=str(folder))  # fmt: skip
    assert made.returncode == 0 and "wandb agent me/p/tests" in made.stdout + made.stderr, made.stderr
    variables = {**environment(store, folder), "WANDB": str(WANDB), "WANDB_DIR": str(folder)}
    own = {key: value for key, value in variables.items() if key.startswith("WANDB") or key == "HOME"}
    return ",".join(["ALL", *(f"{key}={value}" for key, value in own.items())])


def test_agents_of_a_sweep_on_the_cluster(cluster: Cluster, tmp_path: Path, videos: Path) -> None:
    given = [*SETTINGS, "--data.root", str(videos), "--runs_folder", str(tmp_path / "runs"), "--trainer.max_steps=2"]
    rates = [0.001, 0.002]
    with wandb_server() as store:
        exports = begin_sweep(store, tmp_path, given, rates)
        job = cluster.submit("slurm/agents.sh", "me/p/tests", options=("--array=1-2", f"--export={exports}"))
        for task in ("1", "2"):
            assert cluster.wait_for_end(f"{job}_{task}") == "COMPLETED", cluster.output(f"{job}_{task}")
        assert not store.trials
    said = cluster.output(f"{job}_1") + cluster.output(f"{job}_2")
    folders = sorted((tmp_path / "runs" / "demo").iterdir())
    assert [folder.name for folder in folders] == ["sweep-tests-trial0", "sweep-tests-trial1"], said
    for folder, rate in zip(folders, reversed(rates), strict=True):
        kept = store.runs[folder.name.rpartition("-")[2]]
        assert kept["sweep"] == "tests" and kept["exit_code"] == 0
        assert any("fvd4_8f/efficientnet_lite0" in line for line in kept["history"])
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert config["model"]["init_args"]["generator_optimizer"]["init_args"]["lr"] == rate


def test_an_agent_that_is_told_to_stop_comes_back_for_its_trial(cluster: Cluster, tmp_path: Path, videos: Path) -> None:
    given = [*SETTINGS, "--data.root", str(videos), "--runs_folder", str(tmp_path / "runs"), "--trainer.max_steps=60"]
    folder = tmp_path / "runs" / "demo" / "sweep-tests-trial0"
    with wandb_server() as store:
        exports = begin_sweep(store, tmp_path, [*given, "--metrics.every_n_steps", "null"], [0.001])
        job = cluster.submit("slurm/agents.sh", "me/p/tests", options=("--array=1", f"--export={exports}"))
        task = f"{job}_1"
        cluster.until(lambda: last_step(folder) >= 5, 600, "does not train", task)
        cluster.run("scancel", "--signal=USR1", task)
        cluster.until(lambda: cluster.show(task, "Restarts") == "1", 120, "not requeued", task)
        assert store.trials == ["trial0"] and store.runs["trial0"]["is_preempting"]
        cluster.hurry(task)
        assert cluster.wait_for_end(task) == "COMPLETED", cluster.output(task)
        assert not store.trials and store.runs["trial0"]["exit_code"] == 0
    assert [row["step"] for row in rows(folder)] == [str(step) for step in range(1, 61)]
    assert list(folder.parent.iterdir()) == [folder]
    assert f"job {task}: stopped with exit code 75; back into the queue, restart 1" in cluster.output(task)
