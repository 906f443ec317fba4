"""From a path that a user gives to a source of videos."""

from pathlib import Path

from datamodules.splits import read_list
from evaluation.array_videos import ARRAY_EXTENSIONS, LAYOUTS, ArrayVideos
from evaluation.frame_folders import FrameFolders
from evaluation.packed_videos import PackedVideoSource
from evaluation.video_files import VideoFiles
from evaluation.video_source import VideoSource
from packs.index import is_pack
from video_io.folders import walk
from video_io.pictures import PICTURE_EXTENSIONS, is_picture
from video_io.reading import VIDEO_EXTENSIONS, is_video

ACCEPTED = (
    f"a folder of videos ({', '.join(VIDEO_EXTENSIONS)}), a folder of frame folders ({', '.join(PICTURE_EXTENSIONS)}), "
    f"a pack of prepare.py, or an array ({', '.join(ARRAY_EXTENSIONS)}) of {LAYOUTS}"
)


def open_videos(
    path: str | Path,
    list_file: str | Path | None = None,
    class_names: tuple[str, ...] = (),
    fps: float | None = None,
) -> VideoSource:
    """The videos at a path, or some of them.

    Args:
        path: a folder of videos, a folder of frame folders, a pack, or an .npy or .pt array.
        list_file: a text file of the videos to take, a name a line, relative to `path`; None takes all.
        class_names: of the classes to take; none named takes all.
        fps: frames per second, where the files do not say it or say it wrong.

    Raises: FileNotFoundError or ValueError, in one line that says what to do.
    """
    if fps is not None and not 0 < fps < float("inf"):
        raise ValueError(f"fps is {fps}; it must be above 0")
    videos = _open(Path(path), fps)
    if list_file is not None:
        videos = videos.restricted_to(sorted(read_list(str(list_file), frozenset(videos.names))))
    return videos.of_classes(class_names) if class_names else videos


def _open(path: Path, fps: float | None) -> VideoSource:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder; give {ACCEPTED}")
    if path.is_dir():
        return _open_folder(path, fps)
    if path.suffix.lower() in ARRAY_EXTENSIONS:
        return ArrayVideos(path, fps)
    if is_video(path) or is_picture(path):
        raise ValueError(f"{path}: is one file; give the folder that holds it")
    raise ValueError(f"{path}: is of an unknown kind; give {ACCEPTED}")


def _open_folder(path: Path, fps: float | None) -> VideoSource:
    if is_pack(path):
        return PackedVideoSource(path, fps)
    a_video, a_frame = next(walk(path, is_video), None), next(walk(path, is_picture), None)
    if a_video is not None and a_frame is not None:
        raise ValueError(f"{path}: holds videos ({a_video}) and pictures ({a_frame}); give a folder of one kind")
    if a_video is not None:
        return VideoFiles(path, fps)
    if a_frame is not None:
        return FrameFolders(path, fps)
    raise ValueError(f"{path}: holds neither videos nor pictures; give {ACCEPTED}")
