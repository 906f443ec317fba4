"""Reading video files with decord; no other file imports it.

A reader is opened for one request and dropped at once.  Kept open, it decodes ahead in its own thread and holds tens of
megabytes, and a reader that lives in a parent process hangs or aborts its forked workers.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av  # noqa: F401 (before decord, which opens its own FFmpeg for all: av after it encodes no VP9)
import decord
import numpy as np
import torch
from torch import Tensor

VIDEO_EXTENSIONS = (".avi", ".mkv", ".mov", ".mp4", ".webm")

_DECORD_ERRORS = (RuntimeError, AssertionError, decord.DECORDError)
# How `seeks_exactly` tries a file: runs of so many frames, at this width and height in pixels.
_CHECKED_RUN = 4
_NUM_CHECKED_KEY_FRAMES = 4
_MAX_CHECKED_FRAMES = 3000
_CHECK_SIZE = (64, 64)

decord.logging.set_level(decord.logging.QUIET)


class UnreadableVideoError(ValueError):
    """A file that cannot be decoded; the message is one line and names the file."""


class VideoProperties(NamedTuple):
    """What a video is: `width` and `height` in pixels as displayed (rotation applied), `fps` in frames per second.

    `exact_seek` is False if decord returns other frames after a seek than in order (see `seeks_exactly`).
    """

    num_frames: int
    width: int
    height: int
    fps: float
    exact_seek: bool


def is_video(path: Path) -> bool:
    """Whether the extension, in any case, is one of `VIDEO_EXTENSIONS`."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def probe(path: str | Path, try_seeking: bool = True) -> VideoProperties:
    """Measure a video, and try whether seeking in it is exact, for which it is decoded once.

    Without `try_seeking` it is not decoded, and `exact_seek` is False.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded.
    """
    reader = _open(path)
    try:
        height, width, _ = reader[0].shape
        fps = float(reader.get_avg_fps())
    except _DECORD_ERRORS as error:
        raise _unreadable(path) from error
    num_frames = len(reader)
    del reader
    return VideoProperties(num_frames, width, height, fps, try_seeking and seeks_exactly(path))


def read_clip(
    path: str | Path,
    frame_indices: Sequence[int],
    size: int | tuple[int, int] | None,
    properties: VideoProperties | None = None,
) -> Tensor:
    """Read frames as a clip: scaled until they just cover `size`, the aspect kept, the middle cut out.

    Scaling is antialiased and done by decord while it decodes.  Rotation metadata is applied before scaling.

    Args:
        path: of the video file.
        frame_indices: numbers of the frames, from 0, rising.
        size: (height, width) of the clip, in pixels; one number for both scales the short side to it; None keeps the
            video's own size.
        properties: of the video, from an earlier `probe`; None probes it now, which decodes the whole video.

    Shapes: returns (C, T, H, W) uint8 with C = 3 (RGB), T = len(frame_indices), (H, W) = size.
    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded, ValueError if a
        frame lies outside the video.
    """
    properties = properties or probe(path)
    if size is None:
        return _as_clip(_decode_own_size(path, frame_indices, properties))
    crop = (size, size) if isinstance(size, int) else size
    target, enlarged = _scaling(properties, crop)
    frames = _decode(path, frame_indices, properties.exact_seek, target)
    return _as_clip(middle(_reduced(frames, enlarged), crop))


def frames_in_order(
    path: str | Path, size: tuple[int, int], properties: VideoProperties, stop: int | None = None
) -> Iterator[np.ndarray]:
    """Every frame from the first on, scaled and cut as `read_clip` does it: the same pixels, (height, width, 3) uint8.

    In order decord is right also where it seeks to wrong frames.

    Args:
        path: of the video file.
        size: (height, width) of the frames, in pixels.
        properties: of the video, see `probe`.
        stop: the first frame that is not wanted any more; None goes on to the end.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if a frame cannot be decoded.
    """
    target, enlarged = _scaling(properties, size)
    reader = _open(path, target)
    for index in range(len(reader) if stop is None else min(stop, len(reader))):
        try:
            frame = reader.next().asnumpy()
        except (*_DECORD_ERRORS, StopIteration) as error:
            raise UnreadableVideoError(f"{path}: frame {index} of {len(reader)} cannot be decoded") from error
        yield middle(_reduced(frame[None], enlarged), size)[0]


def frame_times(path: str | Path) -> np.ndarray:
    """When each frame is shown, in seconds after the first: (T,) float64, rising.

    Raises: FileNotFoundError if there is no such file, UnreadableVideoError if it cannot be decoded.
    """
    reader = _open(path)
    try:
        starts = np.asarray(reader.get_frame_timestamp(range(len(reader))), np.float64)[:, 0]
    except _DECORD_ERRORS as error:
        raise _unreadable(path) from error
    return starts - starts[0]


def scaled_size(source_size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
    """The least (width, height) with the aspect of `source_size` (width, height) that covers `crop` (height, width).

    One side is that of the crop, the other to the nearest pixel.
    """
    width, height = source_size
    crop_height, crop_width = crop
    over, under = (crop_width, width) if crop_width * height >= crop_height * width else (crop_height, height)
    return (2 * width * over + under) // (2 * under), (2 * height * over + under) // (2 * under)


def middle(frames: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """The middle of frames (T, height, width, C), `crop` (height, width) in size."""
    crop_height, crop_width = crop
    top, left = (frames.shape[1] - crop_height) // 2, (frames.shape[2] - crop_width) // 2
    return frames[:, top : top + crop_height, left : left + crop_width]


def _scaling(properties: VideoProperties, crop: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """The (width, height) to decode at so that `crop` is just covered, and how many times too large that is."""
    width, height = scaled_size((properties.width, properties.height), crop)
    enlarged = next(factor for factor in itertools.count(1) if _can_scale_to(factor * width))
    return (enlarged * width, enlarged * height), enlarged


def _reduced(frames: np.ndarray, factor: int) -> np.ndarray:
    """Frames (T, height, width, 3) with each square of `factor` pixels averaged."""
    if factor == 1:
        return frames
    num_frames, height, width, _ = frames.shape
    squares = frames.reshape(num_frames, height // factor, factor, width // factor, factor, 3)
    return squares.mean((2, 4)).round().astype(np.uint8)


def _as_clip(frames: np.ndarray) -> Tensor:
    """(T, H, W, C) -> (C, T, H, W)."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2).contiguous()


def _decode_own_size(path: str | Path, indices: Sequence[int], properties: VideoProperties) -> np.ndarray:
    """Frames (T, height, width, 3) as they are; for the widths of `_can_scale_to` row padding is cut off."""
    width, height = properties.width, properties.height
    exact_seek = properties.exact_seek and _can_scale_to(width)  # decord gives padded frames one at a time only
    frames = _decode(path, indices, exact_seek, (-1, -1))
    return frames.reshape(len(frames), height, -1)[:, :, : 3 * width].reshape(-1, height, width, 3)


def _can_scale_to(width: int) -> bool:
    """Whether decord can return RGB frames of this width, which it cannot for 8, 12, 16, 24, 48 and 72.

    ffmpeg pads the rows of a frame until their bytes are a multiple of 32; where the padded row is a whole multiple of
    the width, decord takes the padding for further channels.
    """
    padded_width = next(rounded for step in (1, 2, 4, 8, 16, 32) if (rounded := -(-width // step) * step) * 3 % 32 == 0)
    return padded_width == width or padded_width * 3 % width > 0


def seeks_exactly(path: str | Path) -> bool:
    """Whether decord finds the same frames after a seek as in order: at the end, in the middle and after key frames.

    decord 0.6 seeks to wrong frames without a word in some files: MPEG-2, and H.264 and HEVC with open groups of
    pictures.  In order from frame 0 the same files are right.  AVI is never taken as exact: it stores no time of
    display, and with B-frames decord's answer near the end changes from one call to the next.  Of a video of more than
    3000 frames only the first 3000 are compared.

    Raises: UnreadableVideoError if a frame cannot be decoded.
    """
    if Path(path).suffix.lower() == ".avi":
        return False
    reader = _open(path, _CHECK_SIZE)
    num_frames = min(len(reader), _MAX_CHECKED_FRAMES)
    key_frames = [index for index in reader.get_key_indices() if 0 < index < num_frames]
    del reader
    some_key_frames = key_frames[:: -(-len(key_frames) // _NUM_CHECKED_KEY_FRAMES) or 1]
    starts = {max(0, num_frames - _CHECKED_RUN), num_frames // 2}
    starts |= {index + after for index in some_key_frames for after in range(3) if index + after < num_frames}
    runs = [range(start, min(start + _CHECKED_RUN, num_frames)) for start in starts]
    wanted = sorted(set().union(*runs))
    in_order = dict(zip(wanted, _decode(path, wanted, False, _CHECK_SIZE), strict=True))
    for run in runs:
        for index, frame in zip(run, _decode(path, run, True, _CHECK_SIZE), strict=True):
            if not np.array_equal(frame, in_order[index]):
                return False
    return True


def _decode(path: str | Path, indices: Sequence[int], exact_seek: bool, target: tuple[int, int]) -> np.ndarray:
    """Frames (T, height, width, C) uint8, scaled to `target` (width, height); (-1, -1) keeps their size."""
    reader = _open(path, target)
    if len(indices) == 0 or min(indices) < 0 or max(indices) >= len(reader):
        raise ValueError(f"{path}: frames {list(indices)} asked for, but it has frames 0 to {len(reader) - 1}")
    try:
        return reader.get_batch(list(indices)).asnumpy() if exact_seek else _decode_in_order(reader, indices)
    except (*_DECORD_ERRORS, StopIteration) as error:
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
    return UnreadableVideoError(f"{path}: decord cannot decode this file; repair it, convert it to mp4 or remove it")
