"""The smallest networks and data that a VideoGAN can be trained with, on a CPU, in milliseconds."""

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from lightning_modules.video_gan import VideoGAN
from losses.base import AdversarialObjective
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1
from networks.base import Discriminator, Generator, Judgement, Latents, View

SHAPE = (3, 4, 8, 8)


class TinyGenerator(Generator):
    def __init__(self) -> None:
        super().__init__(num_frames=4, size=8)
        self.layer = nn.Linear(5, 3 * 4 * 8 * 8)
        self.register_buffer("times_called", torch.zeros(()))

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        return {"z": torch.randn(num_videos, 5, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        self.times_called += 1
        return torch.tanh(self.layer(latents["z"])).unflatten(1, SHAPE)


class TinyDiscriminator(Discriminator):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(3, 4, 4, stride=2, padding=1), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 2 * 4 * 4, 1)
        )
        self.num_features = (4 * 2 * 4 * 4,)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        features = self.layers[:-1](seen)
        return Judgement((self.layers[-1](features).squeeze(1),), (features,))


class Clips(Dataset[dict[str, Tensor]]):
    """Clip number i is a function of i."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(index)
        return {"clip": torch.rand(SHAPE, generator=rng) * 2 - 1, "label": torch.tensor(0)}


class Batches(Sampler[list[int]]):
    """This process's part of each global batch, for ever."""

    def __init__(self, batch_size: int, rank: int, world_size: int, start_step: int = 0) -> None:
        self.batch_size, self.rank, self.world_size, self.start_step = batch_size, rank, world_size, start_step

    def __iter__(self) -> Iterator[list[int]]:
        step, share = self.start_step, self.batch_size // self.world_size
        while True:
            first = step * self.batch_size + self.rank * share
            yield list(range(first, first + share))
            step += 1


class TinyVideoGAN(VideoGAN):
    """A VideoGAN that brings its own data."""

    batch_size = 4

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        trainer = self.trainer
        batches = Batches(self.batch_size, trainer.global_rank, trainer.world_size, trainer.global_step)
        return DataLoader(Clips(), batch_sampler=batches)


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-3, betas=(0.0, 0.9))


def tiny_video_gan(objective: AdversarialObjective | None = None, **settings: Any) -> TinyVideoGAN:
    torch.manual_seed(0)
    settings = {"generator_optimizer": adam, "discriminator_optimizer": adam, **settings}
    generator, discriminator = TinyGenerator(), settings.pop("discriminator", None) or TinyDiscriminator()
    return TinyVideoGAN(generator, discriminator, objective or NonSaturating(terms={"r1": R1(1.0)}), **settings)


def tiny_trainer(folder: Any, **settings: Any) -> Trainer:
    defaults = {
        "accelerator": "cpu",
        "devices": 1,
        "default_root_dir": folder,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "log_every_n_steps": 1,
    }
    return Trainer(**{**defaults, **settings})
