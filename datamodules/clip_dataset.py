"""Clips as tensors: decodes the clip that stands at a position."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from datamodules.clip_sampling import ClipChoice
from datamodules.video_index import Video
from video_io.reading import read_clip


class ClipDataset(Dataset):
    """Position p -> dict(clip=(C, T, H, W) uint8, label=int): frames start, start + stride, ... of the chosen video.

    It has no length; the stream of training clips is endless.  No reader is kept between two clips, so it can be handed
    to workers by fork and by spawn.

    Args:
        root: folder that the videos' paths start from.
        videos: of the split, numbered as `choose` numbers them.
        choose: which clip stands at a position.
        num_frames: T.
        frame_stride: every how many frames of the video; 1 takes each.
        size: H = W, in pixels.
    """

    def __init__(
        self,
        root: Path,
        videos: Sequence[Video],
        choose: Callable[[int], ClipChoice],
        num_frames: int,
        frame_stride: int,
        size: int,
    ) -> None:
        self.root = root
        self.videos = videos
        self.choose = choose
        self.num_frames = num_frames
        self.frame_stride = frame_stride
        self.size = size

    def __getitem__(self, position: int) -> dict[str, Any]:
        choice = self.choose(position)
        video = self.videos[choice.video]
        clip = read_clip(
            self.root / video.path,
            range(choice.start_frame, choice.start_frame + self.num_frames * self.frame_stride, self.frame_stride),
            self.size,
            video.properties,
        )
        if choice.flip:
            clip = clip.flip(-1)  # one decision a clip: every frame of it is mirrored
        return {"clip": clip, "label": video.label}


class FixedClipDataset(ClipDataset):
    """The first `num_clips` positions of a `ClipDataset`, so that it has a length and an end."""

    def __init__(self, *, num_clips: int, **clips: Any) -> None:
        super().__init__(**clips)
        self.num_clips = num_clips

    @cached_property
    def labels(self) -> list[int]:
        """The label of each item, without decoding anything."""
        return [self.videos[self.choose(position).video].label for position in range(self.num_clips)]

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < self.num_clips:
            raise IndexError(f"clip {position} of {self.num_clips}")
        return super().__getitem__(position)
