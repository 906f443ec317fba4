"""Decoding video files with PyAV, in order from the first frame: slow, but right whatever the file.

Frames come in the order of display.  They are scaled by the filter with which decord scales, so that a frame has the
same pixels whichever of the two decodes it.
"""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.filter import Graph

PYAV_ERRORS = (av.FFmpegError, EOFError, ValueError)  # ValueError: no video stream, frames of several sizes
_LISTS = {"concat", "hls", "dash"}  # what FFmpeg takes for videos although their frames are in other files
# Degrees by which a frame is to be turned, counter-clockwise -> the filters that do it.
_TURNS = {0: (), 90: (("transpose", "cclock"),), 180: (("hflip", ""), ("vflip", "")), 270: (("transpose", "clock"),)}


class FirstFrame(NamedTuple):
    """Width and height in pixels as displayed, and frames per second."""

    width: int
    height: int
    fps: float


class TimedFrame(NamedTuple):
    """A frame (H, W, 3) uint8, and when it is shown, in seconds after the first."""

    seconds: float
    pixels: np.ndarray


def look_at_first(path: str | Path) -> FirstFrame:
    """What the first frame tells; the others are not decoded.

    Raises: one of `PYAV_ERRORS` if it cannot be decoded.
    """
    with _opened(path) as (stream, frames):
        return _first_of(stream, next(frames, None))


def measure(path: str | Path) -> tuple[int, int, int, float]:
    """Frames, width and height in pixels as displayed, and frames per second; the whole video is decoded.

    Raises: one of `PYAV_ERRORS` if it cannot be decoded.
    """
    with _opened(path) as (stream, frames):
        first = _first_of(stream, next(frames, None))
        return 1 + sum(1 for _ in frames), *first


def decode_in_order(path: str | Path, indices: Sequence[int], target: tuple[int, int]) -> np.ndarray:
    """The frames of some numbers, (T, height, width, 3) uint8.

    Args:
        path: of the file.
        indices: numbers of the frames, from 0.
        target: (width, height), rotation applied; (-1, -1) keeps the size.

    Raises: IndexError, in one line, if the video has no such frame; one of `PYAV_ERRORS` if it cannot be decoded.
    """
    index, kept, last = -1, dict[int, np.ndarray](), max(indices, default=-1)
    for index, scaled in _scaled(path, target, set(indices)):
        if scaled is not None:
            kept[index] = scaled.pixels
        if index == last:
            break
    if not indices or len(kept) < len(set(indices)):
        raise IndexError(f"{path}: frames {list(indices)} asked for, but it has frames 0 to {index}")
    return np.stack([kept[index] for index in indices])


def scaled_in_order(path: str | Path, target: tuple[int, int]) -> Iterator[TimedFrame]:
    """Every frame, in order.

    Args:
        path: of the file.
        target: (width, height), rotation applied; (-1, -1) keeps the size.

    Raises: one of `PYAV_ERRORS` if it cannot be decoded.
    """
    return (scaled for _, scaled in _scaled(path, target, None) if scaled is not None)


def _scaled(
    path: str | Path, target: tuple[int, int], wanted: Container[int] | None
) -> Iterator[tuple[int, TimedFrame | None]]:
    """The number of each frame, and the frame if it is wanted; None wants all."""
    graph, graph_of, begin = None, None, 0.0
    with _opened(path) as (_, frames):
        for index, frame in enumerate(frames):
            time = begin if frame.time is None else frame.time
            begin = time if index == 0 else begin
            if wanted is not None and index not in wanted:
                yield index, None
                continue
            looks = frame.width, frame.height, frame.format.name, frame.rotation % 360
            if graph is None or looks != graph_of:  # in some files the size changes on the way
                graph, graph_of = _graph(frame, target), looks
            graph.push(frame)
            yield index, TimedFrame(time - begin, graph.pull().to_ndarray())


def _first_of(stream: av.VideoStream, frame: av.VideoFrame | None) -> FirstFrame:
    if frame is None:
        raise ValueError("no frame")
    rate = stream.average_rate or stream.guessed_rate
    size = (frame.width, frame.height) if frame.rotation % 180 == 0 else (frame.height, frame.width)
    return FirstFrame(*size, float(rate or 0))


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[av.VideoStream, Iterator[av.VideoFrame]]]:
    with av.open(str(path)) as container:
        if container.format.name in _LISTS:
            raise ValueError("a list of other files")
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise ValueError("no video stream")
        if stream.codec_context is None:  # of a kind that this FFmpeg has no decoder for, such as SVG
            raise ValueError("no decoder")
        stream.codec_context.thread_count = 1  # workers are the parallelism
        yield stream, (frame for packet in container.demux(stream) for frame in packet.decode())


def _graph(frame: av.VideoFrame, target: tuple[int, int]) -> Graph:
    """Turn upright, scale, make RGB."""
    filters = [*_TURNS[round(frame.rotation / 90) * 90 % 360]]
    if target != (-1, -1):
        filters.append(("scale", f"{target[0]}:{target[1]}:flags=bilinear"))
    graph = Graph()
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    for name, arguments in (*filters, ("format", "rgb24"), ("buffersink", None)):
        following = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(following)
        last = following
    graph.configure()
    return graph
