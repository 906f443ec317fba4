"""Folders of pictures, each a video, as a source of videos."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from datamodules.index_cache import Row, rows_of, stamp_of
from evaluation.video_source import Size, VideoSource, as_clip, checked_frames
from video_io.folders import class_names_of
from video_io.pictures import decode_picture, frames_of_videos, read_picture


class FrameFolders(VideoSource):
    """Every folder of pictures below a root is a video, its frames in natural order: 2.png comes before 10.png.

    The first folder on the path of a video is its class, as with video files; videos right below the root are of one
    class, and pictures in the root itself are one video.  Pictures are decoded and hashed once, in parallel, and known
    from then on by size and times of change.  They are read as RGB; transparency is dropped.

    Args:
        root: the folder.
        fps: frames per second, which pictures do not tell.

    Raises: ValueError, in one line, if there is no picture, if pictures lie beside folders of pictures, if one cannot
        be read or is not of 8 bits a channel, or if those of a video differ in size.
    """

    kind = "frame folders"

    def __init__(self, root: str | Path, fps: float | None = None) -> None:
        self.path = Path(root)
        self.frames = frames_of_videos(self.path)
        self.names = tuple(sorted(self.frames))
        self.class_names = class_names_of(self.path, self.names)
        self.labels = tuple(self.class_names.index(name.split("/")[0]) if "/" in name else 0 for name in self.names)
        self.fps = fps
        self._rows = measured(self.path, self.frames)

    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""
        return len(self.frames[self.names[index]])

    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""
        height, width = self._rows[self.names[index]]["size"]
        return height, width

    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (3, T, H, W) uint8."""
        name = self.names[index]
        paths = self.frames[name]
        wanted = checked_frames(name, frames, len(paths))
        return as_clip([read_picture(self.path / paths[frame], size) for frame in wanted])

    def sha256(self, index: int) -> str:
        """Over the names and contents of the pictures, in hex."""
        return self._rows[self.names[index]]["sha256"]


def measured(root: Path, frames: dict[str, list[str]]) -> dict[str, Row]:
    """`sha256` and `size` (height, width) of each video, from the cache where no file has changed.

    Raises: ValueError if a picture cannot be read, or if those of a video differ in size.
    """
    problems: dict[str, str] = {}

    def measure(names: Sequence[str]) -> dict[str, Row]:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            futures = {name: pool.submit(_row_or_problem, root, frames[name]) for name in names}
            progress = tqdm(futures.items(), desc=f"indexing {root}", unit="video", disable=len(names) < 200)
            found = {name: future.result() for name, future in progress}
        problems.update({name: problem for name, problem in found.items() if isinstance(problem, str)})
        return {name: row for name, row in found.items() if not isinstance(row, str)}

    stamps = {name: [_stamp(root, paths)] for name, paths in frames.items()}
    rows = rows_of(root, stamps, measure, lambda row: (row["sha256"], row["size"][1]), kind="frames")
    if problems:
        more = f" (and {len(problems) - 1} more videos cannot be read)" if len(problems) > 1 else ""
        raise ValueError(f"{problems[min(problems)]}{more}")
    return rows


def _row_or_problem(root: Path, paths: Sequence[str]) -> Row | str:
    """What `measured` wants to know of a video, or why it cannot be read."""
    try:
        return _measure_video(root, paths)
    except ValueError as error:
        return str(error)


def _measure_video(root: Path, paths: Sequence[str]) -> Row:
    digest = hashlib.sha256()
    sizes: dict[Size, str] = {}  # and a picture that has it
    for path in paths:
        content = (root / path).read_bytes()
        digest.update(f"{Path(path).name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        height, width, _ = decode_picture(root / path, content).shape
        sizes.setdefault((height, width), path)
    if len(sizes) > 1:
        (one, first), (other, second), *_ = sizes.items()
        raise ValueError(
            f"{root}: the frames of a video must be of one size; {first} is {one[1]}x{one[0]}, {second} is "
            f"{other[1]}x{other[0]}"
        )
    return {"sha256": digest.hexdigest(), "size": list(next(iter(sizes)))}


def _stamp(root: Path, paths: Sequence[str]) -> str:
    """Over names, sizes and times of change of the pictures of a video."""
    lines = [f"{path}\0{stamp_of(root / path)}\n" for path in paths]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
