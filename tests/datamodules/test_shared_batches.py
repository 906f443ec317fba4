import gc
import multiprocessing
from itertools import islice

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.clip_loader import ClipLoader
from datamodules.clip_sampling import PositionBatches
from datamodules.shared_batches import BatchMemory, BatchReader, Task, batch_of

SHAPE = (3, 2, 4, 4)


def clip_at(position: int) -> Tensor:
    return torch.full(SHAPE, position, dtype=torch.uint8)


class Numbered(Dataset):
    def __init__(self, shape_of_fifth: tuple[int, ...] | None = None) -> None:
        self.shape_of_fifth = shape_of_fifth

    def __getitem__(self, position: int) -> dict[str, object]:
        clip = clip_at(position)
        if position == 5 and self.shape_of_fifth:
            clip = torch.zeros(self.shape_of_fifth, dtype=torch.uint8)
        return {"clip": clip, "label": position % 3, "caption": f"number {position}"}


def is_right(batch: dict[str, object], first: int) -> bool:
    clips = batch["clip"]
    assert isinstance(clips, Tensor)
    return all(torch.equal(clip, clip_at(first + number)) for number, clip in enumerate(clips))


def test_a_place_is_free_again_when_no_tensor_is_left_on_it():
    memory = BatchMemory(2, (4, *SHAPE))
    first, second = memory.take(), memory.take()
    assert {first, second} == {0, 1} and memory.take() is None
    memory.clips[first] = 7
    clips = memory.lend(first)
    view, as_array = clips.permute(0, 2, 1, 3, 4)[1:], clips[0].numpy()
    del clips
    gc.collect()
    assert memory.take() is None and (view == 7).all()
    del view
    assert memory.take() is None and (as_array == 7).all()
    del as_array
    assert memory.take() == first


def test_the_place_used_last_is_taken_first():
    memory = BatchMemory(3, (1, *SHAPE))
    places = [memory.take() for _ in range(3)]
    lent = [memory.lend(place) for place in places]
    del lent[1]
    assert memory.take() == places[1]


@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_batches_that_are_kept_stay_what_they_were(num_workers):
    """More of them than there are places."""
    batches = list(islice(ClipLoader(Numbered(), PositionBatches(4), SHAPE, num_workers), 30))
    assert all(is_right(batch, 4 * number) for number, batch in enumerate(batches))
    assert batches[2]["label"].tolist() == [2, 0, 1, 2]
    assert batches[2]["caption"] == [f"number {position}" for position in range(8, 12)]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_memory_is_used_again(num_workers):
    batches = iter(ClipLoader(Numbered(), PositionBatches(4), SHAPE, num_workers))
    places = set()
    for number in range(40):
        batch = next(batches)
        assert is_right(batch, 4 * number)
        places.add(batch["clip"].data_ptr())
    assert len(places) <= 2 * num_workers + 4


def test_memory_reaches_spawned_processes():
    memory = BatchMemory(1, (2, *SHAPE))
    child = multiprocessing.get_context("spawn").Process(target=fill, args=(BatchReader(Numbered(), memory),))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    assert torch.equal(memory.lend(0), torch.stack([clip_at(3), clip_at(4)]))


def fill(reader: BatchReader) -> None:
    reader[Task(0, [3, 4])]


def test_a_batch_without_a_place_brings_its_clips():
    memory = BatchMemory(1, (2, *SHAPE))
    read = BatchReader(Numbered(), memory)[Task(None, [6, 7])]
    assert is_right(batch_of(read, memory), 6) and memory.take() == 0


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (3, 2, 4, 5)])
def test_a_clip_of_another_shape_is_refused(shape):
    """Also one that could be stretched to it."""
    batches = iter(ClipLoader(Numbered(shape), PositionBatches(4), SHAPE, 0))
    next(batches)
    with pytest.raises(ValueError, match=r"the clip at position 5 is \(.*, not \(3, 2, 4, 4\)"):
        next(batches)


def test_what_goes_to_a_gpu_is_copied_to_pinned_memory_and_the_place_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(Tensor, "pin_memory", Tensor.clone)
    memory = BatchMemory(1, (2, *SHAPE))
    place = memory.take()
    batch = batch_of(BatchReader(Numbered(), memory)[Task(place, [1, 2])], memory)
    assert memory.take() == place
    memory.clips[place] = 0
    assert is_right(batch, 1)
