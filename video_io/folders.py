"""What lies below a folder, and which classes its sub-folders make."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

NUM_NAMED = 3  # files that an error message names


def printable(text: str) -> str:
    """A name or a message as it can be shown in one line: what is no text, or moves the cursor, is escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8, as the names of files need not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_a_few(names: Sequence[str], count: int | None = None) -> str:
    """The first few names, and how many more there are, of `count` in all (None: the names are all)."""
    count = len(names) if count is None else count
    more = f" and {count - NUM_NAMED} more" if count > NUM_NAMED else ""
    return ", ".join(map(printable, names[:NUM_NAMED])) + more


def walk(root: Path, is_wanted: Callable[[Path], bool]) -> Iterator[str]:
    """Paths of the wanted files below `root`, relative to it, with "/"; names that start with "." are left out.

    Links to folders are followed, but never in a circle.
    """
    for folder, folder_names, file_names in os.walk(root, followlinks=True):
        here = Path(folder).resolve()
        folder_names[:] = [
            name
            for name in folder_names
            if not name.startswith(".") and not here.is_relative_to((here / name).resolve())
        ]
        for name in file_names:
            if not name.startswith(".") and is_wanted(Path(name)):
                yield (Path(folder) / name).relative_to(root).as_posix()


def class_names_of(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """The first folders of the videos' paths, sorted; without folders, the name of the root.

    Raises: ValueError if only some of the paths have a folder.
    """
    without_class = [path for path in paths if "/" not in path]
    if not without_class:
        return tuple(sorted({path.split("/")[0] for path in paths}))
    if len(without_class) < len(paths):
        raise ValueError(
            f"{root}: {len(without_class)} of {len(paths)} videos lie beside the class folders "
            f"({name_a_few(without_class)}); move them into a class folder"
        )
    return (root.resolve().name,)
