"""Videos to measure, wherever they come from: sorted by name, of known lengths, read frame by frame."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from video_io.folders import name_a_few

Size = tuple[int, int]  # (height, width) in pixels


class VideoSource(ABC):
    """A set of videos, numbered from 0 in the order of their names.

    Attributes:
        path: what was opened.
        kind: what it is, in words.
        names: relative paths, with "/", sorted; or the numbers of the rows of an array.
        labels: class of each video, a place in `class_names`.
        class_names: names of the classes, sorted; there is at least one.
        fps: frames per second; None where the files do not say.

    A source may be handed to workers, by fork and by spawn.
    """

    path: Path
    kind: str
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    fps: float | None

    @abstractmethod
    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""

    @abstractmethod
    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""

    @abstractmethod
    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8; C is 3 (RGB), or 1 in a grey array.

        Args:
            index: of the video.
            frames: their numbers, from 0, rising.
            size: (height, width) to make them: scaled, antialiased, until they just cover it, the aspect kept, and the
                middle cut out.  None leaves them as they are.

        Raises: ValueError, in one line, if the video has no such frame or cannot be decoded.
        """

    @abstractmethod
    def sha256(self, index: int) -> str:
        """Of the content of a video, in hex."""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Frames of each video."""
        return tuple(self.num_frames(index) for index in range(len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over names and contents: other videos, another fingerprint.

        That of a folder of videos is what `VideoFolder.fingerprint` says of the same ones.
        """
        lines = [f"{name}\0{self.sha256(index)}\n" for index, name in enumerate(self.names)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def describe(self) -> str:
        """One line for the screen: how many videos and classes, how long and how large."""
        sizes = Counter(self.frame_size(index) for index in range(len(self)))
        (height, width), _ = sizes.most_common(1)[0]
        others = f" (and {counted(len(sizes) - 1, 'other size')})" if len(sizes) > 1 else ""
        shortest, longest = min(self.lengths), max(self.lengths)
        length = f"{shortest} to {longest}" if shortest < longest else f"{longest}"
        fps = f", {self.fps:g} fps" if self.fps is not None else ""
        return (
            f"{self.path.resolve().name}: {counted(len(self), 'video')} in {counted(len(set(self.labels)), 'class')}, "
            f"{length} frames of {width}x{height}{others}{fps}; {self.kind}"
        )

    def restricted_to(self, names: Sequence[str]) -> "VideoSource":
        """The videos of these names alone; classes keep their numbers.

        Raises: ValueError if there is none, or no video of such a name.
        """
        known = set(self.names)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"{self.path}: there is no video {name_a_few(unknown)}; the names are like {self.names[0]}"
            )
        wanted = set(names)
        return SelectedVideos(self, [index for index, name in enumerate(self.names) if name in wanted])

    def of_classes(self, class_names: Sequence[str]) -> "VideoSource":
        """The videos of these classes alone; classes keep their numbers.

        Raises: ValueError if there is no such class.
        """
        unknown = [name for name in class_names if name not in self.class_names]
        if unknown:
            raise ValueError(
                f"{self.path}: there is no class {name_a_few(unknown)}; there are {', '.join(self.class_names)}"
            )
        wanted = {self.class_names.index(name) for name in class_names}
        return SelectedVideos(self, [index for index, label in enumerate(self.labels) if label in wanted])


class SelectedVideos(VideoSource):
    """Some videos of a source, in its order.

    Args:
        source: all of them.
        indices: which, rising; at least one.

    Raises: ValueError if there is none.
    """

    def __init__(self, source: VideoSource, indices: Sequence[int]) -> None:
        if len(indices) == 0:
            raise ValueError(f"{source.path}: no video is left; the list or the classes name none")
        self.source = source
        self.indices = tuple(indices)
        self.path = source.path
        self.kind = source.kind
        self.names = tuple(source.names[index] for index in indices)
        self.labels = tuple(source.labels[index] for index in indices)
        self.class_names = source.class_names
        self.fps = source.fps

    def num_frames(self, index: int) -> int:
        """Frames of a whole video."""
        return self.source.num_frames(self.indices[index])

    def frame_size(self, index: int) -> Size:
        """(height, width) of a video's frames, in pixels."""
        return self.source.frame_size(self.indices[index])

    def read(self, index: int, frames: Sequence[int], size: Size | None = None) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8."""
        return self.source.read(self.indices[index], frames, size)

    def sha256(self, index: int) -> str:
        """Of the content of a video, in hex."""
        return self.source.sha256(self.indices[index])


def checked_frames(name: str, frames: Sequence[int], num_frames: int) -> Sequence[int]:
    """The numbers of frames.

    Raises: ValueError if there is none, or a video of so many frames has not all of them.
    """
    if len(frames) == 0 or min(frames) < 0 or max(frames) >= num_frames:
        raise ValueError(f"{name}: frames {list(frames)} asked for, but it has frames 0 to {num_frames - 1}")
    return frames


def as_clip(frames: Sequence[np.ndarray]) -> Tensor:
    """Pictures (H, W, C) uint8 of one size -> (C, T, H, W)."""
    return torch.from_numpy(np.stack(frames)).permute(3, 0, 1, 2).contiguous()


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 class, 2 classes."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
