"""The clips that a protocol has chosen of a source, as a data set."""

from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset

from evaluation.video_source import Size, VideoSource
from metrics.clip_rules import ClipStart, clip_span


class ClipsOfSource(Dataset):
    """Item i -> dict(clip=(C, T, H, W) uint8, label=int, name=str), the chosen clip number i.

    A `DataLoader` asks for a whole batch at a time: clips of one video that overlap or touch are then read together,
    with each frame decoded once, which matters where every window or every frame is measured.

    Args:
        source: the videos.
        choices: which clips, see `metrics.clip_rules.choose`.
        num_frames: T.
        frame_stride: every how many-th frame of the video; 1 takes each.
        size: (height, width) of the clips in pixels; None where all videos are of one size, which is kept.

    Raises: ValueError, in one line, if there is no clip, or if videos of several sizes are to keep their own.
    """

    def __init__(
        self,
        source: VideoSource,
        choices: Sequence[ClipStart],
        num_frames: int,
        frame_stride: int = 1,
        size: Size | None = None,
    ) -> None:
        if len(choices) == 0:
            raise ValueError(f"{source.path}: no clip was chosen")
        if size is None:
            one, *others = sorted({source.frame_size(index) for index in range(len(source))})
            if others:
                raise ValueError(
                    f"{source.path}: the videos are of {len(others) + 1} sizes, {one[1]}x{one[0]} and "
                    f"{others[-1][1]}x{others[-1][0]} among them; say to which size to bring them"
                )
            size = one
        self.source = source
        self.choices = choices
        self.num_frames = num_frames
        self.frame_stride = frame_stride
        self.size = size

    @property
    def labels(self) -> list[int]:
        """The label of each item, without reading anything."""
        return [self.source.labels[choice.video] for choice in self.choices]

    def name(self, index: int) -> str:
        """The video of an item, and the frame at which the clip starts if it is not the first."""
        video, start_frame = self.choices[index]
        return self.source.names[video] + (f" from frame {start_frame}" if start_frame else "")

    def __len__(self) -> int:
        return len(self.choices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several items, in the order asked for."""
        items: dict[int, dict[str, Any]] = {}
        for together in self._neighbours(indices):
            video = self.choices[together[0]].video
            frames = sorted({frame for index in together for frame in self._frames(index)})
            place = {frame: number for number, frame in enumerate(frames)}
            read = self.source.read(video, frames, self.size)  # (C, all frames, H, W)
            for index in together:
                clip = read[:, [place[frame] for frame in self._frames(index)]]
                items[index] = {"clip": clip, "label": self.source.labels[video], "name": self.name(index)}
        return [items[index] for index in indices]

    def _frames(self, index: int) -> range:
        start_frame = self.choices[index].start_frame
        return range(start_frame, start_frame + self.num_frames * self.frame_stride, self.frame_stride)

    def _neighbours(self, indices: Sequence[int]) -> list[list[int]]:
        """Groups of items of one video that overlap or touch; frames between others would be decoded for nothing."""
        span = clip_span(self.num_frames, self.frame_stride)
        groups: list[list[int]] = []
        for index in sorted(set(indices), key=lambda index: self.choices[index]):
            video, start_frame = self.choices[index]
            before = self.choices[groups[-1][-1]] if groups else None
            if before is not None and before.video == video and start_frame <= before.start_frame + span:
                groups[-1].append(index)
            else:
                groups.append([index])
        return groups
