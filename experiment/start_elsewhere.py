"""A run that starts from a checkpoint of another run: its folder knows which, and the same command goes on there."""

import json
from pathlib import Path

from experiment.one_line import UserError
from experiment.run_folder import CHECKPOINTS
from tensor_files.whole_files import whole_file

STARTED_FROM = "started_from.json"


def check_is_checkpoint(path: Path) -> None:
    """See that `--resume` names a file.

    Raises: UserError; for a run's folder it says which file is meant.
    """
    if path.is_dir():
        newest = path / CHECKPOINTS / "last.ckpt"
        hint = f"give a file, such as {newest}" if newest.exists() else "give a file of a run's checkpoints folder"
        raise UserError(f"--resume {path}: is a folder; {hint}")
    if not path.is_file():
        raise UserError(f"--resume {path}: there is no such checkpoint")


def note_start(run_folder: Path, checkpoint: Path) -> None:
    """Have a folder know what its run starts from.

    Raises: OSError.
    """
    with whole_file(run_folder / STARTED_FROM) as file:
        file.write(json.dumps({"checkpoint": str(checkpoint.absolute())}).encode())


def check_started_from(run_folder: Path, checkpoint: Path) -> None:
    """See that a folder with checkpoints is of a run that the same `--resume` has begun; then it goes on from its own.

    The other run's file is not looked at: it may have gone, or be of a later step by now.
    Raises: UserError.
    """
    try:
        noted = json.loads((run_folder / STARTED_FROM).read_text(encoding="utf-8"))["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        noted = None
    if noted != str(checkpoint.absolute()):
        began = "did not start from" if noted is None else f"started from {noted}, not from"
        raise UserError(
            f"{run_folder}: has checkpoints of a run that {began} {checkpoint}; leave --resume out to go on there, "
            "or give another folder"
        )
