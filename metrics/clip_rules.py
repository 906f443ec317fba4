"""Which clips of a set of videos a protocol measures: the choice on which published numbers differ most.

A rule is data; `choose` makes of it a sequence whose item i, a pure function of (seed, i), is clip number i.  So the
choice depends neither on the number of processes nor on the batch size, and of two counts the smaller one takes the
first clips of the larger one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, overload

import numpy as np

# The second entry of every random seed: no two kinds of choice share random numbers.
_ORDER, _START = range(2)


class ClipStart(NamedTuple):
    """A clip: which video, numbered from 0, and the frame at which the clip starts."""

    video: int
    start_frame: int


@dataclass(frozen=True)
class ClipRule:
    """How clips are taken from videos.

    Args:
        order: "sorted": videos in the order of their names and, of each, clips in the order of time; "shuffled": in an
            order drawn from the seed.
        one_per_video: every video gives one clip before any gives a second one, so videos count alike.  False: every
            window of frames is as likely as any other, so a long video counts more.
        start: frame at which the clip of a video starts: "first", its first one, or "random", drawn with equal chances
            for all starts that fit.  With `one_per_video` False all windows are there to be chosen, which is "random".
        balanced_classes: the classes take turns, and the rest of the rule holds within each class.
        repeats: go through the videos, or the windows, again where there are fewer than clips are wanted.  False: there
            are only as many clips as there are, and with `balanced_classes` only as many of each class as the smallest
            one has.
        overlapping: windows start at every frame; False: each where the one before has ended.
        whole_strides: a video must have num_frames * frame_stride frames, as StyleGAN-V wants, and not only the
            (num_frames - 1) * frame_stride + 1 from a clip's first frame to its last.

    Raises: ValueError if the arguments contradict each other.
    """

    order: Literal["sorted", "shuffled"]
    one_per_video: bool
    start: Literal["first", "random"] = "random"
    balanced_classes: bool = False
    repeats: bool = False
    overlapping: bool = True
    whole_strides: bool = False

    def __post_init__(self) -> None:
        if self.order not in ("sorted", "shuffled") or self.start not in ("first", "random"):
            raise ValueError(f"order is sorted or shuffled, start first or random; got {self.order}, {self.start}")
        if not self.one_per_video and self.start == "first":
            raise ValueError("with one_per_video=False all windows are candidates; start must be 'random'")
        if self.one_per_video and not self.overlapping:
            raise ValueError("overlapping=False says where windows start; it needs one_per_video=False")
        if self.repeats and self.start == "first":
            raise ValueError("with start='first' a repeated video gives the same clip again; set repeats=False")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a card or the identity of statistics."""
        return asdict(self)


# StyleGAN-V (Skorokhodov et al. 2022, arXiv:2112.14683; metric_utils.py and dataset.py of its code): the first
# min(2048, N) videos of the sorted list, a random clip of each; folders of generated videos from their first frame.
STYLEGAN_V = ClipRule("sorted", one_per_video=True, whole_strides=True)
STYLEGAN_V_GENERATED = ClipRule("sorted", one_per_video=True, start="first")
# DIGAN (Yu et al. 2022, arXiv:2202.10571; compute_fvd_kvd.py): shuffled windows of UCF-101, train and test together;
# each of ten trials shuffles anew, that is, has a seed of its own.  Its frame folders are cut into windows end to end.
DIGAN = ClipRule("shuffled", one_per_video=False)
DIGAN_FRAME_FOLDERS = ClipRule("shuffled", one_per_video=False, overlapping=False)
# TATS (Ge et al. 2022, arXiv:2204.03638; sample_vqgan_transformer_short_videos.py): shuffled windows of the training
# videos; what is balanced over the classes is the generated side.
TATS = ClipRule("shuffled", one_per_video=False)
TATS_GENERATED = ClipRule("sorted", one_per_video=True, start="first", balanced_classes=True)
# VideoGPT (Yan et al. 2021, arXiv:2104.10157; compute_fvd.py): the first batch of 256 windows of the test videos, which
# its loader has shuffled.
VIDEOGPT = ClipRule("shuffled", one_per_video=False)
# LongVideoGAN (Brooks et al. 2022, arXiv:2206.03429) and cd-fvd (Ge et al. 2024, arXiv:2404.12391) give each video the
# same weight and a random start.
VIDEO_UNIFORM = ClipRule("shuffled", one_per_video=True, repeats=True)
# Every window, or with clips of one frame every frame, as the real side of `fid50k_full`.
ALL_WINDOWS = ClipRule("sorted", one_per_video=False)
# Every frame once, in clips; what is left at the end of a video and is shorter than a clip is not seen.
END_TO_END = ClipRule("sorted", one_per_video=False, overlapping=False)


def clip_span(num_frames: int, frame_stride: int) -> int:
    """Frames of the video from a clip's first to its last, both counted."""
    return (num_frames - 1) * frame_stride + 1


def is_long_enough(rule: ClipRule, lengths: Sequence[int], num_frames: int, frame_stride: int = 1) -> np.ndarray:
    """Which videos, given their lengths in frames, have a clip: (N,) bool; the others are left out by `choose`."""
    least = num_frames * frame_stride if rule.whole_strides else clip_span(num_frames, frame_stride)
    return np.asarray(lengths, dtype=np.int64) >= least


def choose(
    rule: ClipRule,
    lengths: Sequence[int],
    num_clips: int | None,
    num_frames: int,
    frame_stride: int = 1,
    seed: int = 0,
    labels: Sequence[int] | None = None,
) -> "ChosenClips":
    """The clips that a rule takes from videos; videos that are too short give none.

    Args:
        rule: how.
        lengths: frames of each video, in the order of their names.
        num_clips: how many are wanted; where the rule does not repeat there may be fewer.  None: one round through the
            videos or windows.
        num_frames: frames of a clip.
        frame_stride: every how many-th frame of the video these are; at least 1.
        seed: of shuffling and of random starts; at least 0.
        labels: class of each video; needed where the rule balances classes.

    Raises: ValueError, in one line, if a number is out of range, there is no video, or none is long enough.
    """
    for name, number, least in (
        ("num_clips", 1 if num_clips is None else num_clips, 1),
        ("num_frames", num_frames, 1),
        ("frame_stride", frame_stride, 1),
        ("seed", seed, 0),
    ):
        if number < least:
            raise ValueError(f"{name} is {number}; it must be at least {least}")
    if len(lengths) == 0:
        raise ValueError("there is no video to take clips from")
    fits = is_long_enough(rule, lengths, num_frames, frame_stride)
    if not fits.any():
        raise ValueError(
            f"none of the {len(lengths)} videos, of at most {max(lengths)} frames, is long enough for clips of "
            f"{num_frames} frames with stride {frame_stride}; take a shorter clip or a smaller stride"
        )
    if rule.balanced_classes and labels is None:
        raise ValueError("a rule that balances classes needs the videos' labels")
    if labels is not None and len(labels) != len(lengths):
        raise ValueError(f"{len(labels)} labels do not fit {len(lengths)} videos")
    classes = np.asarray(labels) if labels is not None and rule.balanced_classes else np.zeros(len(lengths), np.int64)
    span = clip_span(num_frames, frame_stride)
    num_starts = np.asarray(lengths, dtype=np.int64) - span + 1
    step = 1 if rule.overlapping else span
    groups = [np.flatnonzero(fits & (classes == label)) for label in np.unique(classes[fits])]
    streams = [_Stream(rule, number, videos, num_starts[videos], step, seed) for number, videos in enumerate(groups)]
    return ChosenClips(streams, num_clips, rule.repeats, num_too_short=int((~fits).sum()))


class _Stream:
    """The endless stream of a group's clips, round after round; a round is every video, or every window, once."""

    def __init__(
        self, rule: ClipRule, group: int, videos: np.ndarray, num_starts: np.ndarray, step: int, seed: int
    ) -> None:
        self.rule = rule
        self.group = group
        self.videos = videos
        self.num_starts = num_starts
        self.step = step
        self.seed = seed
        num_windows = np.ones_like(num_starts) if rule.one_per_video else -(-num_starts // step)
        self.ends = np.cumsum(num_windows)  # the number of the window that comes after each video's
        self.round_length = int(self.ends[-1])
        self._round = -1
        self._order = np.empty(0, dtype=np.int64)

    def __call__(self, place: int, index: int) -> ClipStart:
        """The clip at a place of this stream, which is clip number `index` of all."""
        round_number, number = divmod(place, self.round_length)
        if self.rule.order == "shuffled":
            number = int(self._order_of(round_number)[number])
        which = int(np.searchsorted(self.ends, number, side="right"))
        if self.rule.one_per_video:
            return ClipStart(int(self.videos[which]), self._start(int(self.num_starts[which]), index))
        before = int(self.ends[which - 1]) if which else 0
        return ClipStart(int(self.videos[which]), (number - before) * self.step)

    def _order_of(self, round_number: int) -> np.ndarray:
        """The order of a round; the last one asked for is kept."""
        if round_number != self._round:
            rng = np.random.default_rng([self.seed, _ORDER, self.group, round_number])
            self._order, self._round = rng.permutation(self.round_length), round_number
        return self._order

    def _start(self, num_starts: int, index: int) -> int:
        if self.rule.start == "first":
            return 0
        return int(np.random.default_rng([self.seed, _START, index]).integers(num_starts))


class ChosenClips(Sequence[ClipStart]):
    """The clips that `choose` has chosen: item i is clip number i, made when asked for.

    Attributes:
        num_too_short: videos that were left out.
    """

    def __init__(self, streams: Sequence[_Stream], num_clips: int | None, repeats: bool, num_too_short: int) -> None:
        self.num_too_short = num_too_short
        self._streams = streams
        one_round = len(streams) * min(stream.round_length for stream in streams)
        if num_clips is None:
            self._length = one_round
        else:
            self._length = num_clips if repeats else min(num_clips, one_round)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> ClipStart: ...

    @overload
    def __getitem__(self, index: slice) -> list[ClipStart]: ...

    def __getitem__(self, index: int | slice) -> ClipStart | list[ClipStart]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        index %= len(self)
        place, group = divmod(index, len(self._streams))
        return self._streams[group](place, index)
