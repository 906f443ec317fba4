"""Every run has a folder of its own, and no run writes into another's."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

FOLDER_OF_THIS_RUN = "KINOGAN_RUN_FOLDER"  # set by the first process, inherited by those that it starts


def make_run_folder(runs_folder: Path, name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Make runs_folder/name/<when or which job>, or find the one that this run's first process has made.

    All processes of a run must agree.  Processes started by Lightning inherit the folder; those started by SLURM or
    torchrun derive it from the job's id, which also stays when a job is requeued; a single process takes the time.

    A name that is taken gets -2, -3, ....  Raises: OSError if the folder cannot be made.
    """
    if FOLDER_OF_THIS_RUN in environment and "LOCAL_RANK" in environment:  # started by Lightning
        return Path(environment[FOLDER_OF_THIS_RUN])
    job = job_name(environment)
    if job is not None:
        folder = runs_folder / name / job
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    folder = make_new_folder(runs_folder / name / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    os.environ[FOLDER_OF_THIS_RUN] = str(folder)
    return folder


def job_name(environment: Mapping[str, str]) -> str | None:
    """What identifies this run among the scheduler's: a SLURM job (with its array task) or a torchrun launch."""
    if "SLURM_PROCID" in environment and "SLURM_JOB_ID" in environment:
        if "SLURM_ARRAY_JOB_ID" in environment:
            return f"slurm-{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
        return f"slurm-{environment['SLURM_JOB_ID']}"
    if "TORCHELASTIC_RUN_ID" in environment:
        return f"torchrun-{environment['TORCHELASTIC_RUN_ID']}-{environment.get('MASTER_PORT', '')}"
    return None


def make_new_folder(folder: Path) -> Path:
    """Make `folder`, or the first of folder-2, folder-3, ... that does not exist; absolute."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = chain([folder.name], (f"{folder.name}-{number}" for number in count(2)))
    for candidate in map(folder.with_name, names):
        with suppress(FileExistsError):
            candidate.mkdir()
            return candidate.absolute()
    raise AssertionError("count() never ends")
