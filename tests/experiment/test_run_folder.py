import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiment.one_line import UserError
from experiment.run_folder import (
    FOLDER_OF_THIS_RUN,
    make_new_folder,
    make_run_folder,
    remove_if_empty,
    take_run_folder,
)
from experiment.run_lock import lock_run_folder, unlock

STEP = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "4"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "MASTER_PORT": "29500", "WORLD_SIZE": "2"}


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_PROCID", "SLURM_ARRAY_JOB_ID", "TORCHELASTIC_RUN_ID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_no_two_runs_share_a_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: make_new_folder(tmp_path / "wgan_gp" / "now"), range(20)))
    assert len(set(folders)) == 20
    assert {folder.name for folder in folders} == {"now", *(f"now-{number}" for number in range(2, 21))}


def test_processes_that_a_run_starts_inherit_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_OF_THIS_RUN, "of an earlier run in this process")
    folder = make_run_folder(tmp_path, "demo")
    assert folder.parent == tmp_path / "demo" and folder.is_dir()
    assert make_run_folder(tmp_path, "demo", {**os.environ, "LOCAL_RANK": "1"}) == folder
    assert list((tmp_path / "demo").iterdir()) == [folder]


@pytest.mark.parametrize(
    ("environment", "rank", "name"),
    [
        ({"SLURM_JOB_ID": "17"}, "SLURM_PROCID", "slurm-17"),
        (STEP, "SLURM_PROCID", "slurm-17.4"),
        ({**STEP, "SLURM_RESTART_COUNT": "2"}, "SLURM_PROCID", "slurm-17.4"),
        ({**STEP, "SLURM_ARRAY_JOB_ID": "16", "SLURM_ARRAY_TASK_ID": "3"}, "SLURM_PROCID", "slurm-16_3.4"),
        (TORCHRUN, "RANK", "torchrun-none-29500-x2"),
        ({**TORCHRUN, "TORCHELASTIC_RUN_ID": "night"}, "RANK", "torchrun-night"),
        ({**STEP, **TORCHRUN, "SLURM_PROCID": "0"}, "RANK", "slurm-17.4-torchrun-none-29500-x2"),
    ],
)
def test_processes_of_a_scheduler_agree_and_the_next_run_gets_another_folder(
    tmp_path: Path, environment: dict[str, str], rank: str, name: str
) -> None:
    def run(ranks: str) -> list[Path]:
        return [make_run_folder(tmp_path, "demo", {**environment, rank: number}) for number in ranks]

    assert set(run("01")) == {tmp_path / "demo" / name}
    assert set(run("10")) == {tmp_path / "demo" / f"{name}-2"}


def test_two_runs_in_one_interactive_job_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = {**STEP, "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash"}
    first = make_run_folder(tmp_path, "demo", shell)
    started = {**shell, FOLDER_OF_THIS_RUN: os.environ[FOLDER_OF_THIS_RUN], "LOCAL_RANK": "1"}
    assert make_run_folder(tmp_path, "demo", started) == first  # its second process, which Lightning starts
    assert make_run_folder(tmp_path, "demo", shell) not in (first, None)


@pytest.mark.parametrize(
    ("job", "count", "rank"),
    [
        ({**STEP, "SLURM_ARRAY_JOB_ID": "16", "SLURM_ARRAY_TASK_ID": "3"}, "SLURM_RESTART_COUNT", "SLURM_PROCID"),
        ({**TORCHRUN, "TORCHELASTIC_RUN_ID": "night"}, "TORCHELASTIC_RESTART_COUNT", "RANK"),
    ],
)
def test_a_job_that_is_started_again_finds_its_runs_in_their_order(
    tmp_path: Path, job: dict[str, str], count: str, rank: str
) -> None:
    def runs(restarts: str) -> list[Path]:
        return [
            make_run_folder(tmp_path, "demo", {**job, **changed, count: restarts, rank: number})
            for _ in ("first run", "second run")
            for number in "01"
        ]

    changed: dict[str, str] = {}
    first = runs("0")
    assert len(set(first)) == 2 and first[0] == first[1]
    changed = {"SLURM_JOB_ID": "99", "MASTER_PORT": "1234"}  # what a requeue may change
    assert runs("1") == runs("2") == first


def test_a_named_folder_is_a_runs_own_or_empty(tmp_path: Path) -> None:
    folder = take_run_folder(tmp_path / "deep" / "mine")
    assert folder.is_dir() and folder.is_absolute()
    assert take_run_folder(folder) == folder
    (folder / "config.yaml").write_text("# pytorch_lightning==2\nmodel: 1\n")
    (folder / "metrics.csv").touch()
    assert take_run_folder(folder) == folder
    (folder / "config.yaml").write_text("model: 1\n")
    with pytest.raises(UserError, match=r"mine: holds other files than a run's \(config.yaml\); give another"):
        take_run_folder(folder)
    with pytest.raises(UserError, match="cannot be made, Not a directory"):
        take_run_folder(folder / "metrics.csv" / "below")


def test_a_named_folder_is_given_back_alone(tmp_path: Path) -> None:
    folder = take_run_folder(tmp_path / "runs" / "mine")
    unlock(lock_run_folder(folder))
    remove_if_empty(folder, is_named=True)
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


@pytest.mark.parametrize("environment", [{}, {**STEP, "SLURM_PROCID": "0"}, {**TORCHRUN, "RANK": "0"}])
def test_an_empty_folder_can_be_taken_back(tmp_path: Path, environment: dict[str, str]) -> None:
    for _ in range(2):
        folder = make_run_folder(tmp_path / "runs", "demo", environment)
        remove_if_empty(folder, environment)
        assert not (tmp_path / "runs").exists()
    folder = make_run_folder(tmp_path / "runs", "demo", environment)
    (folder / "config.yaml").write_text("")
    remove_if_empty(folder, environment)
    assert (folder / "config.yaml").exists()


def test_the_last_of_several_processes_takes_the_folder_back(tmp_path: Path) -> None:
    ranks = [{**STEP, "SLURM_PROCID": number} for number in "01"]
    folder, _ = (make_run_folder(tmp_path / "runs", "demo", each) for each in ranks)
    remove_if_empty(folder, ranks[0])
    assert folder.exists()
    remove_if_empty(folder, {**ranks[1], FOLDER_OF_THIS_RUN: str(folder), "LOCAL_RANK": "1"})  # not its maker
    assert folder.exists()
    remove_if_empty(folder, ranks[1])
    assert not (tmp_path / "runs").exists()


def test_a_trial_of_a_sweep_has_its_folder_in_whichever_job(tmp_path: Path) -> None:
    trial = {"WANDB_SWEEP_ID": "abc", "WANDB_RUN_ID": "xyz"}
    jobs = ({}, {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}, {"SLURM_JOB_ID": "8", "SLURM_PROCID": "0"})
    for job in jobs:
        folder = make_run_folder(tmp_path, "gan", {**trial, **job})
        assert folder == tmp_path / "gan" / "sweep-abc-xyz"
    assert make_run_folder(tmp_path, "gan", {**trial, "WANDB_RUN_ID": "other"}) != folder
    remove_if_empty(folder, {**trial, **jobs[1]})
    assert not folder.exists()
    assert make_run_folder(tmp_path, "gan", {**jobs[1], "WANDB_RUN_ID": "xyz"}).name == "slurm-7"
