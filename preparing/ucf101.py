"""UCF-101 (Soomro et al. 2012, arXiv:1212.0402) with its official train/test lists."""

from pathlib import Path

from preparing.entries import Entry, Source, SourceError
from video_io.folders import walk
from video_io.reading import is_video

LISTS_FOLDER = "ucfTrainTestlist"


def ucf101(root: Path, ucf_list: int = 1) -> Source:
    """The videos that one of the three lists names, as "train" and "test"; the folders' names are the classes.

    `root` holds the lists' folder and the videos, as they are unpacked.  Names are compared without regard to case: the
    archives and lists do not agree on HandstandPushups and HandStandPushups.  The class is spelled as in classInd.txt.

    Raises: SourceError if there is no such list, or a line of it names no class.
    """
    classes = {name.lower(): name for name in _class_names(root)}
    videos = {"/".join(Path(path).parts[-2:]).lower(): path for path in sorted(walk(root, is_video))}
    entries, named = [], set()
    for split in ("train", "test"):
        file = root / LISTS_FOLDER / f"{split}list{ucf_list:02d}.txt"
        for number, line in _lines(file):
            name = line.split()[0]
            label = classes.get(name.split("/")[0].lower())
            if label is None or "/" not in name:
                raise SourceError(f"{file}, line {number}: {name} is of no class of classInd.txt")
            path = videos.get(name.lower())
            named.add(path)
            entries.append(Entry(path or name, label=label, split=split))
    left = [path for path in videos.values() if path not in named]
    return Source(root, tuple(entries), tuple(f"{path}: is in neither list {ucf_list}" for path in left))


def _class_names(root: Path) -> list[str]:
    file = root / LISTS_FOLDER / "classInd.txt"
    return [line.split()[-1] for _, line in _lines(file)]


def _lines(file: Path) -> list[tuple[int, str]]:
    if not file.is_file():
        raise SourceError(f"{file}: no such list; unpack UCF101TrainTestSplits-RecognitionTask.zip beside the videos")
    return [(number, line) for number, line in enumerate(file.read_text().splitlines(), 1) if line.strip()]
