"""The two sides of an evaluation, real and fake: clips of files, or clips that a generator makes, by number."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
        labels: class of each clip; None where there is one class at most.
        batch_size: clips of a batch; the last one may be short.
    """

    labels: Sequence[int] | None
    batch_size: int

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


class Side(ABC):
    """Where clips come from.

    Attributes:
        description: one line for a person.
        fingerprint: of the videos' content; of a generator, of its checkpoint.
        fps: frames per second; None where it is not known.
        frame_size: (height, width) of the clips; None where the videos are of several sizes.
        sampling: how a generator draws videos, for cards; {} for files.
        class_names: of the videos.
        step: of the checkpoint; None for files.
    """

    description: str
    fingerprint: str
    fps: float | None
    frame_size: Size | None
    sampling: dict[str, Any]
    class_names: Sequence[str]
    step: int | None = None

    @abstractmethod
    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: NumberedClips | None = None,
    ) -> NumberedClips:
        """The clips that a rule takes.

        Args:
            num_clips: at most so many; None: one round of the rule.
            size: (height, width) to bring them to; None as they are.
            partners: the real clips, for generators that need a class or a clip to begin with.

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
        self.fingerprint = source.fingerprint
        self.fps = source.fps / frame_stride if source.fps is not None else None
        sizes = {source.frame_size(index) for index in range(len(source))}
        self.frame_size = sizes.pop() if len(sizes) == 1 else None
        self.sampling = {}
        self.class_names = source.class_names

    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: NumberedClips | None = None,
    ) -> "FileClips":
        """See `Side`; partners are not needed."""
        stride, source = frame_stride * self.frame_stride, self.source
        try:
            chosen = choose(rule, source.lengths, num_clips, num_frames, stride, seed, source.labels)
        except ValueError as error:
            raise ValueError(f"{source.path}: {error}") from error
        return FileClips(ClipsOfSource(source, chosen, num_frames, stride, size), self.batch_size, self.num_workers)


class FileClips(NumberedClips):
    """Chosen clips of files."""

    def __init__(self, dataset: ClipsOfSource, batch_size: int, num_workers: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.labels = dataset.labels if len(dataset.source.class_names) > 1 else None

    def __len__(self) -> int:
        return len(self.dataset)

    def name(self, index: int) -> str:
        """Of the file, and where the clip starts."""
        return self.dataset.name(index)

    def clip(self, index: int) -> Tensor:
        """One clip."""
        return self.dataset[index]["clip"]

    def read(self, batches: Sequence[range]) -> Iterator[Tensor]:
        """Read by workers, where there are any."""
        yield from DataLoader(
            self.dataset,
            batch_sampler=[list(batch) for batch in batches],
            num_workers=self.num_workers,
            collate_fn=stack_clips,
            # Forked, a worker would inherit the threads of decord and torch.
            multiprocessing_context="spawn" if self.num_workers else None,
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
        class_names: of its classes.
    """

    def __init__(
        self, run: TrainedRun, fps: float | None = None, batch_size: int = 16, class_names: Sequence[str] = ()
    ) -> None:
        self.run = run
        self.batch_size = batch_size
        generator = run.module.generator
        self.description = f"{run.folder}, {run.module.sampling['weights']} of step {run.step}"
        self.fingerprint = run.checkpoint_sha256
        self.fps = fps
        self.frame_size = (generator.size, generator.size)
        self.sampling = dict(run.module.sampling)
        self.class_names = class_names
        self.step = run.step

    def clips(
        self,
        rule: ClipRule,
        num_clips: int | None,
        num_frames: int,
        frame_stride: int,
        seed: int,
        size: Size | None,
        partners: NumberedClips | None = None,
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
        module, labels, conditions = self.run.module, None, None
        if partners is not None and module.generator.num_classes:
            labels = classes_of(partners, num_clips, module.generator.num_classes)
        if partners is not None and module.conditions_on_clips:

            def conditions(index: int) -> Tensor:
                return partners.clip(index % len(partners))

        videos = GeneratedVideos(
            self.run, num_clips, num_frames, frame_stride, seed, labels, conditions, self.batch_size
        )
        return GeneratedClips(videos)


def classes_of(partners: NumberedClips, num_clips: int, num_classes: int) -> list[int] | None:
    """The classes of the real clips, again where more are wanted; None where they are not the generator's."""
    if partners.labels is None or max(partners.labels) >= num_classes:
        return None
    return [partners.labels[index % len(partners)] for index in range(num_clips)]


class GeneratedClips(NumberedClips):
    """Videos of a generator."""

    def __init__(self, videos: GeneratedVideos) -> None:
        self.videos = videos
        self.batch_size = videos.batch_size
        self.labels = videos.labels

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
