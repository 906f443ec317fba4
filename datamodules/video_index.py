"""The index of a folder of videos: which videos there are, how long and how large they are, and their content hashes.

Opening every video takes minutes for a large folder, so the index is kept in the cache folder; a later start only looks
at sizes and times of change and opens what is new or changed.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_warn
from tqdm import tqdm

from datamodules.data_ledger import SetAside
from datamodules.index_cache import Row, rows_of, stamp_of
from datamodules.isolated_reading import BadFileError, Limits, reader_of_this_thread
from datamodules.video_table import Video, VideoTable
from video_io.folders import NUM_NAMED, class_names_of, name_a_few, walk
from video_io.pictures import PICTURE_EXTENSIONS, is_picture
from video_io.reading import VIDEO_EXTENSIONS, UnreadableVideoError, VideoProperties, is_video

_FILES_WORTH_A_CHILD = 20


@dataclass(frozen=True)
class VideoIndex:
    """The videos below `root`, sorted by path, and the names of the classes, sorted."""

    root: Path
    class_names: tuple[str, ...]
    videos: VideoTable


def index_videos(
    root: str | Path, pictures: bool = False, set_aside: Mapping[str, SetAside] = MappingProxyType({})
) -> VideoIndex:
    """Index every video below a folder, at any depth; files and folders whose name starts with "." are left out.

    The class of a video is the first folder on its path below `root`; a folder without sub-folders is one class.
    Opens no file that the cache knows with the same size and times of change; otherwise files are opened in child
    processes, which survive nothing that a file may do to them.

    Args:
        root: the folder.
        pictures: index the pictures there, each as a video of one frame, instead of the videos.
        set_aside: by path, files that are in the index as they once were, whatever has become of them.

    Raises: FileNotFoundError if there is no such folder; ValueError, in one line, if it is a file, holds no video,
        holds videos both beside and inside class folders, or holds a video that cannot be decoded.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder; root must name the folder that holds the videos")
    if not root.is_dir():
        raise ValueError(f"{root}: is a file; root must name the folder that holds the videos")
    paths = sorted({*walk(root, is_picture if pictures else is_video), *set_aside})
    if not paths:
        kind, extensions = ("picture", PICTURE_EXTENSIONS) if pictures else ("video", VIDEO_EXTENSIONS)
        raise ValueError(f"{root}: no {kind} in this folder; looked for {', '.join(extensions)}")
    class_names = class_names_of(root, paths)
    rows = _measure(root, [path for path in paths if path not in set_aside], "pictures" if pictures else "")
    rows |= {path: {"sha256": old.sha256, "properties": old.properties._asdict()} for path, old in set_aside.items()}
    videos = [
        Video(
            path=path,
            label=class_names.index(path.split("/")[0]) if "/" in path else 0,
            properties=VideoProperties(**rows[path]["properties"]),
            sha256=rows[path]["sha256"],
        )
        for path in paths
    ]
    return VideoIndex(root, class_names, VideoTable.of(videos))


def long_enough(videos: VideoTable, used: np.ndarray, num_frames: int, skip_short_videos: bool) -> np.ndarray:
    """Which of the videos that are `used`, (N,) bool, have at least `num_frames` frames.

    Raises: ValueError if others have not, unless they are to be skipped, with a warning, or if all are shorter.
    """
    is_short = used & (videos.num_frames < num_frames)
    if not is_short.any():
        return used
    short, num_used = np.flatnonzero(is_short), np.count_nonzero(used)
    named = name_a_few([f"{videos[n].path} ({videos[n].num_frames} frames)" for n in short[:NUM_NAMED]], len(short))
    if not skip_short_videos:
        raise ValueError(
            f"{len(short)} of {num_used} videos are shorter than a clip, which spans {num_frames} frames: {named}; "
            "lower num_frames or frame_stride, or set skip_short_videos: true"
        )
    if len(short) == num_used:
        raise ValueError(f"every video is shorter than a clip, which spans {num_frames} frames: {named}")
    rank_zero_warn(f"{len(short)} of {num_used} videos are shorter than {num_frames} frames, left out: {named}")
    return used & ~is_short


def _measure(root: Path, paths: Sequence[str], kind: str) -> dict[str, Row]:
    """The row of each path, with its sha256 and properties: from the cache where the file is unchanged."""
    rows = rows_of(
        root,
        {path: stamp_of(root / path) for path in paths},
        lambda unknown: _open_videos(root, unknown),
        lambda row: (row["sha256"], VideoProperties(**row["properties"])),
        kind,
    )
    unreadable = [path for path in paths if path not in rows]
    if unreadable:
        raise UnreadableVideoError(
            f"{root}: cannot decode {len(unreadable)} of {len(paths)} {kind or 'videos'}: {name_a_few(unreadable)}; "
            "repair, convert or remove them"
        )
    return rows


def _open_videos(root: Path, paths: Sequence[str]) -> dict[str, Row]:
    """Measure videos, as many at a time as there are cores; those that cannot be decoded are missing in the answer."""
    num_threads = min(os.cpu_count() or 1, -(-len(paths) // _FILES_WORTH_A_CHILD)) or 1
    with ThreadPoolExecutor(num_threads) as pool:  # each thread has its child, which ends with it
        found = pool.map(lambda path: _open_video(root / path), paths)
        progress = tqdm(found, desc=f"indexing {root}", unit="video", total=len(paths), disable=len(paths) < 200)
        return {path: row for path, row in zip(paths, progress, strict=True) if row is not None}


def _open_video(path: Path) -> Row | None:
    try:
        sha256, properties = reader_of_this_thread(Limits()).probe(path)
    except BadFileError:
        return None
    return {"sha256": sha256, "properties": properties._asdict()}
