"""How the frames of one video lie in a shard: as they are, as JPEGs, or as H.264 packets.

Raw: frame k begins at k * H * W * 3.  The others: one blob a frame, then the T + 1 places between which they lie,
counted from the start of the video (unsigned 64 bits, little endian).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from simplejpeg import decode_jpeg

from video_io.packets import KEY_FRAME_EVERY, PacketEncoder, decode_packets

PLACE = np.dtype("<u8")
_JPEG_QUALITY = 95  # what StyleGAN-V's and most other data sets of frames are kept at

ReadAt = Callable[[int, int], bytes]  # so many bytes from a place, counted from the video's start


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


class Encoder(Protocol):
    """Makes a blob of each frame, in order."""

    def encode(self, frame: np.ndarray) -> list[bytes]:
        """The blobs that are ready after this frame (H, W, 3) uint8."""

    def finish(self) -> list[bytes]:
        """The blobs that are left."""


class Format(Protocol):
    """One way to lay frames down; `has_places` if the blobs are of different lengths."""

    name: str
    has_places: bool

    def encoder(self, size: Size) -> Encoder:
        """A new encoder for the frames of one video."""

    def read(self, read_at: ReadAt, num_frames: int, start: int, stop: int, size: Size) -> np.ndarray:
        """Frames start to stop of a video of `num_frames`: (stop - start, H, W, 3) uint8, not to be written to."""


class Raw:
    """uint8 as it is: the fastest, and 3 * H * W bytes a frame."""

    name = "raw"
    has_places = False

    def encoder(self, size: Size) -> Encoder:
        """See `Format`."""
        return _RawEncoder()

    def read(self, read_at: ReadAt, num_frames: int, start: int, stop: int, size: Size) -> np.ndarray:
        """See `Format`."""
        frame_bytes = 3 * size.height * size.width
        content = read_at(start * frame_bytes, (stop - start) * frame_bytes)
        return np.frombuffer(content, np.uint8).reshape(stop - start, *size, 3)


class Jpeg:
    """A JPEG of quality 95 a frame: a quarter of raw's bytes at 64x64.

    simplejpeg decodes small frames 1.7 times as fast as OpenCV, to the same pixels: OpenCV's takes longer to begin.
    """

    name = "jpeg"
    has_places = True

    def encoder(self, size: Size) -> Encoder:
        """See `Format`."""
        return _JpegEncoder()

    def read(self, read_at: ReadAt, num_frames: int, start: int, stop: int, size: Size) -> np.ndarray:
        """See `Format`."""
        blobs = _blobs(read_at, num_frames, start, stop)
        frames = np.empty((stop - start, *size, 3), np.uint8)
        for frame, blob in zip(frames, blobs, strict=True):
            if decode_jpeg(blob, "RGB", buffer=frame).shape != frame.shape:
                raise ValueError("damaged JPEGs")
        return frames


class H264:
    """H.264 packets with a key frame every 16: the smallest; a clip decodes at most 15 frames more than it has."""

    name = "h264"
    has_places = True

    def encoder(self, size: Size) -> Encoder:
        """See `Format`."""
        return PacketEncoder(*size)

    def read(self, read_at: ReadAt, num_frames: int, start: int, stop: int, size: Size) -> np.ndarray:
        """See `Format`."""
        key_frame = start - start % KEY_FRAME_EVERY
        blobs = _blobs(read_at, num_frames, key_frame, stop)
        return decode_packets(blobs, *size)[start - key_frame :]


FORMATS: dict[str, Format] = {each.name: each for each in (Raw(), Jpeg(), H264())}


class _RawEncoder:
    def encode(self, frame: np.ndarray) -> list[bytes]:
        return [frame.tobytes()]

    def finish(self) -> list[bytes]:
        return []


class _JpegEncoder:
    def encode(self, frame: np.ndarray) -> list[bytes]:
        done, blob = cv2.imencode(
            ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )
        assert done
        return [blob.tobytes()]

    def finish(self) -> list[bytes]:
        return []


def places_of(blobs_bytes: Sequence[int]) -> bytes:
    """The table that stands behind blobs of these lengths."""
    return np.cumsum([0, *blobs_bytes], dtype=PLACE).tobytes()


def _blobs(read_at: ReadAt, num_frames: int, start: int, stop: int) -> list[bytes]:
    """The blobs of frames start to stop: one short read for their places, one for all of them."""
    table = -(num_frames + 1) * PLACE.itemsize  # from the video's end
    places = np.frombuffer(read_at(table + start * PLACE.itemsize, (stop - start + 1) * PLACE.itemsize), PLACE)
    first, last = int(places[0]), int(places[-1])
    content = read_at(first, last - first)
    edges = [int(place) - first for place in places]
    return [content[a:b] for a, b in itertools.pairwise(edges)]
