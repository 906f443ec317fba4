"""A folder of video files as a source of videos."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from datamodules.video_index import index_videos
from evaluation.video_source import Size, VideoSource
from video_io.reading import read_clip


class VideoFiles(VideoSource):
    """The videos below a folder, at any depth; the first folder on a path is the class.

    They are opened and hashed once, in parallel, and known from then on by size and times of change, see
    `datamodules.video_index`.

    Args:
        root: the folder.
        fps: instead of the median of what the files say.

    Raises: FileNotFoundError or ValueError, in one line, as `index_videos`.
    """

    kind = "video files"

    def __init__(self, root: str | Path, fps: float | None = None) -> None:
        index = index_videos(root)
        self.path = index.root
        self.videos = index.videos
        self.names = tuple(video.path for video in index.videos)
        self.labels = tuple(video.label for video in index.videos)
        self.class_names = index.class_names
        self.fps = fps or statistics.median(video.properties.fps for video in index.videos)

    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""
        return self.videos[index].num_frames

    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""
        properties = self.videos[index].properties
        return properties.height, properties.width

    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (3, T, H, W) uint8."""
        video = self.videos[index]
        return read_clip(self.path / video.path, frames, size, video.properties)

    def sha256(self, index: int) -> str:
        """Of the file, in hex."""
        return self.videos[index].sha256
