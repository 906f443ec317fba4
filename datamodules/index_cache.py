"""What was measured on files, kept for as long as their sizes and times of change stay the same; and what took long to
compute.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

_FORMAT = 2  # of the cache file; another number is rebuilt

Row = dict[str, Any]  # plain JSON values: what was measured, and `stamp`
Stamp = list[Any]  # plain JSON values that change when the content does


def rows_of(
    root: Path,
    stamps: Mapping[str, Stamp],
    measure: Callable[[Sequence[str]], dict[str, Row]],
    check: Callable[[Row], object],
    kind: str = "",
) -> dict[str, Row]:
    """The row of each name in `stamps`: from the cache where the stamp is unchanged, otherwise measured and kept.

    Args:
        root: what the names are relative to; each has a cache file of its own, and each `kind` of row.
        stamps: see `stamp_of`.
        measure: the rows of some names, without stamps; those that cannot be measured are missing, here as there.
        check: takes a row of the cache, and raises KeyError or TypeError if it is not as expected.
    """
    known = _read(cache_file(root, kind), check)
    rows = {name: known[name] for name in stamps if name in known and known[name]["stamp"] == stamps[name]}
    measured = measure([name for name in stamps if name not in rows])
    if measured or len(rows) < len(known):
        rows |= {name: {"stamp": stamps[name], **row} for name, row in measured.items()}
        text = json.dumps({"format": _FORMAT, "root": str(root.resolve()), "rows": rows})
        _write(cache_file(root, kind), f"the index of {root}", lambda file: file.write(text.encode()))
    return rows


def kept_mask(about: str, length: int, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What `make` computes, (length,) bool, or what it has computed before.

    Args:
        about: all that the result depends on, in words.
    """
    target = _folder() / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.npy"
    try:
        mask = np.load(target, allow_pickle=False)
        if mask.shape == (length,) and mask.dtype == bool:
            return mask
    except (OSError, ValueError, EOFError):
        pass  # it is not there, or damaged
    mask = make()
    _write(target, "a split", lambda file: np.save(file, mask))
    return mask


def stamp_of(path: Path) -> Stamp:
    """Size of a file, and the times at which its content and its inode changed.

    Copies and archives keep the modification time, and files of one shape have one size; the inode's time nobody sets.
    """
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def cache_file(root: str | Path, kind: str = "") -> Path:
    """Where what is known of `root` is kept: below $KINOGAN_CACHE, or ~/.cache/kinogan."""
    name = hashlib.sha256(str(Path(root).resolve()).encode()).hexdigest()[:16]
    return _folder() / (f"{name}-{kind}.json" if kind else f"{name}.json")


def _folder() -> Path:
    return Path(os.environ.get("KINOGAN_CACHE") or Path.home() / ".cache" / "kinogan") / "index"


def _read(file: Path, check: Callable[[Row], object]) -> dict[str, Row]:
    """The rows of a cache file; none if there is no such file, or it is damaged or of another format."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = content["rows"] if content["format"] == _FORMAT else {}
        for row in rows.values():
            check(row)
            row["stamp"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return rows


def _write(target: Path, what: str, dump: Callable[[IO[bytes]], object]) -> None:
    """Write a temporary file beside the cache file and rename it, so that no process ever reads half of it."""
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".tmp", delete=False) as file:
            part = Path(file.name)
            dump(file)
        part.chmod(0o644)  # temporary files are private, a cache may be shared
        part.replace(target)
    except OSError as error:
        rank_zero_warn(f"{what} is not kept, and will be made again next time: {error}")
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
