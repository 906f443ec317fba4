"""How others read clips, to compare with: each is called with a video's number and the frames, as our readers are.

The frames of a clip are scaled until they cover the size, the middle cut out, as ours are.
"""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import decord
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from video_io.cropping import middle, scaled_size

ReadFrames = Callable[[int, range], Tensor]  # number of a video, its frames -> (3, T, H, W) uint8


class DecordAndResize:
    """decord at the video's own size, then torch's antialiased resize: what most people write."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `ReadFrames`."""
        reader = decord.VideoReader(str(self.paths[number]), num_threads=1)
        return _resized(torch.from_numpy(reader.get_batch(list(frames)).asnumpy()), self.size)


class PyAVSeek:
    """PyAV: seek to the key frame before, decode on, scale each wanted frame while it is made RGB."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size
        self.times = [times_of(path) for path in paths]

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `ReadFrames`."""
        times = self.times[number]
        wanted = {times[frame] for frame in frames}
        pictures = []
        with av.open(str(self.paths[number])) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(times[frames[0]], stream=stream)
            for frame in container.decode(stream):
                if frame.pts in wanted:
                    width, height = scaled_size((frame.width, frame.height), (self.size, self.size))
                    scaled = frame.reformat(width, height, format="rgb24", interpolation="BILINEAR")
                    pictures.append(scaled.to_ndarray())
                    if len(pictures) == len(frames):
                        break
        return _clip(middle(np.stack(pictures), (self.size, self.size)))


class VideoClipsLike:
    """What torchvision's `VideoClips` and `read_video` do with PyAV: all frames between two times, then a resize.

    Times of all frames are known beforehand; whole frames are made RGB, and five more are decoded than are wanted, in
    case that they do not come in order.
    """

    _BUFFERED = 5

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size
        self.times = [times_of(path) for path in paths]

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `ReadFrames`."""
        times = self.times[number]
        first, last = times[frames[0]], times[frames[-1]]
        decoded: dict[int, av.VideoFrame] = {}
        num_after = 0
        with av.open(str(self.paths[number]), metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            container.seek(max(first - 1, 0), any_frame=False, backward=True, stream=stream)
            for frame in container.decode(stream):
                assert frame.pts is not None
                decoded[frame.pts] = frame
                if frame.pts >= last:
                    num_after += 1
                    if num_after > self._BUFFERED:
                        break
        pictures = [decoded[time].to_rgb().to_ndarray() for time in sorted(decoded) if first <= time <= last]
        return _resized(torch.from_numpy(np.stack(pictures[:: frames.step])), self.size)


class OpenCVSeek:
    """OpenCV: set the position, read on, resize by area."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `ReadFrames`."""
        capture = cv2.VideoCapture(str(self.paths[number]), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        capture.set(cv2.CAP_PROP_POS_FRAMES, frames.start)
        pictures = []
        for frame in range(frames[0], frames[-1] + 1):
            done, picture = capture.read()
            assert done, f"{self.paths[number]}: OpenCV reads no frame {frame}"
            if frame in frames:
                height, width, _ = picture.shape
                scaled = cv2.resize(
                    picture, scaled_size((width, height), (self.size, self.size)), interpolation=cv2.INTER_AREA
                )
                pictures.append(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB))
        capture.release()
        return _clip(middle(np.stack(pictures), (self.size, self.size)))


class ZipOfFrames:
    """A zip of pictures with PIL, as StyleGAN-V's data set reads them: opened once by each process."""

    def __init__(self, path: Path, extension: str) -> None:
        self.path, self.extension = path, extension
        self._zip: zipfile.ZipFile | None = None
        self._process = 0

    def __call__(self, number: int, frames: range) -> Tensor:
        """See `ReadFrames`."""
        if self._zip is None or self._process != os.getpid():  # forked processes must not share a place in the file
            self._zip, self._process = zipfile.ZipFile(self.path), os.getpid()
        pictures = []
        for frame in frames:
            with self._zip.open(f"{number:05d}/{frame:06d}.{self.extension}") as file:
                pictures.append(np.array(Image.open(file)).transpose(2, 0, 1))
        return torch.from_numpy(np.stack(pictures, axis=1))

    def __getstate__(self) -> dict[str, object]:
        """Without the open file."""
        return {**vars(self), "_zip": None}


def times_of(path: Path) -> list[int]:
    """When each frame is shown, in the stream's own unit."""
    with av.open(str(path)) as container:
        return sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)


def _resized(frames: Tensor, size: int) -> Tensor:
    """(T, H, W, 3) uint8 -> (3, T, size, size) uint8."""
    height, width = frames.shape[1:3]
    width, height = scaled_size((width, height), (size, size))
    scaled = F.interpolate(frames.permute(0, 3, 1, 2).float(), (height, width), mode="bilinear", antialias=True)
    pictures = scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return _clip(middle(pictures, (size, size)))


def _clip(frames: np.ndarray) -> Tensor:
    """(T, H, W, 3) -> (3, T, H, W)."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2).contiguous()
