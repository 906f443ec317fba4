"""Data that needs no files and no decoder: squares of a colour, moving in a direction of their class."""

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from video_io.pixels import uint8_to_float

NUM_CLASSES = 5


class MovingSquares(LightningDataModule):
    """Clip i shows a square that depends on i alone; its label is i mod 5.

    Args:
        num_frames, size, batch_size: as of any data of ours.
        others: what other data take besides; not used.
    """

    def __init__(self, num_frames: int = 16, size: int = 32, batch_size: int = 4, **others: Any) -> None:
        super().__init__()
        self.num_frames, self.size, self.batch_size = num_frames, size, batch_size
        self.class_names = tuple(f"direction {number}" for number in range(NUM_CLASSES))
        self.video_shape = (3, num_frames, size, size)
        self.fps = 25.0

    def train_dataloader(self) -> DataLoader:
        """Clips 0, 1, 2, ... in batches."""
        trainer = self.trainer
        first = trainer.global_step if trainer else 0
        return DataLoader(Squares(self.num_frames, self.size), batch_sampler=InOrder(self.batch_size, first))

    def evaluation_dataset(self, num_clips: int, split: str) -> Dataset:
        """The same clips."""
        return Squares(self.num_frames, self.size)

    def fingerprint(self, split: str) -> str:
        """There is one set of squares."""
        return "squares"

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> dict[str, Tensor]:
        """As of any data of ours."""
        return {**batch, "clip": uint8_to_float(batch["clip"])}


class Squares(Dataset):
    """See `MovingSquares`."""

    def __init__(self, num_frames: int, size: int) -> None:
        self.num_frames, self.size = num_frames, size

    def __getitem__(self, index: int) -> dict[str, Any]:
        label, side = index % NUM_CLASSES, self.size // 4
        clip = torch.full((3, self.num_frames, self.size, self.size), 40, dtype=torch.uint8)
        colour = torch.tensor([50 * (index % 5), 255 - 40 * (index % 7), 80 * (index % 3)], dtype=torch.uint8)
        for time in range(self.num_frames):
            row = (index + label * time) % (self.size - side)
            column = (3 * index + (2 - label) * time) % (self.size - side)
            clip[:, time, row : row + side, column : column + side] = colour[:, None, None]
        return {"clip": clip, "label": label}


class InOrder(Sampler[list[int]]):
    """Batches of neighbouring numbers, for ever."""

    def __init__(self, batch_size: int, first_step: int) -> None:
        self.batch_size, self.first_step = batch_size, first_step

    def __iter__(self) -> Iterator[list[int]]:
        step = self.first_step
        while True:
            yield list(range(step * self.batch_size, (step + 1) * self.batch_size))
            step += 1
