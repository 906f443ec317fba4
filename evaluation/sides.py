"""The two sides of an evaluation, real and fake: clips by number, of files or made by a generator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from evaluation.video_source import Size
from metrics.clip_rules import ClipRule


class NumberedClips(ABC):
    """Clips 0 to N - 1, all of one shape, in batches that are the same for any number of processes.

    Attributes:
        labels: class of each clip, a place in the class names of its side; None where they say nothing.
        batch_size: clips of a batch; the last one may be short.
        num_too_short: videos that gave no clip.
    """

    labels: Sequence[int] | None
    batch_size: int
    num_too_short: int = 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, index: int) -> str:
        """What a reader would call a clip."""

    @abstractmethod
    def clip(self, index: int) -> Tensor:
        """One clip, (C, T, H, W) uint8, on the CPU."""

    @abstractmethod
    def read(self, batches: Sequence[range]) -> Iterator[Tensor]:
        """The clips (N, C, T, H, W) uint8 of each of some batches of `own_batches`."""

    def own_batches(self, rank: int, world_size: int) -> list[range]:
        """The clips that a process takes; together the processes take each clip once."""
        starts = range(rank * self.batch_size, len(self), world_size * self.batch_size)
        return [range(start, min(start + self.batch_size, len(self))) for start in starts]


# Given a number of neighbouring frames, the real clips that generated ones are made beside: for their classes, or to
# begin with.
Partners = Callable[[int], NumberedClips]


class Side(ABC):
    """Where clips come from.

    Attributes:
        description: one line for a person.
        fps: frames per second; None where it is not known.
        frame_stride: every how many-th frame of the videos is one of the clips', before a protocol's own stride.
        frame_size: (height, width) of the clips; None where the videos are of several sizes.
        sampling: how a generator draws videos, for cards; {} for files.
        class_names: of the videos.
        longest: frames of the longest clip that is there without more ado.
        step: of the checkpoint; None for files.
        belongs_to_real: whether its clips belong to the real ones, in order, as a generator's that sees none do not.
    """

    description: str
    fps: float | None
    frame_stride: int
    frame_size: Size | None
    sampling: dict[str, Any]
    class_names: Sequence[str]
    longest: int
    step: int | None = None
    belongs_to_real: bool = True

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Of the videos' content; of a generator, of its checkpoint."""

    @abstractmethod
    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: Partners | None = None,
    ) -> NumberedClips:
        """The clips that a rule takes.

        Args:
            num_clips: at most so many; None: one round of the rule.
            size: (height, width) to bring them to; None as they are.
            partners: for generators that need a class or a clip to begin with.

        Raises: ValueError, in one line, if there are none of this length or size.
        """


def common_size(size: Size | None, fake: Side) -> Size:
    """(height, width) that both sides' clips are brought to: what was asked for, else that of all fake ones.

    Raises: ValueError if nothing says it.
    """
    size = size or fake.frame_size
    if size is None:
        raise ValueError("the fake videos are of several sizes; say with --size to which to bring them")
    return size
