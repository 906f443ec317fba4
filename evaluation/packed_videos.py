"""A pack, which `python prepare.py` makes, as a source of videos."""

import hashlib
import statistics
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from datamodules.index_cache import Row, rows_of, stamp_of
from evaluation.video_source import Size, VideoSource, checked_frames
from packs.index import PackError
from packs.names import named_videos
from packs.reading import Pack
from video_io.folders import name_a_few


class PackedVideoSource(VideoSource):
    """The videos of a pack, named as in what was packed; of a file packed in parts, each part is a video.

    The bytes of each video are hashed once, and known from then on by size and modification time of their shard.

    Args:
        root: folder of the pack.
        fps: instead of the median of what the files said.

    Raises: FileNotFoundError or ValueError, in one line, if there is no finished pack or a shard is not whole.
    """

    def __init__(self, root: str | Path, fps: float | None = None) -> None:
        self.pack = Pack(root)
        self.path = self.pack.folder
        self.kind = f"pack ({self.pack.header.format})"
        listed = named_videos(self.pack, ("fps",))
        self.names = tuple(listed["name"].to_pylist())
        self.rows = tuple(listed["row"].to_pylist())
        self.class_names, labels = self.pack.classes
        self.labels = tuple(labels[list(self.rows)].tolist())
        self.fps = fps or statistics.median(listed["fps"].to_pylist())

    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""
        return int(self.pack.num_frames[self.rows[index]])

    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""
        return self.pack.header.size

    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (3, T, H, W) uint8."""
        wanted = checked_frames(self.names[index], frames, self.num_frames(index))
        return self.pack.read_clip(self.rows[index], wanted, size)

    def sha256(self, index: int) -> str:
        """Over the bytes that were packed, and what they say depends on, in hex."""
        header = self.pack.header
        content = (
            f"{header.format}\0{header.size}\0{self.num_frames(index)}\0{self._hashed[self.names[index]]['sha256']}"
        )
        return hashlib.sha256(content.encode()).hexdigest()

    @cached_property
    def _hashed(self) -> dict[str, Row]:
        """The SHA-256 of every video's bytes as they lie in the shards.

        Raises: PackError if some are not those that were packed.
        """
        stamps = {name: stamp_of(self.pack.shard_of(row)) for name, row in zip(self.names, self.rows, strict=True)}
        numbers = dict(zip(self.names, self.rows, strict=True))

        def measure(names: Sequence[str]) -> dict[str, Row]:
            return {name: {"sha256": self.pack.sha256(numbers[name])} for name in names}

        found = rows_of(self.path, stamps, measure, lambda row: row["sha256"], kind="pack")
        packed = self.pack.rows(["packed_sha256"])["packed_sha256"].to_pylist()
        damaged = [name for name in self.names if found[name]["sha256"] != packed[numbers[name]]]
        if damaged:
            raise PackError(
                f"{self.path}: {len(damaged)} of {len(self)} videos have other bytes than were packed "
                f"({name_a_few(damaged)}); copy the pack again, or make it again with python prepare.py"
            )
        return found
