"""Clips as tensors: decodes the clip that stands at a position."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from datamodules.clip_sampling import ClipChoice
from datamodules.data_ledger import DataLedger, TooManyBadFilesError
from datamodules.file_guard import FileGuard
from datamodules.replacements import choices_at
from datamodules.video_table import VideoTable

ReadFrames = Callable[[int, range], Tensor]  # number of a video, its frames -> (C, T, H, W) uint8
CaptionOf = Callable[[int], str]  # number of a video -> its caption, "" if it has none


class ClipDataset(Dataset):
    """Position p -> dict(clip=(C, T, H, W) uint8, label=int, position=p): the chosen frames of the chosen video.

    With `caption_of` there is also caption=str.

    It has no length; the stream of training clips is endless.  It can be handed to workers by fork and by spawn.  The
    clip of a bad file is replaced, see `replacements`.

    Args:
        videos: of the split, numbered as `choose` numbers them.
        choose: which clip stands at a position.
        num_frames: T.
        read: reads frames of these videos, or raises BadFileError.
        keep_decoded: decode each video whole when it is first needed and keep its frames, num_frames * 3 * size^2 bytes
            each; every worker keeps its own.
        guard: of these videos; None notes bad files in this process's memory.
        caption_of: says the caption of these videos; None leaves captions out.
    """

    def __init__(
        self,
        videos: VideoTable,
        choose: Callable[[int], ClipChoice],
        num_frames: int,
        read: ReadFrames,
        keep_decoded: bool = False,
        guard: FileGuard | None = None,
        caption_of: CaptionOf | None = None,
    ) -> None:
        self.videos = videos
        self.choose = choose
        self.num_frames = num_frames
        self.read = read
        self.keep_decoded = keep_decoded
        self.guard = guard or FileGuard(videos, DataLedger(None), len(videos))
        self.caption_of = caption_of
        self._decoded: dict[int, Tensor] = {}  # number of a video -> (C, all its frames, H, W) uint8

    def __getitem__(self, position: int) -> dict[str, Any]:
        for choice in choices_at(position, self.choose, self._label):
            clip = self._read(choice.video, choice.frames(self.num_frames), position)
            if clip is not None:
                if choice.flip:
                    clip = clip.flip(-1)  # one decision a clip: every frame of it is mirrored
                item = {"clip": clip, "label": self._label(choice.video), "position": position}
                return item if self.caption_of is None else {**item, "caption": self.caption_of(choice.video)}
        raise TooManyBadFilesError(f"data: no video that can be read was found for the clip at position {position}")

    def _label(self, number: int) -> int:
        return int(self.videos.labels[number])

    def _read(self, number: int, frames: range, position: int) -> Tensor | None:
        """Frames of a video, (C, T, H, W) uint8; None if its file is bad."""
        if not self.keep_decoded:
            return self.guard.read(self.read, number, frames, position)
        if number not in self._decoded:
            whole = self.guard.read(self.read, number, range(int(self.videos.num_frames[number])), position)
            if whole is None:
                return None
            self._decoded[number] = whole
        return self._decoded[number][:, frames.start : frames.stop : frames.step]


class FixedClipDataset(ClipDataset):
    """The first `num_clips` positions of a `ClipDataset`, so that it has a length and an end."""

    def __init__(self, *, num_clips: int, **clips: Any) -> None:
        super().__init__(**clips)
        self.num_clips = num_clips

    @cached_property
    def labels(self) -> list[int]:
        """The label of each item, without decoding anything."""
        return [self._label(self.choose(position).video) for position in range(self.num_clips)]

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < self.num_clips:
            raise IndexError(f"clip {position} of {self.num_clips}")
        return super().__getitem__(position)
