"""Batches that pass from worker to training process without being copied: both see the same memory.

A worker that makes a tensor for each batch pays more for fresh pages of shared memory than for reading packed clips,
and each tensor that is sent costs a file descriptor and a mapping.  So the memory is made once, and a message says
which place in it is filled.
"""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate


class BatchMemory:
    """Places for the clips of batches in shared memory; each is used again when nobody holds its batch any more.

    Workers write into it.  The training process alone takes places and lends batches.

    Args:
        num_places: how many batches it holds.
        shape: (B, C, T, H, W) of the clips of a batch.
    """

    def __init__(self, num_places: int, shape: Sequence[int]) -> None:
        self.clips = torch.empty((num_places, *shape), dtype=torch.uint8).share_memory_()
        self._free = list(range(num_places))

    def take(self) -> int | None:
        """A place that nobody uses: the one in use last, which a cache may still hold; None if there is none."""
        return self._free.pop() if self._free else None

    def lend(self, place: int) -> Tensor:
        """The clips at a place, (B, C, T, H, W), which is free again when the last tensor on this memory is gone."""
        array = self.clips[place].numpy()
        # The tensor's storage, and with it that of every view of the tensor, holds this one object.
        weakref.finalize(array, self._free.append, place).atexit = False
        return torch.from_numpy(array)


class Task(NamedTuple):
    """The positions of a batch, and the place for its clips; None if every place is in use."""

    place: int | None
    positions: list[int]


class ReadBatch(NamedTuple):
    """What a worker sends: where the clips are (they themselves, if there was no place), and the rest of the items."""

    clips: int | Tensor
    rest: list[dict[str, Any]]


class Tasks:
    """Gives each batch of positions a place; iterated in the training process."""

    def __init__(self, batches: Iterable[list[int]], memory: BatchMemory) -> None:
        self.batches = batches
        self.memory = memory

    def __iter__(self) -> Iterator[Task]:
        return (Task(self.memory.take(), positions) for positions in self.batches)


class BatchReader(Dataset):
    """Task -> ReadBatch: reads the clips of a batch, in a worker where there are any."""

    def __init__(self, dataset: Dataset, memory: BatchMemory) -> None:
        self.dataset = dataset
        self.memory = memory

    def __getitem__(self, task: Task) -> ReadBatch:
        places = self.memory.clips
        clips = places.new_empty(places.shape[1:]) if task.place is None else places[task.place]
        rest = []
        for position, target in zip(task.positions, clips, strict=True):
            item = dict(self.dataset[position])
            clip = item.pop("clip")
            if clip.shape != target.shape:
                raise ValueError(f"the clip at position {position} is {tuple(clip.shape)}, not {tuple(target.shape)}")
            target.copy_(clip)
            rest.append(item)
        return ReadBatch(clips if task.place is None else task.place, rest)


def batch_of(read: ReadBatch, memory: BatchMemory) -> dict[str, Any]:
    """The batch of which a worker sent word: dict(clip=(B, C, T, H, W) uint8, the rest collated)."""
    clips = memory.lend(read.clips) if isinstance(read.clips, int) else read.clips
    if torch.cuda.is_available():
        # A copy that CUDA's caching allocator knows of: a transfer to the device may still be at work when the batch is
        # dropped and a worker writes to its place.
        clips = clips.pin_memory()
    return {"clip": clips, **default_collate(read.rest)}
