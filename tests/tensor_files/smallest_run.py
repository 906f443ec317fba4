"""The smallest VideoGAN whose checkpoint has all that a checkpoint has: a few kB."""

from pathlib import Path

import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from callbacks.checkpoints import Checkpoints
from losses.non_saturating import NonSaturating
from networks.base import Discriminator, Generator, Judgement, Latents, View
from tests.lightning_modules.tiny import SHAPE, TinyVideoGAN, adam, tiny_trainer


class Colour(Generator):
    """A video is one colour."""

    def __init__(self) -> None:
        super().__init__(num_frames=4, size=8)
        self.layer = nn.Linear(2, 3)

    def sample_latents(self, num_videos: int, rng: torch.Generator, num_frames: int | None = None) -> Latents:
        return {"z": torch.randn(num_videos, 2, generator=rng)}

    def forward(self, latents: Latents, labels: Tensor | None = None) -> Tensor:
        return torch.tanh(self.layer(latents["z"]))[:, :, None, None, None].expand(-1, *SHAPE)


class Mean(Discriminator):
    """Looks at the mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, seen: Tensor, labels: Tensor | None = None, view: View | None = None) -> Judgement:
        return Judgement((self.layer(seen.mean((2, 3, 4))).squeeze(1),), ())


def fit(folder: Path, max_steps: int, checkpoint: Path | None = None) -> tuple[TinyVideoGAN, Trainer]:
    """Train so many steps, the last of which is saved."""
    torch.manual_seed(0)
    module = TinyVideoGAN(Colour(), Mean(), NonSaturating(), generator_optimizer=adam, discriminator_optimizer=adam)
    trainer = tiny_trainer(folder, max_steps=max_steps, callbacks=[Checkpoints(max_steps)], enable_checkpointing=True)
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    return module, trainer
