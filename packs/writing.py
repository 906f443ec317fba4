"""Writing videos into a shard, one behind the other."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from packs.formats import Encoder, Format, Size, places_of


class Packed(NamedTuple):
    """What became of one video: its frames, bytes, and their SHA-256 in hex."""

    num_frames: int
    num_bytes: int
    sha256: str


class VideoWriter:
    """Frames of one video, encoded and handed to `write` as they come.

    `hold()` keeps what is written in memory until `release()`, for a video that overlaps the one before it.
    """

    def __init__(self, frame_format: Format, size: Size, write: Callable[[bytes], object]) -> None:
        self._encoder: Encoder | None = None  # made for the first frame: of many ranges of a file few are at work
        self._format = frame_format
        self._size = size
        self._write = write
        self._held: list[bytes] | None = None
        self._digest = hashlib.sha256()
        self._lengths: list[int] = []
        self._num_bytes = 0
        self.num_frames = 0

    def hold(self) -> None:
        """Keep everything in memory from now on."""
        self._held = []

    def release(self) -> None:
        """Write what was held, and everything from now on at once."""
        held, self._held = self._held or [], None
        for content in held:
            self._write(content)

    def add(self, frame: np.ndarray) -> None:
        """The next frame, (H, W, 3) uint8."""
        if frame.dtype != np.uint8 or frame.shape != (*self._size, 3):
            raise ValueError(f"a frame to pack must be uint8 {(*self._size, 3)}, not {frame.dtype} {frame.shape}")
        if self._encoder is None:
            self._encoder = self._format.encoder(self._size)
        self.num_frames += 1
        self._put_blobs(self._encoder.encode(frame))

    def finish(self) -> Packed:
        """Write what is left."""
        if self._encoder is not None:
            self._put_blobs(self._encoder.finish())
            self._encoder = None
        if len(self._lengths) != self.num_frames:
            raise ValueError(f"{self.num_frames} frames made {len(self._lengths)} blobs")
        if self._format.has_places:
            self._put(places_of(self._lengths))
        return Packed(self.num_frames, self._num_bytes, self._digest.hexdigest())

    def _put_blobs(self, blobs: list[bytes]) -> None:
        for blob in blobs:
            self._lengths.append(len(blob))
            self._put(blob)

    def _put(self, content: bytes) -> None:
        self._digest.update(content)
        self._num_bytes += len(content)
        if self._held is None:
            self._write(content)
        else:
            self._held.append(content)
