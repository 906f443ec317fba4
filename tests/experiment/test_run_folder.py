import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiment.run_folder import FOLDER_OF_THIS_RUN, make_new_folder, make_run_folder, remove_if_empty

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
        ({**STEP, "SLURM_RESTART_COUNT": "0"}, "SLURM_PROCID", "slurm-17.4"),
        ({**STEP, "SLURM_RESTART_COUNT": "2"}, "SLURM_PROCID", "slurm-17.4-restart-2"),
        ({**STEP, "SLURM_ARRAY_JOB_ID": "16", "SLURM_ARRAY_TASK_ID": "3"}, "SLURM_PROCID", "slurm-16_3.4"),
        (TORCHRUN, "RANK", "torchrun-none-29500-x2"),
        ({**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "1"}, "RANK", "torchrun-none-29500-x2-restart-1"),
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
