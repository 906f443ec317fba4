import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiment.run_folder import FOLDER_OF_THIS_RUN, make_new_folder, make_run_folder


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
    ("environment", "name"),
    [
        ({"SLURM_JOB_ID": "17", "SLURM_PROCID": "1"}, "slurm-17"),
        (
            {"SLURM_JOB_ID": "17", "SLURM_PROCID": "0", "SLURM_ARRAY_JOB_ID": "16", "SLURM_ARRAY_TASK_ID": "3"},
            "slurm-16_3",
        ),
        ({"TORCHELASTIC_RUN_ID": "abc", "MASTER_PORT": "29500"}, "torchrun-abc-29500"),
    ],
)
def test_processes_of_a_scheduler_agree(tmp_path: Path, environment: dict[str, str], name: str) -> None:
    folders = [make_run_folder(tmp_path, "demo", environment) for _ in range(2)]
    assert folders[0] == folders[1] == tmp_path / "demo" / name
