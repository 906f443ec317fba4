"""Which layout a source has: a folder of videos, a list of them, or a known data set as it is downloaded."""

from collections.abc import Callable
from pathlib import Path

from preparing.entries import Source, SourceError
from preparing.folders import folder_of_videos, frame_folders, frame_zip, moving_mnist, strips
from preparing.kth import SEQUENCES_FILE, kth
from preparing.manifest import manifest
from preparing.ucf101 import LISTS_FOLDER, ucf101
from video_io.folders import walk
from video_io.pictures import is_picture
from video_io.reading import is_video

LAYOUTS: dict[str, Callable[[Path], Source]] = {
    "folder": folder_of_videos,
    "manifest": manifest,
    "ucf101": ucf101,
    "kth": kth,
    "strips": strips,
    "moving_mnist": moving_mnist,
    "frame_folders": frame_folders,
    "frame_zip": frame_zip,
}
_OF_FILES = {".csv": "manifest", ".jsonl": "manifest", ".npy": "moving_mnist", ".zip": "frame_zip"}


def read_source(path: Path, layout: str | None = None, ucf_list: int = 1) -> Source:
    """The videos of a source.

    Args:
        path: a folder or a file.
        layout: a key of `LAYOUTS`; None finds out.
        ucf_list: which of UCF-101's three train/test lists.

    Raises: FileNotFoundError or SourceError, in one line.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; SOURCE names what is to be packed")
    layout = layout or layout_of(path)
    if path.is_dir() == (layout in _OF_FILES.values()):
        raise SourceError(f"{path}: is a {'folder' if path.is_dir() else 'file'}, which layout {layout} is not")
    return ucf101(path, ucf_list) if layout == "ucf101" else LAYOUTS[layout](path)


def layout_of(path: Path) -> str:
    """The key of the layout that a source has.

    Raises: SourceError if it could be several, or none.
    """
    if path.is_file():
        if path.suffix.lower() in _OF_FILES:
            return _OF_FILES[path.suffix.lower()]
        raise SourceError(f"{path}: this kind of file is none of {', '.join(_OF_FILES)}; or name the folder of a video")
    if (path / LISTS_FOLDER).is_dir():
        return "ucf101"
    if (path / SEQUENCES_FILE).is_file():
        return "kth"
    if next(walk(path, is_video), None) is not None:
        return "folder"
    if next(walk(path, is_picture), None) is not None:
        raise SourceError(
            f"{path}: holds pictures; say --layout frame_folders if each folder is a video, "
            "--layout strips if each picture is a row of square frames"
        )
    raise SourceError(f"{path}: holds no video and no picture")
