"""How checkpoints get to the disk and back, whatever the disk does."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from callbacks.unwritable import reason
from tensor_files.committed import commit, delete
from tensor_files.loading import load_checkpoint


class CheckpointFiles(CheckpointIO):
    """Lightning's reading and writing of checkpoints, by way of `tensor_files`: whole or not there, known by a hash.

    Lightning's own writes to the temporary folder and moves the file, which copies over the last good checkpoint where
    that is another disk, and takes no notice of a missing permission.

    Attributes:
        problem: why the last one could not be written, empty if it was.  It is not raised, because the other processes
            wait for this one.
    """

    def __init__(self) -> None:
        self.problem = ""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write and commit one; called on rank 0."""
        try:
            commit(Path(path), lambda file: torch.save(checkpoint, file))
            self.problem = ""
        except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of a full disk
            self.problem = reason(error)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read one, as data, to the CPU.

        Raises: see `tensor_files.loading.load_checkpoint`.
        """
        return load_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete one with its mark."""
        delete(Path(path))
