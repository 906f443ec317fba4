"""Which clip stands where: index arithmetic alone.

Every choice is a pure function of (seed, position).  So the state of the training data is one integer, and the order of
clips depends neither on the number of workers or processes nor on where a run was stopped and resumed.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

# The second entry of every random seed, so that no two kinds of choice share random numbers.
_TRAINING_ORDER, _TRAINING_CLIP, _EVALUATION_ORDER, _EVALUATION_CLIP = range(4)


class ClipChoice(NamedTuple):
    """Which video (its number in the split), the frame at which the clip starts, and whether it is mirrored."""

    video: int
    start_frame: int
    flip: bool


class TrainingClips:
    """The endless stream of training clips, "by video": each epoch takes one clip of every video, in a new order.

    Position p is in epoch p // N, N the number of videos; the epoch's order is a permutation drawn from (seed, epoch);
    the start frame, uniform over all that fit, and the flip, with probability 1/2, are drawn from (seed, p).

    Args:
        num_frames: of each video.
        clip_span: frames from a clip's first to its last, both counted; no video is shorter.
        seed: at least 0.
        flip: mirror half of the clips from left to right.
    """

    def __init__(self, num_frames: Sequence[int], clip_span: int, seed: int, flip: bool) -> None:
        self.num_starts = _num_starts(num_frames, clip_span)
        self.seed = seed
        self.flip = flip
        self._epoch = -1
        self._order = np.empty(0, dtype=np.int64)

    def __call__(self, position: int) -> ClipChoice:
        """The clip at a position of the stream, 0 or above."""
        epoch, place = divmod(position, len(self.num_starts))
        video = int(self._epoch_order(epoch)[place])
        rng = np.random.default_rng([self.seed, _TRAINING_CLIP, position])
        start_frame = int(rng.integers(self.num_starts[video]))
        return ClipChoice(video, start_frame, flip=bool(rng.random() < 0.5) and self.flip)

    def _epoch_order(self, epoch: int) -> np.ndarray:
        """The order of the videos in an epoch; the last one asked for is kept, for positions come nearly in order."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, _TRAINING_ORDER, epoch])
            self._order = rng.permutation(len(self.num_starts))
            self._epoch = epoch
        return self._order


class EvaluationClips:
    """Fixed clips to measure with: every video gives one clip before any gives a second one; never mirrored.

    Clip i is of video order[i mod N], the order one permutation drawn from the seed; its start frame is drawn from
    (seed, i).  Arguments as for `TrainingClips`, whose positions share no random numbers with these.
    """

    def __init__(self, num_frames: Sequence[int], clip_span: int, seed: int) -> None:
        self.num_starts = _num_starts(num_frames, clip_span)
        self.seed = seed
        self.order = np.random.default_rng([seed, _EVALUATION_ORDER]).permutation(len(num_frames))

    def __call__(self, index: int) -> ClipChoice:
        """Clip number `index`, 0 or above."""
        video = int(self.order[index % len(self.order)])
        rng = np.random.default_rng([self.seed, _EVALUATION_CLIP, index])
        return ClipChoice(video, int(rng.integers(self.num_starts[video])), flip=False)


class PositionBatches(Sampler[list[int]]):
    """One process's positions of the stream, batch after batch, without end (and so without a length).

    At step s with global batch size G and W processes, process r takes the G / W positions from s G + r G / W on:
    together the processes take what one process would.

    Args:
        batch_size: G, a multiple of `world_size`.
        rank: r.
        world_size: W.
        start_step: the step of the first batch; above 0 for a resumed run.
    """

    def __init__(self, batch_size: int, rank: int = 0, world_size: int = 1, start_step: int = 0) -> None:
        if batch_size % world_size:
            raise ValueError(
                f"batch_size counts the clips of all processes together: {batch_size} cannot be divided by "
                f"{world_size} processes; take {max(1, round(batch_size / world_size)) * world_size}"
            )
        self.batch_size = batch_size
        self.local_batch_size = batch_size // world_size
        self.rank = rank
        self.start_step = start_step

    def __iter__(self) -> Iterator[list[int]]:
        for step in itertools.count(self.start_step):
            first = step * self.batch_size + self.rank * self.local_batch_size
            yield list(range(first, first + self.local_batch_size))


def _num_starts(num_frames: Sequence[int], clip_span: int) -> np.ndarray:
    """How many start frames each video has."""
    num_starts = np.asarray(num_frames, dtype=np.int64) - clip_span + 1
    if len(num_starts) == 0 or num_starts.min() < 1:
        raise ValueError(f"clips of {clip_span} frames need at least one video, and none shorter than that")
    return num_starts
