"""Reading video files: with decord where it seeks exactly, otherwise with PyAV, in order from the first frame.

No other file imports decord.  Its reader is opened for one request and dropped at once.  Kept open, it decodes ahead in
its own thread and holds tens of megabytes, and a reader that lives in a parent process hangs or aborts its forked
workers.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av  # noqa: F401 (before decord, which opens its own FFmpeg for all: av after it encodes no VP9)
import decord
import numpy as np

from video_io.cropping import middle, scaled_size
from video_io.in_order import (
    PYAV_ERRORS,
    FirstFrame,
    TimedFrame,
    decode_in_order,
    look_at_first,
    measure,
    scaled_in_order,
)
from video_io.pictures import is_picture, read_picture

if TYPE_CHECKING:  # not torch itself: who only decodes, in a process of its own, begins ten times faster without
    from torch import Tensor

VIDEO_EXTENSIONS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

_DECORD_ERRORS = (RuntimeError, AssertionError, decord.DECORDError)
# How `seeks_exactly` tries a file: runs of so many frames, at this width and height in pixels.
_CHECKED_RUN = 4
_NUM_CHECKED_KEY_FRAMES = 4
_MAX_CHECKED_FRAMES = 3000
_CHECK_SIZE = (64, 64)
_LARGEST_DIFFERENCE = 2.0  # mean over a frame of decord's and PyAV's pixels, whose conversions of some formats differ
# AVI and MPEG program streams store no time of display, and decord's answer near the end changes between calls; in WMV
# it may be right in a few places and wrong in others.
_NEVER_EXACT = (".avi", ".mpeg", ".mpg", ".wmv")

decord.logging.set_level(decord.logging.QUIET)


class UnreadableVideoError(ValueError):
    """A file that cannot be decoded; the message is one line and names the file."""


class VideoProperties(NamedTuple):
    """What a video is: `width` and `height` in pixels as displayed (rotation applied), `fps` in frames per second.

    `exact_seek` chooses the reader: True is decord, which seeks; False is PyAV, in order from the first frame, for
    files that decord cannot open and those in which it finds wrong frames (see `seeks_exactly`).
    """

    num_frames: int
    width: int
    height: int
    fps: float
    exact_seek: bool


def is_video(path: Path) -> bool:
    """Whether the extension, in any case, is one of `VIDEO_EXTENSIONS`."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def probe(path: str | Path) -> VideoProperties:
    """Measure a video, and try whether seeking in it is exact, for which it is decoded.

    A picture is a video of one frame, which lasts a second.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded.
    """
    if is_picture(Path(path)):
        _, height, width, _ = _read_picture(path, None).shape
        return VideoProperties(1, width, height, 1.0, exact_seek=True)
    if not seeks_exactly(path):
        try:
            return VideoProperties(*measure(path), exact_seek=False)
        except PYAV_ERRORS as error:
            raise _unreadable(path) from error
    reader = _open(path)
    height, width, _ = reader[0].shape
    return VideoProperties(len(reader), width, height, float(reader.get_avg_fps()), exact_seek=True)


def read_clip(
    path: str | Path,
    frame_indices: Sequence[int],
    size: int | tuple[int, int] | None,
    properties: VideoProperties | None = None,
) -> "Tensor":
    """Read frames as a clip, see `read_frames`: (C, T, H, W) uint8 with C = 3 (RGB)."""
    return as_clip(read_frames(path, frame_indices, size, properties))


def as_clip(frames: np.ndarray) -> "Tensor":
    """Frames (T, H, W, C) as a clip (C, T, H, W)."""
    import torch

    return torch.from_numpy(frames).permute(3, 0, 1, 2).contiguous()


def read_frames(
    path: str | Path,
    frame_indices: Sequence[int],
    size: int | tuple[int, int] | None,
    properties: VideoProperties | None = None,
) -> np.ndarray:
    """Read frames: scaled until they just cover `size`, the aspect kept, the middle cut out.

    Scaling is antialiased and done while decoding, alike by both readers.  Rotation metadata is applied before scaling.

    Args:
        path: of the video file.
        frame_indices: numbers of the frames, from 0, rising.
        size: (height, width) of the frames, in pixels; one number for both scales the short side to it; None keeps the
            video's own size.
        properties: of the video, from an earlier `probe`; None probes it now, which decodes the whole video.

    Shapes: returns (T, H, W, C) uint8 with C = 3 (RGB), T = len(frame_indices), (H, W) = size.
    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded, ValueError if a
        frame lies outside the video.
    """
    if is_picture(Path(path)):
        if list(frame_indices) != [0]:
            raise ValueError(f"{path}: frames {list(frame_indices)} asked for, but a picture has frame 0 alone")
        return _read_picture(path, (size, size) if isinstance(size, int) else size)
    properties = properties or probe(path)
    if size is None:
        exact_seek = properties.exact_seek and _can_scale_to(properties.width)
        return _decode(path, frame_indices, exact_seek, (-1, -1))
    crop = (size, size) if isinstance(size, int) else size
    target, enlarged = _scaling((properties.width, properties.height), crop)
    frames = _decode(path, frame_indices, properties.exact_seek, target)
    return middle(_reduced(frames, enlarged), crop)


def first_frame(path: str | Path) -> FirstFrame:
    """How large a video's frames are and how many a second there are; only the first one is decoded.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such video file")
    try:
        return look_at_first(path)
    except PYAV_ERRORS as error:
        raise _unreadable(path) from error


def frames_in_order(path: str | Path, size: tuple[int, int]) -> Iterator[TimedFrame]:
    """Every frame from the first on, with its time, scaled and cut as `read_clip` does it: the same pixels.

    Args:
        path: of the video file.
        size: (height, width) of the frames, in pixels.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if a frame cannot be decoded.
    """
    first = first_frame(path)
    target, enlarged = _scaling((first.width, first.height), size)
    try:
        for seconds, frame in scaled_in_order(path, target):
            yield TimedFrame(seconds, middle(_reduced(frame[None], enlarged), size)[0])
    except PYAV_ERRORS as error:
        raise _unreadable(path) from error


def _scaling(source_size: tuple[int, int], crop: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The (width, height) to decode at so that `crop` is just covered, and how many times too large that is."""
    width, height = scaled_size(source_size, crop)
    enlarged = next(factor for factor in itertools.count(1) if _can_scale_to(factor * width))
    return (enlarged * width, enlarged * height), enlarged


def _reduced(frames: np.ndarray, factor: int) -> np.ndarray:
    """Frames (T, height, width, 3) with each square of `factor` pixels averaged."""
    if factor == 1:
        return frames
    num_frames, height, width, _ = frames.shape
    squares = frames.reshape(num_frames, height // factor, factor, width // factor, factor, 3)
    return squares.mean((2, 4)).round().astype(np.uint8)


def _can_scale_to(width: int) -> bool:
    """Whether decord can return RGB frames of this width, which it cannot for 8, 12, 16, 24, 48 and 72.

    ffmpeg pads the rows of a frame until their bytes are a multiple of 32; where the padded row is a whole multiple of
    the width, decord takes the padding for further channels.
    """
    padded_width = next(rounded for step in (1, 2, 4, 8, 16, 32) if (rounded := -(-width // step) * step) * 3 % 32 == 0)
    return padded_width == width or padded_width * 3 % width > 0


def seeks_exactly(path: str | Path) -> bool:
    """Whether decord opens a file and finds the right frames after a seek: at the end, the middle and key frames.

    decord 0.6 seeks to wrong frames without a word in some files: MPEG-2, and H.264 and HEVC with open groups of
    pictures.  After a seek there must be exactly the frames that decord finds in order, and those must be PyAV's.  AVI,
    WMV and MPEG program streams are never taken as exact.  Of a video of more than 3000 frames only the first 3000 are
    compared.

    Raises: FileNotFoundError if there is no such file.
    """
    if Path(path).suffix.lower() in _NEVER_EXACT and Path(path).exists():
        return False
    try:
        return _agrees_with_itself_and_pyav(path)
    except (UnreadableVideoError, IndexError, *PYAV_ERRORS):
        return False


def _agrees_with_itself_and_pyav(path: str | Path) -> bool:
    reader = _open(path, _CHECK_SIZE)
    num_frames = min(len(reader), _MAX_CHECKED_FRAMES)
    key_frames = [index for index in reader.get_key_indices() if 0 < index < num_frames]
    del reader
    some_key_frames = key_frames[:: -(-len(key_frames) // _NUM_CHECKED_KEY_FRAMES) or 1]
    starts = {max(0, num_frames - _CHECKED_RUN), num_frames // 2}
    starts |= {index + after for index in some_key_frames for after in range(3) if index + after < num_frames}
    runs = [range(start, min(start + _CHECKED_RUN, num_frames)) for start in starts]
    wanted = sorted(set().union(*runs))
    frames = _decode_in_order(_open(path, _CHECK_SIZE), wanted)
    difference = np.abs(frames.astype(np.float32) - decode_in_order(path, wanted, _CHECK_SIZE)).mean((1, 2, 3))
    if difference.max() > _LARGEST_DIFFERENCE:
        return False
    in_order = dict(zip(wanted, frames, strict=True))
    for run in runs:
        for index, frame in zip(run, _decode(path, run, True, _CHECK_SIZE), strict=True):
            if not np.array_equal(frame, in_order[index]):
                return False
    return True


def _read_picture(path: str | Path, crop: tuple[int, int] | None) -> np.ndarray:
    """(1, height, width, 3) uint8."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such picture")
    try:
        return np.stack([read_picture(path, crop)])
    except ValueError as error:
        raise UnreadableVideoError(str(error)) from error


def _decode(path: str | Path, indices: Sequence[int], exact_seek: bool, target: tuple[int, int]) -> np.ndarray:
    """Frames (T, height, width, C) uint8, scaled to `target` (width, height); (-1, -1) keeps their size."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such video file")
    if not exact_seek:
        try:
            return decode_in_order(path, indices, target)
        except IndexError as error:
            raise ValueError(str(error)) from error
        except PYAV_ERRORS as error:
            raise _unreadable(path) from error
    reader = _open(path, target)
    if len(indices) == 0 or min(indices) < 0 or max(indices) >= len(reader):
        raise ValueError(f"{path}: frames {list(indices)} asked for, but it has frames 0 to {len(reader) - 1}")
    try:
        return reader.get_batch(list(indices)).asnumpy()
    except _DECORD_ERRORS as error:
        raise _unreadable(path) from error


def _decode_in_order(reader: decord.VideoReader, indices: Sequence[int]) -> np.ndarray:
    """Decode from frame 0, keeping only the wanted frames in memory: (T, height, width, C)."""
    wanted, frames = set(indices), {}
    for index in range(max(indices) + 1):
        frame = reader.next()
        if index in wanted:
            frames[index] = frame.asnumpy()
    return np.stack([frames[index] for index in indices])


def _open(path: str | Path, target: tuple[int, int] = (-1, -1)) -> decord.VideoReader:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such video file")
    try:
        return decord.VideoReader(str(path), width=target[0], height=target[1], num_threads=1)
    except _DECORD_ERRORS as error:
        raise _unreadable(path) from error


def _unreadable(path: str | Path) -> UnreadableVideoError:
    return UnreadableVideoError(f"{path}: cannot decode this file; repair it, convert it to mp4 or remove it")
