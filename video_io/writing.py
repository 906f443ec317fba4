"""Writing video files with PyAV."""

from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import av
import torch
from torch import Tensor

_BT601 = (
    6  # SMPTE 170M, the matrix that the conversion from RGB uses; written down so that every player undoes the same
)
_LIMITED_RANGE = 1


def write_video(path: str | Path, video: Tensor, fps: float, crf: int = 18, reproducible: bool = False) -> None:
    """Write one video as mp4: h264, yuv420p, index at the front (plays before it is wholly loaded), default key frames.

    The file appears under its name only when it is complete.  h264 in yuv420p needs even sizes: an odd height or width
    grows by one, the last row or column repeated.

    Args:
        path: of the file, ending in ".mp4"; its folder must exist; a file of this name is replaced.
        video: (C, T, H, W) uint8, C = 3 (RGB), on any device.
        fps: frames per second, above 0.
        crf: x264's constant rate factor, 0 (best) to 51 (smallest file); 18 is hard to tell from the original.
        reproducible: the same video gives the same bytes each time.  x264's assembly does not: its lookahead reads
            memory that it never wrote.  Without it the encoder takes about three times as long.

    Raises: ValueError if an argument is not as above, FileNotFoundError if there is no such folder, PermissionError if
        it may not be written to.
    """
    path = Path(path)
    _check(path, video, fps, crf)
    frames = _pad_to_even(video).permute(1, 2, 3, 0).contiguous().cpu().numpy()  # (T, H, W, C)
    partial = path.with_name(f".{path.stem}.{uuid4().hex}.mp4")  # the same folder, so that the rename is atomic
    try:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": str(crf), "x264-params": "asm=0" if reproducible else ""}
            stream.codec_context.thread_count = 1  # the bytes depend on it
            stream.codec_context.colorspace = _BT601
            stream.codec_context.color_range = _LIMITED_RANGE
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check(path: Path, video: Tensor, fps: float, crf: int) -> None:
    if path.suffix != ".mp4":
        raise ValueError(f"{path}: videos are written as mp4; let the name end in .mp4")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; make it before writing {path.name} into it")
    if video.dtype != torch.uint8:
        raise ValueError(f"a video to write must be uint8, not {video.dtype}; see float_to_uint8 in video_io.pixels")
    if video.ndim != 4 or video.shape[0] != 3 or 0 in video.shape:
        raise ValueError(f"a video to write must be (3, T, H, W) with nothing empty, not {tuple(video.shape)}")
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps must be above 0, not {fps}")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf must be from 0 to 51, not {crf}")


def _pad_to_even(video: Tensor) -> Tensor:
    """(C, T, H, W) with H and W even: the last row or column once more where it is odd."""
    height, width = video.shape[2:]
    if height % 2:
        video = torch.cat([video, video[:, :, -1:]], dim=2)
    if width % 2:
        video = torch.cat([video, video[:, :, :, -1:]], dim=3)
    return video
