"""Every run has a folder of its own, and no run writes into another's."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from experiment.one_line import UserError

FOLDER_OF_THIS_RUN = "KINOGAN_RUN_FOLDER"  # set by the first process, inherited by those that Lightning starts
PLACES = ".processes"  # below a run's folder: one empty folder for each process that a scheduler has started


def make_run_folder(runs_folder: Path, name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Make runs_folder/name/<when or which job>, or find the one that this run's other processes have made; absolute.

    All processes of a run must agree.  Those that Lightning starts inherit the folder.  Those that SLURM or torchrun
    has started derive its name from the job, and each takes a place in the first folder where its own is free: so the
    second run of a job step comes to a second folder.  A single process takes the time.

    A name that is taken gets -2, -3, ....  Raises: UserError if the folder cannot be made.
    """
    if is_started_by_lightning(environment):
        return Path(environment[FOLDER_OF_THIS_RUN])
    job = job_name(environment)
    try:
        if job is not None:
            folder = take_place(runs_folder / name / job, rank_in_job(environment))
        else:
            folder = make_new_folder(runs_folder / name / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    except OSError as error:
        raise UserError(f"--runs_folder {runs_folder}: no folder can be made there, {error.strerror}") from error
    if "LOCAL_RANK" not in environment:  # torchrun's processes have it, and start none themselves
        os.environ[FOLDER_OF_THIS_RUN] = str(folder)
    return folder


def is_started_by_lightning(environment: Mapping[str, str]) -> bool:
    """Whether another process of this run has made the folder and started this one."""
    return FOLDER_OF_THIS_RUN in environment and "LOCAL_RANK" in environment


def job_name(environment: Mapping[str, str]) -> str | None:
    """What its processes know alike of a launch: SLURM's job, array task and step; torchrun's launch; the restart."""
    parts = []
    if "SLURM_PROCID" in environment and "SLURM_JOB_ID" in environment:
        job = environment["SLURM_JOB_ID"]
        if "SLURM_ARRAY_JOB_ID" in environment:
            job = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
        step = environment.get("SLURM_STEP_ID")
        parts += [f"slurm-{job}" if step is None else f"slurm-{job}.{step}"]
        parts += restart(environment.get("SLURM_RESTART_COUNT"))
    if "TORCHELASTIC_RUN_ID" in environment:
        known = [environment.get(each, "") for each in ("TORCHELASTIC_RUN_ID", "MASTER_PORT", "WORLD_SIZE")]
        parts += ["torchrun-{}-{}-x{}".format(*known)]
        parts += restart(environment.get("TORCHELASTIC_RESTART_COUNT"))
    return "-".join(parts) or None


def restart(number: str | None) -> list[str]:
    """The part of a job's name that says that it runs again after a requeue or a failure."""
    return [f"restart-{number}"] if number not in (None, "", "0") else []


def rank_in_job(environment: Mapping[str, str]) -> str:
    """This process's number among those of `job_name`; SLURM may have started torchrun, which then counts."""
    return environment.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in environment else environment["SLURM_PROCID"]


def take_place(folder: Path, rank: str) -> Path:
    """The first of folder, folder-2, ... in which no process of this rank has been; absolute."""
    for candidate in numbered(folder):
        with suppress(FileExistsError):
            (candidate / PLACES / rank).mkdir(parents=True)
            return candidate.absolute()
    raise AssertionError("numbered() never ends")


def make_new_folder(folder: Path) -> Path:
    """Make `folder`, or the first of folder-2, folder-3, ... that does not exist; absolute."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for candidate in numbered(folder):
        with suppress(FileExistsError):
            candidate.mkdir()
            return candidate.absolute()
    raise AssertionError("numbered() never ends")


def numbered(folder: Path) -> Iterator[Path]:
    """The folder, then folder-2, folder-3, ... without end."""
    return map(folder.with_name, chain([folder.name], (f"{folder.name}-{number}" for number in count(2))))


def remove_if_empty(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Undo make_run_folder, if nothing was written; of several processes the last one does."""
    if is_started_by_lightning(environment):
        return
    with suppress(OSError):  # the first that is missing, or not empty, ends it
        if job_name(environment) is not None:
            place = folder / PLACES / rank_in_job(environment)
            place.rmdir()
            place.parent.rmdir()
        for empty in (folder, folder.parent, folder.parent.parent):
            empty.rmdir()
