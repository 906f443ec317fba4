"""Decoding video files with PyAV, in order from the first frame: slow, but right whatever the file.

Frames come in the order of display.  They are scaled by the filter with which decord scales, so that a frame has the
same pixels whichever of the two decodes it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

PYAV_ERRORS = (av.FFmpegError, EOFError, ValueError)  # ValueError: no video stream, frames of several sizes
# Degrees by which a frame is to be turned, counter-clockwise -> the filters that do it.
_TURNS = {0: (), 90: (("transpose", "cclock"),), 180: (("hflip", ""), ("vflip", "")), 270: (("transpose", "clock"),)}


def measure(path: str | Path) -> tuple[int, int, int, float]:
    """Frames, width and height in pixels as displayed, and frames per second; the whole video is decoded.

    Raises: one of `PYAV_ERRORS` if it cannot be decoded.
    """
    num_frames, size = 0, (0, 0)
    with _opened(path) as (stream, frames):
        for num_frames, frame in enumerate(frames, start=1):
            if num_frames == 1:
                size = (frame.width, frame.height) if frame.rotation % 180 == 0 else (frame.height, frame.width)
        rate = stream.average_rate or stream.guessed_rate
    if num_frames == 0:
        raise ValueError("no frame")
    return num_frames, *size, float(rate or 0)


def decode_in_order(path: str | Path, indices: Sequence[int], target: tuple[int, int]) -> np.ndarray:
    """The frames of some numbers, (T, height, width, 3) uint8.

    Args:
        path: of the file.
        indices: numbers of the frames, from 0.
        target: (width, height), rotation applied; (-1, -1) keeps the size.

    Raises: IndexError, in one line, if the video has no such frame; one of `PYAV_ERRORS` if it cannot be decoded.
    """
    wanted, last = set(indices), max(indices, default=-1)
    index, kept = -1, dict[int, np.ndarray]()
    graph, graph_of = None, None
    with _opened(path) as (_, frames):
        for index, frame in enumerate(frames):
            if index in wanted:
                looks = frame.width, frame.height, frame.format.name, frame.rotation % 360
                if graph is None or looks != graph_of:  # in some files the size changes on the way
                    graph, graph_of = _graph(frame, target), looks
                graph.push(frame)
                kept[index] = graph.pull().to_ndarray()
            if index == last:
                break
    if not wanted or len(kept) < len(wanted):
        raise IndexError(f"{path}: frames {list(indices)} asked for, but it has frames 0 to {index}")
    return np.stack([kept[index] for index in indices])


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[av.VideoStream, Iterator[av.VideoFrame]]]:
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise ValueError("no video stream")
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
