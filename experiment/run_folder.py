"""Every run has a folder of its own, and no run writes into another's."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from experiment.one_line import UserError
from experiment.run_lock import LOCK

FOLDER_OF_THIS_RUN = "KINOGAN_RUN_FOLDER"  # set by the first process, inherited by those that Lightning starts
CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
PUBLISHED = "generator.safetensors"  # of a folder that sample.py has exported
PLACES = ".processes"  # below a run's folder: one empty folder for each process that a scheduler has started
SAVED_CONFIG_HEAD = b"# pytorch_lightning=="  # Lightning writes its version over what it dumps


def make_run_folder(runs_folder: Path, name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Make runs_folder/name/<when or which job>, or find the one that this run's other processes have made; absolute.

    All processes of a run must agree.  Those that Lightning starts inherit the folder.  Those that SLURM or torchrun
    has started derive its name from the job, and each takes a place in the first folder where its own is free: so the
    second run of a job step comes to a second folder.  When the job is started again, after a requeue or a failure, its
    first run comes to the first folder, where it goes on, and so forth.  A trial of a W&B sweep, which the server may
    hand out again to another job when it was interrupted, has a folder by its id.  A single process takes the time.

    A name that is taken gets -2, -3, ....  Raises: UserError if the folder cannot be made.
    """
    if is_started_by_lightning(environment):
        return Path(environment[FOLDER_OF_THIS_RUN])
    job, trial = job_name(environment), trial_name(environment)
    try:
        if trial is not None:
            folder = (runs_folder / name / trial).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        elif job is not None:
            folder = take_place(runs_folder / name / job, restarts(environment), rank_in_job(environment))
        else:
            folder = make_new_folder(runs_folder / name / datetime.now().strftime("%Y-%m-%d_%H-%M-%S"))
    except OSError as error:
        raise UserError(f"--runs_folder {runs_folder}: no folder can be made there, {error.strerror}") from error
    if "LOCAL_RANK" not in environment:  # torchrun's processes have it, and start none themselves
        os.environ[FOLDER_OF_THIS_RUN] = str(folder)
    return folder


def take_run_folder(folder: Path) -> Path:
    """The folder that the user has named, for a new run or for the one that goes on there; absolute.

    Raises: UserError if it cannot be made, or holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise UserError(f"--run_folder {folder}: cannot be made, {error.strerror}") from error
    if found and not is_saved_config(folder / CONFIG):
        raise UserError(f"--run_folder {folder}: holds other files than a run's ({min(found)}); give another")
    return folder.absolute()


def is_saved_config(path: Path) -> bool:
    """Whether a file is the config.yaml of a run, as train.py has written it."""
    return path.name == CONFIG and path.is_file() and path.read_bytes().startswith(SAVED_CONFIG_HEAD)


def is_started_by_lightning(environment: Mapping[str, str]) -> bool:
    """Whether another process of this run has made the folder and started this one."""
    return FOLDER_OF_THIS_RUN in environment and "LOCAL_RANK" in environment


def job_name(environment: Mapping[str, str]) -> str | None:
    """What its processes know alike of a launch, whenever it is started again: SLURM's job, array task and step;
    torchrun's launch.
    """
    parts = []
    if "SLURM_PROCID" in environment and "SLURM_JOB_ID" in environment:
        job = environment["SLURM_JOB_ID"]
        if "SLURM_ARRAY_JOB_ID" in environment:
            job = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
        step = environment.get("SLURM_STEP_ID")
        parts += [f"slurm-{job}" if step is None else f"slurm-{job}.{step}"]
    if "TORCHELASTIC_RUN_ID" in environment:
        launch = environment["TORCHELASTIC_RUN_ID"]
        if launch == "none":  # the user gave no --rdzv_id; a launch that has one may change its port and its size
            launch += "-{MASTER_PORT}-x{WORLD_SIZE}".format_map(environment)
        parts += [f"torchrun-{launch}"]
    return "-".join(parts) or None


def trial_name(environment: Mapping[str, str]) -> str | None:
    """What `wandb agent` says of the trial that this is, whichever job the agent runs in; None outside of sweeps."""
    sweep, run = environment.get("WANDB_SWEEP_ID"), environment.get("WANDB_RUN_ID")
    return f"sweep-{sweep}-{run}" if sweep and run else None


def restarts(environment: Mapping[str, str]) -> str:
    """How often the job has been started again, by SLURM and by torchrun: `0.0` at first."""
    counts = (environment.get(each) or "0" for each in ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"))
    return ".".join(counts)


def rank_in_job(environment: Mapping[str, str]) -> str:
    """This process's number among those of `job_name`; SLURM may have started torchrun, which then counts."""
    return environment.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in environment else environment["SLURM_PROCID"]


def take_place(folder: Path, restart: str, rank: str) -> Path:
    """The first of folder, folder-2, ... in which no process of this rank has been since the restart; absolute."""
    for candidate in numbered(folder):
        with suppress(FileExistsError):
            (candidate / PLACES / restart / rank).mkdir(parents=True)
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


def remove_if_empty(folder: Path, environment: Mapping[str, str] = os.environ, is_named: bool = False) -> None:
    """Undo make_run_folder, or take_run_folder for one `is_named`, if nothing was written; of several processes the
    last one does.
    """
    if is_started_by_lightning(environment):
        return
    with suppress(OSError):  # the first that is missing, or not empty, ends it
        if job_name(environment) is not None and trial_name(environment) is None and not is_named:
            place = folder / PLACES / restarts(environment) / rank_in_job(environment)
            for empty in (place, place.parent, place.parent.parent):
                empty.rmdir()
        if {path.name for path in folder.iterdir()} == {LOCK}:
            (folder / LOCK).unlink()
        for empty in (folder,) if is_named else (folder, folder.parent, folder.parent.parent):
            empty.rmdir()
