"""The videos that a generator makes, numbered: which weights, which latents, which length."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from evaluation.trained_run import TrainedRun
from metrics.clip_rules import clip_span
from video_io.pixels import float_to_uint8, uint8_to_float


class GeneratedVideos:
    """Videos 0 to num_videos - 1 of a run's generator, made when they are needed, uint8, from their first frame.

    Video i is a function of (checkpoint, weights, truncation, seed, i, its label, its length).  Videos are made in
    batches that are always the same, each begun at a multiple of the batch size, so neither the number of processes nor
    which videos are asked for changes a video; another batch size changes it by rounding.

    Args:
        run: see `open_run`.
        num_videos: how many there are.
        num_frames: of a clip that comes out; None as in training.
        frame_stride: every how many-th frame of the generated video these are.
        seed: of the latents.
        labels: class of each video; None lets the classes take turns, where the generator has any.
        conditions: for a generator that makes videos from real clips: the clip for video i, uint8 (C, T, H, W), as the
            generator was trained with.
        batch_size: videos made at a time.

    Where more frames are wanted than in training, longer videos are made if the generator can do that; where fewer are,
    those of training are made and cut, because a generator may divide its motion over the length that it is asked for.
    Raises: ValueError, in one line, if a number is out of range, if the generator cannot make the length, or if labels
        or conditions do not fit it.
    """

    def __init__(
        self,
        run: TrainedRun,
        num_videos: int,
        num_frames: int | None = None,
        frame_stride: int = 1,
        seed: int = 0,
        labels: Sequence[int] | None = None,
        conditions: Callable[[int], Tensor] | None = None,
        batch_size: int = 16,
    ) -> None:
        self.run = run
        self.generator = run.module.generator
        self.num_frames = self.generator.num_frames if num_frames is None else num_frames
        for name, number, least in (
            ("num_videos", num_videos, 1),
            ("num_frames", self.num_frames, 1),
            ("frame_stride", frame_stride, 1),
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
        ):
            if number < least:
                raise ValueError(f"{name} is {number}; it must be at least {least}")
        self.num_videos = num_videos
        self.frame_stride = frame_stride
        self.seed = seed
        self.labels = self._checked_labels(labels)
        self.conditions = conditions
        self.batch_size = min(batch_size, num_videos)
        self.num_frames_made = self._checked_length()
        if self.generator.conditions_on_clips and conditions is None:
            raise ValueError(
                f"{type(self.generator).__name__} makes videos from real clips; it needs those of its data"
            )

    def __len__(self) -> int:
        return self.num_videos

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the videos, in plain JSON values, for cards; the clips that they are made from excepted."""
        return {**self.run.identity, "seed": self.seed, "num_frames_made": self.num_frames_made}

    def own_batches(self, rank: int = 0, world_size: int = 1) -> list[range]:
        """The videos that a process makes, batch by batch; together the processes make each video once."""
        starts = range(rank * self.batch_size, self.num_videos, world_size * self.batch_size)
        return [range(start, min(start + self.batch_size, self.num_videos)) for start in starts]

    def batches(self, rank: int = 0, world_size: int = 1) -> Iterator[tuple[range, Tensor]]:
        """(indices, their clips (N, C, T, H, W) uint8 on the run's device) of a process's videos."""
        for indices in self.own_batches(rank, world_size):
            yield indices, self.make(indices)

    def clip(self, index: int) -> Tensor:
        """Video number `index`, (C, T, H, W) uint8 on the CPU: made with the rest of its batch.

        Raises: IndexError if there is no such video.
        """
        if not 0 <= index < self.num_videos:
            raise IndexError(f"video {index} of {self.num_videos}")
        start = index - index % self.batch_size
        indices = range(start, min(start + self.batch_size, self.num_videos))
        return self.make(indices)[index - start].cpu()

    def make(self, indices: range) -> Tensor:
        """The videos of one of the batches, (N, C, T, H, W) uint8 on the run's device.

        A last batch that is short is made with some videos before it: a generator may round otherwise in small batches.
        Raises: ValueError if a pixel is not finite.
        """
        module = self.run.module
        made = range(max(0, min(indices.start, self.num_videos - self.batch_size)), indices.stop)
        labels = clips = None
        if self.labels is not None:
            labels = torch.tensor([self.labels[index] for index in made], device=module.device)
        if self.generator.conditions_on_clips:
            assert self.conditions is not None
            clips = uint8_to_float(torch.stack([self.conditions(index) for index in made]))
        latents = module.sample_latents(made, self.seed, self.num_frames_made)
        videos = module.generate(len(made), latents, labels, clips)[-len(indices) :]  # (N, C, T, H, W)
        if not videos.isfinite().all():
            raise ValueError(f"{self.run.checkpoint}: makes videos that are not finite; take an earlier checkpoint")
        span = clip_span(self.num_frames, self.frame_stride)
        return float_to_uint8(videos[:, :, : span : self.frame_stride])

    def _checked_labels(self, labels: Sequence[int] | None) -> Sequence[int] | None:
        """A class for each video, or None where the generator has no classes."""
        num_classes = self.generator.num_classes
        if num_classes == 0:
            return None
        if labels is None:
            return [index % num_classes for index in range(self.num_videos)]
        if len(labels) != self.num_videos:
            raise ValueError(f"{len(labels)} labels do not fit {self.num_videos} videos")
        if min(labels) < 0 or max(labels) >= num_classes:
            raise ValueError(
                f"the labels are {min(labels)} to {max(labels)}; the generator has {num_classes} classes, from 0"
            )
        return labels

    def _checked_length(self) -> int:
        """Frames to make."""
        span = clip_span(self.num_frames, self.frame_stride)
        if span <= self.generator.num_frames:
            return self.generator.num_frames
        if not self.generator.any_num_frames:
            raise ValueError(
                f"clips of {self.num_frames} frames with stride {self.frame_stride} need {span} frames; "
                f"{type(self.generator).__name__} makes {self.generator.num_frames}; take another protocol"
            )
        return span
