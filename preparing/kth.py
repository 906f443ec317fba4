"""KTH's actions (Schuldt et al. 2004) with the ranges of 00sequences.txt."""

import re
from pathlib import Path

from preparing.entries import Entry, Source, SourceError
from video_io.folders import walk
from video_io.reading import is_video

SEQUENCES_FILE = "00sequences.txt"
_LINE = re.compile(r"(person(\d\d)_([a-z]+)_d\d)\s+frames\s+(.+)")
_RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
_LAST_TRAINING_PERSON = 20


def kth(root: Path) -> Source:
    """Every action that 00sequences.txt names, a range of a file's frames: counted from 1, both ends included.

    Persons 1 to 20 are "train", 21 to 25 "test", as in SVG (Denton and Fergus 2018, arXiv:1802.07687).  The videos lie
    anywhere below the root.  The one video that does not exist has no range in the file.

    Raises: SourceError if a line of the file is not as expected, or it has none.
    """
    videos = {Path(path).name.lower(): path for path in sorted(walk(root, is_video))}
    entries, named = [], set()
    for number, line in enumerate((root / SEQUENCES_FILE).read_text(errors="replace").splitlines(), 1):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        name, person, action, ranges = match.groups()
        file = f"{name}_uncomp.avi"
        path = videos.get(file, file)
        named.add(path)
        split = "train" if int(person) <= _LAST_TRAINING_PERSON else "test"
        for text in ranges.rstrip(", ").split(","):
            bounds = _RANGE.fullmatch(text)
            if bounds is None or not 1 <= int(bounds[1]) <= int(bounds[2]):
                raise SourceError(f"{root / SEQUENCES_FILE}, line {number}: {text.strip()!r} is no range of frames")
            entries.append(Entry(path, label=action, split=split, start=int(bounds[1]) - 1, stop=int(bounds[2])))
    if not entries:
        raise SourceError(
            f"{root / SEQUENCES_FILE}: names no action; its lines are like person01_boxing_d1 frames 1-95"
        )
    left = [path for path in videos.values() if path not in named]
    return Source(root, tuple(entries), tuple(f"{path}: is not in {SEQUENCES_FILE}" for path in left))
