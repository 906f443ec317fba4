"""Which video stands at a position of the endless stream of training clips: three rules.

Each is a pure function of (seed, position); none keeps a list as long as the set of videos but what tells lengths or
classes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from datamodules.index_permutation import IndexPermutation

Sampling = Literal["by_video", "by_clip", "by_class"]
Place = tuple[int, int | None]  # a video, and the clip's first frame where the rule chooses it

# The second entry of every random seed; `clip_sampling` has 1 to 3.
_EPOCH_ORDER, _CLASS_ORDER, _ORDER_IN_CLASS = 0, 4, 5


class ByVideo:
    """Each epoch takes every video once, in a new order: position p is place p mod N of epoch p // N.

    Args:
        num_videos: N.
        seed: at least 0.
    """

    def __init__(self, num_videos: int, seed: int) -> None:
        self.num_videos = num_videos
        self.seed = seed

    def __call__(self, position: int) -> Place:
        """The video at a position."""
        epoch, place = divmod(position, self.num_videos)
        return _order(self.num_videos, (self.seed, _EPOCH_ORDER, epoch))(place), None


class ByClip:
    """Each epoch takes every clip of every video once, that is, every start frame, in a new order: long videos count
    for more.

    Args:
        num_starts: start frames that each video has.
        seed: at least 0.
    """

    def __init__(self, num_starts: Sequence[int] | np.ndarray, seed: int) -> None:
        self.ends = np.cumsum(num_starts, dtype=np.int64)
        self.seed = seed

    def __call__(self, position: int) -> Place:
        """The video at a position, and the clip's first frame."""
        num_clips = int(self.ends[-1])
        epoch, place = divmod(position, num_clips)
        clip = _order(num_clips, (self.seed, _EPOCH_ORDER, epoch))(place)
        video = int(np.searchsorted(self.ends, clip, side="right"))
        return video, clip - (int(self.ends[video - 1]) if video else 0)


class ByClass:
    """Each round takes one video of every class, in a new order; a class gives each of its videos before any again.

    Args:
        labels: class of each video; classes without a video do not count.
        seed: at least 0.
    """

    def __init__(self, labels: Sequence[int] | np.ndarray, seed: int) -> None:
        self.videos = np.argsort(labels, kind="stable")  # class after class
        counts = np.bincount(np.asarray(labels))
        self.sizes = counts[counts > 0].tolist()
        self.starts = np.cumsum([0, *self.sizes]).tolist()
        self.seed = seed

    def __call__(self, position: int) -> Place:
        """The video at a position."""
        turn, place = divmod(position, len(self.sizes))
        number = _order(len(self.sizes), (self.seed, _CLASS_ORDER, turn))(place)
        epoch, place_in_class = divmod(turn, self.sizes[number])
        chosen = _order(self.sizes[number], (self.seed, _ORDER_IN_CLASS, number, epoch))(place_in_class)
        return int(self.videos[self.starts[number] + chosen]), None


@lru_cache(maxsize=64)  # positions come nearly in order, so the last few epochs, or classes, are asked for again
def _order(size: int, key: tuple[int, ...]) -> IndexPermutation:
    return IndexPermutation(size, key)
