"""Videos whose pixels say which video and which frame they are: a 4 x 4 board of black and white squares.

The first row's outer squares are white and black, so a mirrored frame is recognised; the other 14 squares are the bits
of the frame's number (9) and of the video's number (5).  The board fills the middle square of the picture.
"""

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch

SQUARES = 4
FRAME_BITS = 9
_BITS = [(row, column) for row in range(SQUARES) for column in range(SQUARES) if (row, column) not in ((0, 0), (0, 3))]


class Written(NamedTuple):
    video: int
    frames: list[int]
    flip: bool


def board(video: int, frame: int, width: int, height: int) -> np.ndarray:
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    side = min(width, height) // SQUARES
    top, left = (height - SQUARES * side) // 2, (width - SQUARES * side) // 2
    number = frame | video << FRAME_BITS
    values = {(0, 0): 1, (0, 3): 0} | {place: number >> bit & 1 for bit, place in enumerate(_BITS)}
    for (row, column), value in values.items():
        y, x = top + row * side, left + column * side
        picture[y : y + side, x : x + side] = 255 * value
    return picture


def read_clip_numbers(clip: torch.Tensor) -> Written:
    """What a clip (C, T, S, S) uint8 says of itself; all frames must be of one video and mirrored alike."""
    side = clip.shape[-1] / SQUARES
    inner = [slice(round((i + 0.25) * side), round((i + 0.75) * side)) for i in range(SQUARES)]
    frames = clip.numpy()  # (C, T, S, S)
    white = np.array([[frames[:, :, y, x].mean((0, 2, 3)) for x in inner] for y in inner]) > 127  # (4, 4, T)
    flips = {(bool(a), bool(b)) for a, b in zip(white[0, 3], white[0, 0], strict=True)}
    assert len(flips) == 1 and flips <= {(True, False), (False, True)}, f"frames are mirrored differently: {flips}"
    flip = flips == {(True, False)}
    white = white[:, ::-1] if flip else white
    numbers = [sum(int(white[place][t]) << bit for bit, place in enumerate(_BITS)) for t in range(clip.shape[1])]
    videos = {number >> FRAME_BITS for number in numbers}
    assert len(videos) == 1, f"frames of several videos in one clip: {videos}"
    return Written(videos.pop(), [number & (1 << FRAME_BITS) - 1 for number in numbers], flip)


def write_video(
    path: Path,
    pictures: list[np.ndarray],
    codec: str = "libx264",
    fps: int = 25,
    pixel_format: str = "yuv420p",
    **options: str,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width, _ = pictures[0].shape
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def write_numbered(
    path: Path, video: int = 0, num_frames: int = 40, width: int = 64, height: int = 64, **how: str
) -> Path:
    return write_video(path, [board(video, frame, width, height) for frame in range(num_frames)], **how)
