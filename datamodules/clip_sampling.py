"""Which clip stands where: index arithmetic alone.

Every choice is a pure function of (seed, position).  So the state of the training data is one integer, and the order of
clips depends neither on the number of workers or processes nor on where a run was stopped and resumed.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from datamodules.index_permutation import IndexPermutation
from datamodules.sampling_rules import ByClass, ByClip, ByVideo, Sampling

# The second entry of every random seed, so that no two kinds of choice share random numbers; 0, 4 and 5 are those of
# `sampling_rules`.
_TRAINING_CLIP, _EVALUATION_ORDER, _EVALUATION_CLIP = range(1, 4)


class ClipChoice(NamedTuple):
    """Which video (its number in the split), the clip's first frame, whether it is mirrored, every how many frames."""

    video: int
    start_frame: int
    flip: bool
    frame_stride: int = 1

    def frames(self, num_frames: int) -> range:
        """The numbers of a clip's frames in the video."""
        return range(self.start_frame, self.start_frame + num_frames * self.frame_stride, self.frame_stride)


class TrainingClips:
    """The endless stream of training clips.

    The sampling rule says which video stands at a position, and by clip also where the clip starts.  The stride,
    uniform over those of `strides` that fit, the start frame, uniform over all that then fit, and the flip, with
    probability 1/2, are drawn from (seed, position).

    Args:
        lengths: frames of each video.
        num_frames: of a clip.
        seed: at least 0.
        flip: mirror half of the clips from left to right.
        strides: every how many frames of the video; all videos are long enough for the first and least of them.
        sampling: "by_video": each epoch takes one clip of every video; "by_clip": each clip of every video, by its
            first frame, at the least stride; "by_class": every class equally often, see `sampling_rules`.
        labels: class of each video; needed by class.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        num_frames: int,
        seed: int,
        flip: bool,
        strides: range = range(1, 2),
        sampling: Sampling = "by_video",
        labels: Sequence[int] | np.ndarray = (),
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int32)
        self.num_frames = num_frames
        self.seed = seed
        self.flip = flip
        self.strides = strides
        num_starts = _num_starts(self.lengths, num_frames, strides[0])
        self.rule: ByVideo | ByClip | ByClass
        if sampling == "by_clip":
            self.rule = ByClip(num_starts, seed)
        elif sampling == "by_class":
            self.rule = ByClass(labels, seed)
        else:
            self.rule = ByVideo(len(num_starts), seed)

    def __call__(self, position: int) -> ClipChoice:
        """The clip at a position of the stream, 0 or above."""
        video, start_frame = self.rule(position)
        rng = np.random.default_rng([self.seed, _TRAINING_CLIP, position])
        length = int(self.lengths[video])
        stride = self.strides[0]
        if len(self.strides) > 1:
            later_frames = length - 1 - (start_frame or 0)
            fits = [each for each in self.strides if (self.num_frames - 1) * each <= later_frames]
            stride = fits[int(rng.integers(len(fits)))]
        if start_frame is None:
            start_frame = int(rng.integers(length - (self.num_frames - 1) * stride))
        return ClipChoice(video, start_frame, bool(rng.random() < 0.5) and self.flip, stride)


class EvaluationClips:
    """Fixed clips to measure with: every video gives one clip before any gives a second one; never mirrored.

    Clip i is of video order(i mod N), the order one permutation drawn from the seed; its start frame is drawn from
    (seed, i).  Arguments as for `TrainingClips`, whose positions share no random numbers with these.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, num_frames: int, seed: int, frame_stride: int = 1) -> None:
        self.num_starts = _num_starts(np.asarray(lengths, dtype=np.int32), num_frames, frame_stride)
        self.seed = seed
        self.frame_stride = frame_stride
        self.order = IndexPermutation(len(lengths), [seed, _EVALUATION_ORDER])

    def __call__(self, index: int) -> ClipChoice:
        """Clip number `index`, 0 or above."""
        video = self.order(index % self.order.size)
        rng = np.random.default_rng([self.seed, _EVALUATION_CLIP, index])
        return ClipChoice(video, int(rng.integers(self.num_starts[video])), False, self.frame_stride)


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


def _num_starts(lengths: np.ndarray, num_frames: int, frame_stride: int) -> np.ndarray:
    """How many start frames each video has."""
    clip_span = (num_frames - 1) * frame_stride + 1
    num_starts = lengths - (clip_span - 1)
    if len(num_starts) == 0 or num_starts.min() < 1:
        raise ValueError(f"clips of {clip_span} frames need at least one video, and none shorter than that")
    return num_starts
