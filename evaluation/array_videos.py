"""An .npy or .pt file with an array of videos as a source of videos."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.index_cache import Row, rows_of, stamp_of
from evaluation.video_source import Size, VideoSource, as_clip, checked_frames
from video_io.pictures import scaled_and_cut

ARRAY_EXTENSIONS = (".npy", ".pt")
LAYOUTS = "uint8 (N, T, H, W, C) or (N, C, T, H, W) with C = 3 or 1"


class ArrayVideos(VideoSource):
    """Videos of one length and size in a file, which stays on the disk: only the frames that are asked for are read.

    Args:
        path: an .npy file of `numpy.save`, or a .pt file of `torch.save` with one tensor.  uint8, (N, T, H, W, C) or
            (N, C, T, H, W); where the 3 or 1 channels are tells them apart.
        fps: frames per second, which an array does not tell.

    A video's name is its number, its class the file's name.
    Raises: FileNotFoundError, or ValueError, in one line, if it is no such array.
    """

    kind = "array"

    def __init__(self, path: str | Path, fps: float | None = None) -> None:
        self.path = Path(path)
        num_videos = len(self.videos)
        digits = len(str(num_videos - 1))
        self.names = tuple(f"{index:0{digits}}" for index in range(num_videos))
        self.labels = (0,) * num_videos
        self.class_names = (self.path.stem,)
        self.fps = fps

    @cached_property
    def videos(self) -> np.ndarray:
        """(N, T, H, W, C) uint8, mapped from the file."""
        return channels_last(load(self.path), self.path)

    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""
        return self.videos.shape[1]

    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""
        return self.videos.shape[2], self.videos.shape[3]

    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8."""
        wanted = checked_frames(self.names[index], frames, self.videos.shape[1])
        return as_clip([scaled_and_cut(np.ascontiguousarray(self.videos[index, frame]), size) for frame in wanted])

    def sha256(self, index: int) -> str:
        """Over the shape and the pixels, in hex: the same for either layout and kind of file."""
        return self._rows[self.names[index]]["sha256"]

    @cached_property
    def _rows(self) -> dict[str, Row]:
        """Hashed when first asked for, and known from then on by size and times of change of the file."""
        stamp = stamp_of(self.path)
        return rows_of(self.path, dict.fromkeys(self.names, stamp), self._hash, lambda row: row["sha256"], kind="array")

    def _hash(self, names: Sequence[str]) -> dict[str, Row]:
        def digest(name: str) -> str:
            video = np.ascontiguousarray(self.videos[int(name)])  # (T, H, W, C)
            content = hashlib.sha256(repr(video.shape).encode())
            content.update(video.data)
            return content.hexdigest()

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            return {name: {"sha256": sha256} for name, sha256 in zip(names, pool.map(digest, names), strict=True)}

    def __getstate__(self) -> dict[str, object]:
        """Without the array: a worker maps the file itself."""
        return {name: value for name, value in vars(self).items() if name != "videos"}


def load(path: Path) -> np.ndarray:
    """The array in a file, mapped into memory; nothing in the file is run.

    Raises: FileNotFoundError, or ValueError if it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    is_npy = path.suffix.lower() == ".npy"
    try:
        if is_npy:
            content = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # whatever a reader of broken files raises
        raise ValueError(f"{path}: cannot be read as {'an array' if is_npy else 'a tensor'}") from error
    if isinstance(content, Tensor) and content.dtype == torch.uint8 and content.layout == torch.strided:
        return content.numpy()
    if isinstance(content, Tensor):  # numpy has not all kinds that torch has
        raise ValueError(
            f"{path}: a tensor of {content.dtype}, {content.layout}; videos are {LAYOUTS}; convert it from [-1, 1] "
            "with (127.5 * x + 128).clamp(0, 255).byte(), from [0, 1] with 255 * x in the same way"
        )
    if not isinstance(content, np.ndarray):
        kind = "array" if is_npy else "tensor"
        raise ValueError(f"{path}: holds a {type(content).__name__}; save one {kind} of videos, {LAYOUTS}")
    return content


def channels_last(array: np.ndarray, path: Path) -> np.ndarray:
    """A view (N, T, H, W, C) of an array of either layout.

    Raises: ValueError, in one line that says how to convert it, if it is not uint8 or its layout cannot be told.
    """
    if array.dtype != np.uint8:
        how = (
            "from [-1, 1] with (127.5 * x + 128).clip(0, 255).astype('uint8'), from [0, 1] with 255 * x in the same way"
            if array.dtype.kind == "f"
            else "with x.astype('uint8') if they are 0 to 255"
        )
        raise ValueError(f"{path}: {array.dtype} pixels; videos are {LAYOUTS}; convert them {how}")
    shape = array.shape
    if len(shape) != 5 or 0 in shape:
        raise ValueError(f"{path}: an array of shape {shape}; videos are {LAYOUTS}, nothing empty")
    last, first = shape[-1] in (1, 3), shape[1] in (1, 3)
    if last == first:
        problem = "could be of either layout" if last else "has its 3 or 1 channels nowhere"
        raise ValueError(
            f"{path}: an array of shape {shape} {problem}; videos are {LAYOUTS}; save it as (N, T, H, W, C) with "
            "T and W other than 1 and 3"
        )
    return array if last else np.moveaxis(array, 1, -1)
