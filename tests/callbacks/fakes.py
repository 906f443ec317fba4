"""A module that makes videos, data that provides clips, a feature network: as small as callbacks allow."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import Dataset

from metrics.feature_network import FeatureNetwork

SHAPE = (3, 4, 8, 8)


def noise(*key: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(key).normal(size=3).astype("float32"))


class TinyModule(LightningModule):
    """A video is its latent's three numbers as a colour, brighter with every frame and with every training step."""

    conditions_on_clips = False
    sampling = {"weights": "latest", "truncation": 1.0}  # noqa: RUF012

    def __init__(self, shape: tuple[int, int, int, int] = SHAPE) -> None:
        super().__init__()
        self.conditions: list[Tensor | None] = []  # clips of every call
        self.brightness = nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout()
        self.shape = shape
        self.generated: list[tuple[int, Tensor | None]] = []  # number and labels of every call

    def sample_latents(self, indices: range, seed: int) -> dict[str, Tensor]:
        return {"colour": torch.stack([noise(seed, index) for index in indices]).to(self.device)}

    @torch.no_grad()
    def generate(
        self,
        num_videos: int,
        latents: dict[str, Tensor] | None = None,
        labels: Tensor | None = None,
        clips: Tensor | None = None,
    ) -> Tensor:
        assert latents is not None
        assert clips is None or self.conditions_on_clips
        self.conditions.append(clips)
        torch.rand(3)  # a generator may draw noise
        self.generated.append((num_videos, labels))
        time = torch.linspace(0, 0.5, self.shape[1])[:, None, None]  # (T, 1, 1)
        videos = 0.3 * latents["colour"][:, :, None, None, None] + time + self.brightness  # (N, C, T, 1, 1)
        return videos.expand(-1, -1, -1, *self.shape[2:])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss = (batch["clip"].float().mean() / 255 - self.brightness).square()
        values = {"discriminator/loss": loss, "generator/loss": 2 * loss}
        logits = {"discriminator/logits_real": loss + 1, "discriminator/logits_fake": loss - 1}
        self.log_dict({**values, **logits, "step": float(self.trainer.global_step + 1)})
        return loss


class Clips(Dataset):
    """Clip i is random pixels of (seed, i); its label is i mod 2."""

    def __init__(self, num_clips: int, shape: tuple[int, int, int, int], seed: int) -> None:
        self.num_clips = num_clips
        self.shape = shape
        self.seed = seed
        self.labels = [index % 2 for index in range(num_clips)]
        self.num_read = 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        assert 0 <= index < self.num_clips
        self.num_read += 1
        rng = np.random.default_rng([self.seed, index])
        pixels = rng.integers(0, 256, size=(self.shape[0], self.shape[1], 1, 1), dtype="uint8")
        return {"clip": torch.from_numpy(pixels).expand(self.shape), "label": self.labels[index]}


class EndlessLoader:
    """Batches without end, and without a length."""

    def __init__(self, batch_size: int, shape: tuple[int, int, int, int], num_batches: int | None) -> None:
        self.batch_size = batch_size
        self.shape = shape
        self.num_batches = num_batches
        self.seconds_waited = 0.0

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        produced = 0
        while self.num_batches is None or produced < self.num_batches:
            self.seconds_waited += 0.001
            produced += 1
            clips = torch.full((self.batch_size, *self.shape), 128, dtype=torch.uint8)
            yield {"clip": clips, "label": torch.zeros(self.batch_size, dtype=torch.int64)}


class TinyData(LightningDataModule):
    def __init__(
        self, shape: tuple[int, int, int, int] = SHAPE, seed: int = 0, num_batches: int | None = None, fps: float = 8.0
    ) -> None:
        super().__init__()
        self.video_shape = shape
        self.fps = fps
        self.seed = seed
        self.num_batches = num_batches
        self.given: list[Clips] = []

    def train_dataloader(self) -> EndlessLoader:
        return EndlessLoader(2, self.video_shape, self.num_batches)

    def evaluation_dataset(self, num_clips: int, split: str) -> Clips:
        if split != "train":
            raise ValueError("the validation split is empty")
        self.given.append(Clips(num_clips, self.video_shape, self.seed))
        return self.given[-1]

    def fingerprint(self, split: str) -> str:
        return hashlib.sha256(f"{split} of {self.seed}".encode()).hexdigest()


class ColourFeatures(FeatureNetwork):
    """Features of a frame: its mean colour; of a clip: the mean over time and the last frame less the first."""

    name = "colours"
    num_features = {"fid": 3, "fvd": 6}  # noqa: RUF012
    resize = "none"
    weights_sha256 = "0" * 64

    def __init__(self) -> None:
        super().__init__(frames_per_pass=1)  # a clip at a time: none is measured beside those that are asked for
        self.num_clips = 0

    def build(self) -> nn.Module:
        torch.rand(3)  # as weights that are drawn before they are loaded
        return nn.Identity()

    def extract(self, network: nn.Module, clips: Tensor) -> dict[str, Tensor]:
        self.num_clips += len(clips)
        frames = clips.float().mean(dim=(3, 4)).transpose(1, 2)  # (N, T, C)
        motion = frames[:, -1] - frames[:, 0]
        return {"fid": frames.flatten(0, 1), "fvd": torch.cat([frames.mean(1), motion], dim=1)}


class DoAt(Callback):
    """Calls a function after one training step."""

    def __init__(self, step: int, action: Callable[[Trainer, LightningModule], None]) -> None:
        self.step = step
        self.action = action

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.step:
            self.action(trainer, pl_module)


def make_trainer(folder: Path, *callbacks: Callback, max_steps: int = 4, logger: Any = False, **more: Any) -> Trainer:
    """One process on the CPU that says nothing."""
    settings = {
        "accelerator": "cpu",
        "devices": 1,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": any("Checkpoints" in type(callback).__name__ for callback in callbacks),
        **more,
    }
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), max_steps=max_steps, logger=logger, **settings)
