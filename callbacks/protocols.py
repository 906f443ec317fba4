"""What callbacks know of the module and of the data: two small protocols, checked before the first step."""

from typing import Any, Protocol, cast, runtime_checkable

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import Dataset


@runtime_checkable
class MakesVideos(Protocol):
    """A module that generates videos for callbacks; one method call of it is one pass on one process."""

    @property
    def conditions_on_clips(self) -> bool:
        """Whether `generate` needs real clips."""

    @property
    def sampling(self) -> dict[str, Any]:
        """How `generate` draws videos, for cards, in plain JSON values: which weights, truncation, conditions."""

    def sample_latents(self, indices: range, seed: int) -> dict[str, Tensor]:
        """Latents of the videos `indices`, on the module's device; video i's depend on (seed, i) alone."""

    def generate(
        self,
        num_videos: int,
        latents: dict[str, Tensor] | None = None,
        labels: Tensor | None = None,
        clips: Tensor | None = None,
    ) -> Tensor:
        """Videos of the averaged generator, in eval mode, without gradients: (N, C, T, H, W) float32 in [-1, 1].

        `clips`: real ones of the same shape and range, for a generator that makes videos from them.
        """


@runtime_checkable
class ProvidesClips(Protocol):
    """A datamodule that gives callbacks a fixed set of real clips."""

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """(C, T, H, W) of every clip."""

    @property
    def fps(self) -> float:
        """Frames per second of the clips as the generator sees them."""

    def evaluation_dataset(self, num_clips: int, split: str) -> Dataset:
        """Clips of a split ("train" or "validation"), the same ones every time.

        Item i is a dict of `clip`, uint8 (C, T, H, W), and `label`, an integer.  If the data set has an attribute
        `labels`, the items' labels in order, videos are generated for these classes.
        """

    def fingerprint(self, split: str) -> str:
        """Hash over the content of the split's files."""


def check_makes_videos(module: LightningModule, callback: object) -> MakesVideos:
    """The module, if it can generate videos.

    Raises: MisconfigurationException naming the methods that are missing.
    """
    needed = ("sample_latents", "generate", "conditions_on_clips", "sampling")
    _check(module, needed, callback, "add them to the LightningModule")
    return cast(MakesVideos, module)


def check_provides_clips(trainer: Trainer, callback: object) -> ProvidesClips:
    """The trainer's datamodule, if it provides clips.

    Raises: MisconfigurationException if there is no datamodule, or naming what it lacks.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if datamodule is None:
        raise MisconfigurationException(
            f"{type(callback).__name__} needs real clips: pass a datamodule, trainer.fit(module, datamodule=...)"
        )
    needed = ("evaluation_dataset", "fingerprint", "video_shape", "fps")
    _check(datamodule, needed, callback, "add them to the LightningDataModule")
    return datamodule


def _check(subject: object, needed: tuple[str, ...], callback: object, remedy: str) -> None:
    # dir() and not hasattr(): shape and fps may be properties that read the data set, which is not prepared yet.
    missing = [name for name in needed if name not in dir(subject)]
    if missing:
        raise MisconfigurationException(
            f"{type(callback).__name__} needs {', '.join(missing)} of {type(subject).__name__}: "
            f"{remedy} (see callbacks/protocols.py), or remove the callback"
        )
