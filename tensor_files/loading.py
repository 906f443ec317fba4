"""The one place where checkpoints are read: as data, never as code."""

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tensor_files.committed import damage, mark_of

UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # has torch.load run what is in a file
# Of the checkpoints and exports that this version writes, under the key FORMAT_KEY.  It grows when what the version
# before has written would not load exactly any more, or what this one writes would not load exactly there.
FORMAT = 1
FORMAT_KEY = "format"
# What a checkpoint may have besides; the names of classes that others could have put into it are dropped.
HYPER_PARAMETERS = (
    "hyper_parameters",
    "hparams_name",
    "hparams_type",
    "datamodule_hyper_parameters",
    "datamodule_hparams_name",
    "datamodule_hparams_type",
)


def load_tensors(path: str | Path) -> Any:
    """Tensors and plain values of a file that `torch.save` has written, on the CPU.  Nothing in it is run.

    Raises: FileNotFoundError; ValueError, in one line, if it is no local regular file, if torch is told to run what is
        in files, if the file is not as its mark says (`tensor_files.committed`), or holds anything else.
    """
    path = checked_path(path)
    if mark_of(path).exists() and (problem := damage(path)):
        raise ValueError(f"{path} {problem}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a reader of broken files raises
        raise ValueError(f"{path}: cannot be read as tensors and plain values") from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint of a run, or its published weights: `state_dict`, and whatever else its training needs.

    Raises: as `load_tensors`; ValueError, too, if it is no checkpoint.
    """
    path = checked_path(path)
    if path.suffix == ".safetensors":
        return _load_published(path)
    _refuse_bombs(path)
    try:
        content = load_tensors(path)
    except ValueError as error:
        problem = str(error).replace("as tensors and plain values", "as a checkpoint")
        raise ValueError(problem) from error.__cause__
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise ValueError(f"{path}: is no checkpoint of a run; give a file of its checkpoints folder")
    check_format(path, content.get(FORMAT_KEY, 1))  # the first ones had no number
    return {name: value for name, value in content.items() if name not in HYPER_PARAMETERS}


def check_format(path: Path, found: Any) -> None:
    """See that a checkpoint is of a format that this version reads exactly.

    Raises: ValueError.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"{path}: is no checkpoint of a run; its {FORMAT_KEY} is {str(found)[:50]!r}")
    if found > FORMAT:
        raise ValueError(
            f"{path}: has format {found}, and this version of Kinogan reads up to format {FORMAT}; "
            "use the version that wrote it, or a newer one"
        )


def checked_path(path: str | Path) -> Path:
    """The file, links followed.

    Raises: as `load_tensors`.
    """
    if os.environ.get(UNSAFE, "0") not in ("", "0"):
        raise ValueError(f"{path}: not read, because {UNSAFE} is set, which lets files run code; unset it")
    if "://" in str(path):
        raise ValueError(f"{path}: only local files are read; download it and check its SHA-256 first")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: is not a regular file")
    return path.resolve()


def _load_published(path: Path) -> dict[str, Any]:
    """Weights that `sample.py --export` has written; the step is in their metadata."""
    from safetensors import SafetensorError, safe_open

    if mark_of(path).exists() and (problem := damage(path)):
        raise ValueError(f"{path} {problem}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        holds = metadata.get("weights", "weights of an unknown kind")
        written = int(metadata.get(f"kinogan_{FORMAT_KEY}", 1))
        step = int(metadata.get("step", 0))
    except (SafetensorError, ValueError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint") from error
    check_format(path, written)
    return {"state_dict": weights, "global_step": step, "holds": holds}


def _refuse_bombs(path: Path) -> None:
    """Refuse an archive that grows when it is read: torch stores without compressing.

    Raises: ValueError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint") from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(f"{path}: cannot be read as a checkpoint; it is compressed")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError(f"{path}: cannot be read as a checkpoint; its parts overlap")
