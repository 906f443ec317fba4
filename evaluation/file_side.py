"""Clips of files, as a side of an evaluation."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from evaluation.sides import NumberedClips, Partners, Side
from evaluation.source_clips import ClipsOfSource
from evaluation.video_source import Size, VideoSource
from metrics.clip_rules import ClipRule, choose


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
