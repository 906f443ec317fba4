"""Folders, archives and arrays whose own structure says what they hold."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from preparing.entries import ARRAY, FRAME_FOLDER, FRAME_ZIP, STRIP, VIDEO, Entry, Source, SourceError
from preparing.opening import opened_array, opened_zip
from video_io.folders import class_names_of, is_text, printable, walk
from video_io.pictures import frames_of_videos, is_picture
from video_io.reading import VIDEO_EXTENSIONS, is_video


def folder_of_videos(root: Path) -> Source:
    """Every video below a folder, its class the first folder on its path; without folders, no class.

    Raises: ValueError if videos lie both beside and inside class folders.
    """
    return _files(root, VIDEO, is_video, f"is none of {', '.join(VIDEO_EXTENSIONS)}")


def strips(root: Path) -> Source:
    """Every picture below a folder is a video, its square frames side by side (MoCoGAN) or one below the other (VGAN).

    Tulyakov et al. 2018, arXiv:1707.04993, keep actions and shapes like that; the first folder is the class.
    """
    return _files(root, STRIP, is_picture, "is no picture")


def frame_folders(root: Path) -> Source:
    """Every folder of pictures is a video, as StyleGAN-V (arXiv:2112.14683) prepares FaceForensics, Sky and TaiChi.

    The folder above is the class, if there is one: root/class/video/000001.jpg, or root/video/000001.jpg.
    """
    videos = frames_of_videos(root)
    if list(videos) == [root.resolve().name]:
        return Source(root.parent, (Entry(root.name, FRAME_FOLDER),))
    names = sorted(videos)
    return Source(root, tuple(Entry(name, FRAME_FOLDER, label=_label(name)) for name in names))


def frame_zip(path: Path) -> Source:
    """Every folder of pictures in a zip is a video: StyleGAN-V's archives.  A folder around everything is no class.

    Raises: SourceError if it is no zip, or holds no picture.
    """
    try:
        folders = sorted(opened_zip(path)[1])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: cannot be read as a zip ({error})") from error
    parts = [folder.split("/") for folder in folders]
    around = 1 if len({each[0] for each in parts}) == 1 and min(map(len, parts), default=0) > 1 else 0
    entries = [
        Entry(path.name, FRAME_ZIP, member=folder, label=_label("/".join(each[around:])))
        for folder, each in zip(folders, parts, strict=True)
    ]
    if not entries:
        raise SourceError(f"{path}: holds no picture")
    return Source(path.parent, tuple(entries))


def moving_mnist(path: Path) -> Source:
    """Every video of Moving MNIST's test set (Srivastava et al. 2015, arXiv:1502.04681), mnist_test_seq.npy.

    Raises: SourceError if the array is another.
    """
    try:
        num_videos = opened_array(path).shape[1]
    except (ValueError, OSError) as error:
        raise SourceError(str(error)) from error
    return Source(path.parent, tuple(Entry(path.name, ARRAY, str(index), split="test") for index in range(num_videos)))


def _files(root: Path, kind: str, is_wanted: Callable[[Path], bool], otherwise: str) -> Source:
    paths = sorted(walk(root, is_wanted))
    others = sorted(walk(root, lambda path: not is_wanted(path)))
    if paths:
        class_names_of(root, paths)  # refuses a mixture
    entries = tuple(Entry(path, kind, label=_label(path)) for path in paths)
    return Source(root, entries, tuple(f"{path}: {otherwise}" for path in others))


def _label(path: str) -> str | None:
    """The first folder, if there is one; the videos of one whose name is not UTF-8 are refused."""
    folder = path.split("/")[0]
    return None if "/" not in path else folder if is_text(folder) else printable(folder)
