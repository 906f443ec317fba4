"""Clips as tensors: decodes the clip that stands at a position."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from datamodules.clip_sampling import ClipChoice
from datamodules.video_table import Video, VideoTable
from video_io.reading import read_clip

ReadFrames = Callable[[int, range], Tensor]  # number of a video, its frames -> (C, T, H, W) uint8


class VideoFileReader:
    """Reads frames of video files.

    Args:
        root: folder that the videos' paths start from.
        videos: of a split, by their numbers.
        size: H = W, in pixels.
    """

    def __init__(self, root: Path, videos: Sequence[Video], size: int) -> None:
        self.root = root
        self.videos = videos
        self.size = size

    def __call__(self, number: int, frames: range) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8."""
        video = self.videos[number]
        return read_clip(self.root / video.path, frames, self.size, video.properties)


class ClipDataset(Dataset):
    """Position p -> dict(clip=(C, T, H, W) uint8, label=int, position=p): the chosen frames of the chosen video.

    It has no length; the stream of training clips is endless.  No reader is kept between two clips, so it can be handed
    to workers by fork and by spawn.

    Args:
        videos: of the split, numbered as `choose` numbers them.
        choose: which clip stands at a position.
        num_frames: T.
        read: reads frames of these videos.
        keep_decoded: decode each video whole when it is first needed and keep its frames, num_frames * 3 * size^2 bytes
            each; every worker keeps its own.
    """

    def __init__(
        self,
        videos: VideoTable,
        choose: Callable[[int], ClipChoice],
        num_frames: int,
        read: ReadFrames,
        keep_decoded: bool = False,
    ) -> None:
        self.videos = videos
        self.choose = choose
        self.num_frames = num_frames
        self.read = read
        self.keep_decoded = keep_decoded
        self._decoded: dict[int, Tensor] = {}  # number of a video -> (C, all its frames, H, W) uint8

    def __getitem__(self, position: int) -> dict[str, Any]:
        choice = self.choose(position)
        clip = self._read(choice.video, choice.frames(self.num_frames))
        if choice.flip:
            clip = clip.flip(-1)  # one decision a clip: every frame of it is mirrored
        return {"clip": clip, "label": int(self.videos.labels[choice.video]), "position": position}

    def _read(self, number: int, frames: range) -> Tensor:
        """Frames of a video, (C, T, H, W) uint8."""
        if not self.keep_decoded:
            return self.read(number, frames)
        if number not in self._decoded:
            self._decoded[number] = self.read(number, range(int(self.videos.num_frames[number])))
        return self._decoded[number][:, frames.start : frames.stop : frames.step]


class FixedClipDataset(ClipDataset):
    """The first `num_clips` positions of a `ClipDataset`, so that it has a length and an end."""

    def __init__(self, *, num_clips: int, **clips: Any) -> None:
        super().__init__(**clips)
        self.num_clips = num_clips

    @cached_property
    def labels(self) -> list[int]:
        """The label of each item, without decoding anything."""
        return [int(self.videos.labels[self.choose(position).video]) for position in range(self.num_clips)]

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < self.num_clips:
            raise IndexError(f"clip {position} of {self.num_clips}")
        return super().__getitem__(position)
