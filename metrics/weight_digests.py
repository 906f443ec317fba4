"""Knowing that a weight file is the right one: by its published digest, or by the one it had when it was first used."""

import hashlib
import json
import os
import tempfile
import warnings
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from metrics.cache_folder import cache_folder
from metrics.weight_files import WeightFile

MEMBERS = {"TorchScript": "constants.pkl", "npz": ".npy"}  # how a member of these kinds of zip archives is called


def file_sha256(path: str | Path) -> str:
    """SHA-256 of the file's content, in hexadecimal; read once a process for a file that does not change."""
    status = Path(path).stat()
    return _file_digest(Path(path).resolve(), status.st_size, status.st_mtime_ns)


def known_digests_path() -> Path:
    """The JSON file that maps the names of files whose SHA-256 nobody publishes to what it was at their first use."""
    return cache_folder("weights") / "known_sha256.json"


def expected_sha256(file: WeightFile) -> str | None:
    """The published SHA-256, else the one of the first use on this machine, else None."""
    return file.sha256 or _recorded().get(file.file_name)


def check_digest(file: WeightFile, path: Path, remedy: str, called: str | Path | None = None) -> None:
    """Raise unless the content of `path` is `file`.

    Where no SHA-256 is published, the first content that is met is taken for the right one, after the checks that are
    possible (git object, kind of file), with a warning, and recorded in `known_digests_path()`, safely among processes;
    any other is refused from then on.

    Args:
        remedy: a sentence that says what to do about a wrong file.
        called: what the file is to a reader, where `path` is a copy of it that will be gone; None: `path`.

    Raises: ValueError if the file is another, or if its digest cannot be recorded.
    """
    found, expected, name = file_sha256(path), expected_sha256(file), called or path
    if expected is None:
        _check_first_use(file, path, remedy, name)
        expected = _record(file, found)
    if found == expected:
        return
    if file.sha256 is None:
        raise ValueError(
            f"{name} has SHA-256 {found}, and {file.file_name} had {expected} when it was first used here. {remedy} "
            f"If the new file is the one to trust, delete its line in {known_digests_path()}."
        )
    raise ValueError(f"{name} has SHA-256 {found[:16]}..., and should have {expected[:16]}... {remedy}")


def _check_first_use(file: WeightFile, path: Path, remedy: str, name: str | Path) -> None:
    if file.kind in MEMBERS and (problem := _archive_problem(path, MEMBERS[file.kind])):
        raise ValueError(f"{name} is no whole {file.kind} file ({problem}). {remedy}")
    if file.git_blob is None:
        return
    found = _file_digest(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns, "git blob")
    if found != file.git_blob:
        raise ValueError(f"{name} is git object {found[:16]}..., and should be {file.git_blob[:16]}... {remedy}")


def _archive_problem(path: Path, member: str) -> str | None:
    """Why it is no whole zip archive with such a member, as a web page or half a download is not; None if it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                return f"{damaged} in it is damaged"
            return None if any(name.endswith(member) for name in archive.namelist()) else f"it holds no {member}"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return str(error)


@lru_cache
def _file_digest(path: Path, size: int, modified: int, kind: str = "sha256") -> str:
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _recorded() -> dict[str, str]:
    path = known_digests_path()
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}, which says what weight files were used, cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} should map names of weight files to digests; repair or delete it.")
    return content


def _record(file: WeightFile, sha256: str) -> str:
    """Record the digest unless another process was first; the one that stands there now."""
    path = known_digests_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            recorded = _recorded()
            if file.file_name in recorded:
                return recorded[file.file_name]
            _write_whole(path, json.dumps({**recorded, file.file_name: sha256}, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise ValueError(
            f"The SHA-256 of {file.file_name} cannot be recorded in {path} ({error.strerror}): "
            "set KINOGAN_CACHE to a folder that can be written."
        ) from error
    if file.git_blob is None:
        warnings.warn(
            f"nobody publishes the SHA-256 of {file.file_name}; the file at hand, {sha256}, is taken for the right one "
            f"and recorded in {path}",
            stacklevel=3,
        )
    return sha256


def _write_whole(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).chmod(0o644)  # mkstemp's files are private, a cache may be shared
    Path(name).replace(path)
