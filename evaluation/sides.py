"""The two sides of an evaluation, real and fake: clips of files, or clips that a generator makes, by number."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from evaluation.generated_videos import GeneratedVideos
from evaluation.source_clips import ClipsOfSource
from evaluation.trained_run import TrainedRun
from evaluation.video_source import Size, VideoSource
from metrics.clip_rules import ClipRule, choose


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
    """

    description: str
    fps: float | None
    frame_stride: int
    frame_size: Size | None
    sampling: dict[str, Any]
    class_names: Sequence[str]
    longest: int
    step: int | None = None

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


class Files(Side):
    """Clips of files.

    Args:
        source: the videos.
        frame_stride: every how many-th frame of the files is a frame of the data.
        batch_size: clips read at a time.
        num_workers: processes that read ahead; 0 reads between the computations.
    """

    def __init__(self, source: VideoSource, frame_stride: int = 1, batch_size: int = 16, num_workers: int = 0) -> None:
        for name, number, least in (("frame_stride", frame_stride, 1), ("batch_size", batch_size, 1)):
            if number < least:
                raise ValueError(f"{name} is {number}; it must be at least {least}")
        self.source = source
        self.frame_stride = frame_stride
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.description = source.describe()
        self.fps = source.fps / frame_stride if source.fps is not None else None
        sizes = {source.frame_size(index) for index in range(len(source))}
        self.frame_size = sizes.pop() if len(sizes) == 1 else None
        self.sampling = {}
        self.class_names = source.class_names
        self.longest = max(source.lengths) // frame_stride

    @cached_property
    def fingerprint(self) -> str:
        """Of names and contents, which are read when first asked for."""
        return self.source.fingerprint

    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: Partners | None = None,
    ) -> "FileClips":
        """See `Side`; partners are not needed."""
        stride, source = frame_stride * self.frame_stride, self.source
        try:
            chosen = choose(rule, source.lengths, num_clips, num_frames, stride, seed, source.labels)
        except ValueError as error:
            raise ValueError(f"{source.path}: {error}") from error
        clips = ClipsOfSource(source, chosen, num_frames, stride, size)
        return FileClips(clips, self.batch_size, self.num_workers, chosen.num_too_short)


class FileClips(NumberedClips):
    """Chosen clips of files."""

    def __init__(self, dataset: ClipsOfSource, batch_size: int, num_workers: int, num_too_short: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_too_short = num_too_short
        self.labels = dataset.labels if len(dataset.source.class_names) > 1 else None

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """Of the file, and where the clip starts."""
        return self.dataset.name(index)

    def clip(self, index: int) -> Tensor:
        """One clip."""
        return self.dataset[index]["clip"]

    def read(self, batches: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """Read by workers, where there are any; the batches may be any numbers."""
        num_workers = min(self.num_workers, len(batches))
        yield from DataLoader(
            self.dataset,
            batch_sampler=[list(batch) for batch in batches],
            num_workers=num_workers,
            collate_fn=stack_clips,
            # Forked, a worker would inherit the threads of decord and torch.
            multiprocessing_context="spawn" if num_workers else None,
        )


def stack_clips(items: list[dict[str, Any]]) -> Tensor:
    """(N, C, T, H, W) of a data set's items."""
    return torch.stack([item["clip"] for item in items])


class Generated(Side):
    """Clips that a run's generator makes, from their first frame.

    Args:
        run: see `open_run`.
        fps: of its videos, where it is known.
        batch_size: videos made at a time.
        class_names: of the real videos' classes.  Where there are as many as the generator has, in the order of their
            names as in training, its videos get the classes of real ones; else its classes take turns.  `sampling`
            says which.
    """

    def __init__(
        self, run: TrainedRun, fps: float | None = None, batch_size: int = 16, class_names: Sequence[str] = ()
    ) -> None:
        self.run = run
        self.batch_size = batch_size
        generator = run.module.generator
        self.description = f"{run.folder}, {run.module.sampling['weights']} of step {run.step}"
        self.fps = fps
        self.frame_stride = 1
        self.frame_size = (generator.size, generator.size)
        self.sampling = dict(run.module.sampling)
        self.has_real_classes = generator.num_classes > 0 and len(class_names) == generator.num_classes
        if generator.num_classes:
            self.sampling["classes"] = "of real videos" if self.has_real_classes else "in turns"
        self.class_names = class_names
        self.longest = generator.num_frames
        self.step = run.step

    @property
    def fingerprint(self) -> str:
        """Of the checkpoint."""
        return self.run.checkpoint_sha256

    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: Partners | None = None,
    ) -> "GeneratedClips":
        """See `Side`; a rule has nothing to choose from, for any number of videos can be made."""
        if size not in (None, self.frame_size):
            height, width = self.frame_size or (0, 0)
            raise ValueError(
                f"{self.run.folder}: makes frames of {width}x{height}, and {size[1]}x{size[0]} are wanted; "
                "write its videos to files and give those"
            )
        if num_clips is None:
            raise ValueError(f"{self.run.folder}: makes any number of videos; say how many with --num_videos")
        generator, labels, conditions = self.run.module.generator, None, None
        if generator.conditions_on_clips and partners is None:
            raise ValueError(f"{self.run.folder}: makes videos from real ones; give them with --real")
        if partners is not None and (self.has_real_classes or generator.conditions_on_clips):
            beside = partners(generator.num_frames)
            if self.has_real_classes and beside.labels is not None:
                labels = [beside.labels[index % len(beside)] for index in range(num_clips)]
            if generator.conditions_on_clips:

                def conditions(index: int) -> Tensor:
                    return beside.clip(index % len(beside))

        videos = GeneratedVideos(
            self.run, num_clips, num_frames, frame_stride, seed, labels, conditions, self.batch_size
        )
        return GeneratedClips(videos, labels)


class GeneratedClips(NumberedClips):
    """Videos of a generator; `labels` are those that the real videos' class names fit."""

    def __init__(self, videos: GeneratedVideos, labels: Sequence[int] | None = None) -> None:
        self.videos = videos
        self.batch_size = videos.batch_size
        self.labels = labels

    def __len__(self) -> int:
        return len(self.videos)

    def name(self, index: int) -> str:
        """Its number."""
        return f"video {index}"

    def clip(self, index: int) -> Tensor:
        """One clip."""
        return self.videos.clip(index)

    def read(self, batches: Sequence[range]) -> Iterator[Tensor]:
        """Made now."""
        yield from map(self.videos.make, batches)
