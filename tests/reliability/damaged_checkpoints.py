"""Checkpoints damaged in every way that a disk, a copy or a person knows: never used, always said."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from experiment.going_on import find_checkpoint
from experiment.one_line import UserError
from tensor_files.committed import committed, mark_of
from tensor_files.loading import load_checkpoint
from tensor_files.whole_files import sha256_of
from tests.reliability.record import Record
from tests.reliability.starts import start
from tests.resuming import SETTINGS, same

NAME = "damaged checkpoints"


def flip(path: Path, random: Random, bits: int = 1) -> None:
    """Turn so many bits of a file."""
    content = bytearray(path.read_bytes())
    for place in random.sample(range(len(content) * 8), bits):
        content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    """End a file anywhere before its end."""
    path.write_bytes(path.read_bytes()[: random.randrange(path.stat().st_size)])


def lengthen(path: Path, random: Random) -> None:
    """Add to a file."""
    path.write_bytes(path.read_bytes() + random.randbytes(random.randint(1, 4096)))


def blank(path: Path, random: Random) -> None:
    """Fill a block with zeros, as a disk does that has lost it."""
    content = path.read_bytes()
    changed = content
    while changed == content:
        size = 512 * random.randint(1, 64)
        begin = 512 * random.randrange(len(content) // 512)
        changed = content[:begin] + bytes(len(content[begin : begin + size])) + content[begin + size :]
    path.write_bytes(changed)


def empty(path: Path, random: Random) -> None:
    """Nothing is left of a file but its name."""
    path.write_bytes(b"")


def swap(path: Path, random: Random) -> None:
    """Exchange its content with that of the one before."""
    other = neighbour(path)
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def take_mark_of_another(path: Path, random: Random) -> None:
    """Copy the mark of the one before."""
    shutil.copyfile(mark_of(neighbour(path)), mark_of(path))


def take_hash_of_another(path: Path, random: Random) -> None:
    """The mark of the one before, with the right name in it."""
    digest = mark_of(neighbour(path)).read_text().split()[0]
    mark_of(path).write_text(f"{digest}  {path.name}\n")


def replace_by_folder(path: Path, random: Random) -> None:
    """A folder of its name."""
    path.unlink()
    path.mkdir()


def neighbour(path: Path) -> Path:
    """The one before; of the first, the one after."""
    paths = committed(path.parent)
    place = paths.index(path)
    return paths[place - 1 if place else 1]


KINDS: dict[str, Callable[[Path, Random], None]] = {
    "one bit": flip,
    "a hundred bits": lambda path, random: flip(path, random, 100),
    "cut off": cut,
    "a block of zeros": blank,
    "lengthened": lengthen,
    "emptied": empty,
    "swapped with the one before": swap,
    "deleted": lambda path, random: path.unlink(),
    "a folder": replace_by_folder,
    "its mark is missing": lambda path, random: mark_of(path).unlink(),
    "its mark is of another": take_mark_of_another,
    "its mark has the hash of another": take_hash_of_another,
    "a bit of its mark": lambda path, random: flip(mark_of(path), random),
    "its mark is cut off": lambda path, random: cut(mark_of(path), random),
}


def prove_damaged(record: Record, folder: Path, videos: Path, count: int, seed: int) -> None:
    """Damage the newest checkpoint of a run, or the two newest, again and again, and ask what it would go on from."""
    whole = folder / "whole"
    if len(committed(whole / "checkpoints")) < 3 or record_is_empty(record):
        shutil.rmtree(whole, ignore_errors=True)
        ended = start(whole, videos, [*SETTINGS, "--checkpoints.keep_newest", "3"])
        if ended.code != 0:
            raise RuntimeError(f"the run to be damaged failed, {ended.last_words}")
    contents = {path.name: load_checkpoint(path) for path in committed(whole / "checkpoints")}
    for trial in range(len(record.trials(NAME)), count):
        kind = list(KINDS)[trial % len(KINDS)]
        problem = damage_once(whole / "checkpoints", folder / "run", contents, kind, Random(f"{seed} {NAME} {trial}"))
        record.add(proof=NAME, trial=trial, kind=kind, ok=not problem, problem=problem, seed=seed)
        if problem or (trial + 1) % 50 == 0:
            print(f"{NAME}: {trial + 1} of {count} {problem}", flush=True)
    shutil.rmtree(folder / "run", ignore_errors=True)


def record_is_empty(record: Record) -> bool:
    """Whether the proof begins."""
    return not record.trials(NAME)


def damage_once(source: Path, run: Path, contents: dict[str, dict[str, Any]], kind: str, random: Random) -> str:
    """One trial; what was wrong, in a line."""
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(source, run / "checkpoints", symlinks=True)
    paths = committed(run / "checkpoints")
    digests = {path: sha256_of(path) for path in paths}
    for path in paths[-random.choice((1, 2)) :]:
        KINDS[kind](path, random)
    whole = [path for path in paths if path.is_file() and sha256_of(path) == digests[path]]
    try:
        chosen, said = find_checkpoint(run)
    except UserError as error:
        return f"{whole[-1]} was not found: {error}" if whole else ""  # two that are swapped can be all three
    if chosen not in whole:
        return f"{chosen} would be used"
    if not same(load_checkpoint(chosen), contents[chosen.name]):
        return f"{chosen} is read as something else"
    for path in committed(run / "checkpoints"):
        if path not in whole:
            if path not in said:
                return f"nothing was said of {path}"
            if is_read(path):
                return f"{path} is read by load_checkpoint"
    return ""


def is_read(path: Path) -> bool:
    """Whether a damaged file is taken when it is asked for by name."""
    try:
        load_checkpoint(path)
    except (ValueError, OSError):
        return False
    return True
