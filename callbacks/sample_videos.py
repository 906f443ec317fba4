"""Videos to look at while training goes on."""

import math
from pathlib import Path

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor
from typing_extensions import override

from callbacks.every_n_steps import EveryNSteps, step_name
from callbacks.protocols import MakesVideos, ProvidesClips, check_makes_videos, check_provides_clips
from callbacks.unwritable import goes_on_if_unwritable
from video_io.grid import video_grid
from video_io.pixels import float_to_uint8, uint8_to_float
from video_io.writing import write_video

LEAST_SIZE = 64  # pixels; smaller videos are enlarged
STRIP_VIDEOS, STRIP_FRAMES = 6, 8


class SampleVideos(EveryNSteps):
    """Shows what the averaged generator makes of always the same latents, beside real clips.

        <run folder>/samples/real.mp4, .png       a grid of real clips, when training starts
                             step-00001000.mp4    a grid of generated videos, at the speed of the clips
                             step-00001000.png    the first of them, one a row, time from left to right

    Videos smaller than 64 pixels are enlarged by a whole factor, pixels kept as squares.  W&B gets the mp4 files as
    `samples/generated` and `samples/real`.  TensorBoard plays no mp4, and gets the pictures; other loggers get nothing.

    Rank 0 generates and writes, the others go on.  Generation does not touch torch's random numbers.

    Args:
        every_n_steps: training steps between two samples, at least 1; None switches them off.
        num_videos: in a grid, at least 1.
        columns: of the grid; None makes it about square.
        seed: of the latents; video i is the same for any `num_videos`.
        videos_per_pass: how many are generated at a time, at least 1; what memory allows.

    Raises: ValueError if a number is below 1; MisconfigurationException if module or data cannot give videos.
    """

    def __init__(
        self,
        every_n_steps: int | None = 1000,
        num_videos: int = 16,
        columns: int | None = None,
        seed: int = 0,
        videos_per_pass: int = 16,
    ) -> None:
        super().__init__(every_n_steps)
        for name, number in (("num_videos", num_videos), ("columns", columns), ("videos_per_pass", videos_per_pass)):
            if number is not None and number < 1:
                raise ValueError(f"SampleVideos.{name} is {number}; it must be at least 1")
        self.num_videos = num_videos
        self.columns = columns or math.ceil(math.sqrt(num_videos))
        self.seed = seed
        self.videos_per_pass = videos_per_pass
        self._maker: MakesVideos
        self._data: ProvidesClips
        self._labels: Tensor
        self._clips: Tensor

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.every_n_steps is not None:
            self._maker = check_makes_videos(pl_module, self)
            self._data = check_provides_clips(trainer, self)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        if self.every_n_steps is not None and trainer.is_global_zero:
            self._show_real(trainer)

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Generate, write and log, on rank 0."""
        if not trainer.is_global_zero:
            return
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            videos = torch.cat([self._generate(part, pl_module.device) for part in self._parts()])  # (N, C, T, H, W)
        self._write(trainer, videos, step_name(trainer.global_step), "samples/generated")

    def _parts(self) -> list[range]:
        starts = range(0, self.num_videos, self.videos_per_pass)
        return [range(start, min(start + self.videos_per_pass, self.num_videos)) for start in starts]

    def _generate(self, indices: range, device: torch.device) -> Tensor:
        """The videos `indices`: (N, C, T, H, W) uint8 on the CPU."""
        labels = self._labels[indices.start : indices.stop].to(device)
        clips = None
        if self._maker.conditions_on_clips:
            clips = uint8_to_float(self._clips[indices.start : indices.stop])
        latents = self._maker.sample_latents(indices, self.seed)
        return float_to_uint8(self._maker.generate(len(indices), latents=latents, labels=labels, clips=clips)).cpu()

    def _show_real(self, trainer: Trainer) -> None:
        """Write the real clips; their labels, and where asked for their pixels, are the generated videos' too."""
        dataset = self._data.evaluation_dataset(self.num_videos, "train")
        items = [dataset[index] for index in range(self.num_videos)]
        self._labels = torch.tensor([int(item["label"]) for item in items])
        self._clips = torch.stack([item["clip"] for item in items])
        if not (samples_folder(trainer) / "real.mp4").exists():
            self._write(trainer, self._clips, "real", "samples/real")

    def _write(self, trainer: Trainer, videos: Tensor, name: str, key: str) -> None:
        """Write `name`.mp4 and `name`.png and hand them to the loggers."""
        with goes_on_if_unwritable(f"samples/{name}.mp4", trainer.global_step):
            self._write_and_log(trainer, enlarged(videos.expand(-1, 3, -1, -1, -1)), name, key)

    def _write_and_log(self, trainer: Trainer, videos: Tensor, name: str, key: str) -> None:
        from PIL import Image

        folder = samples_folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{name}.mp4", video_grid(videos, self.columns), self._data.fps)
        strip = contact_strip(videos)
        Image.fromarray(strip.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_video(key, [str(folder / f"{name}.mp4")], trainer.global_step, format=["mp4"])
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(key, strip, trainer.global_step)


def samples_folder(trainer: Trainer) -> Path:
    """Where the run's samples are."""
    return Path(trainer.default_root_dir) / "samples"


def enlarged(videos: Tensor) -> Tensor:
    """Videos (N, C, T, H, W), each pixel repeated so that the shorter side has at least `LEAST_SIZE` pixels."""
    factor = math.ceil(LEAST_SIZE / min(videos.shape[3:]))
    return videos.repeat_interleave(factor, dim=3).repeat_interleave(factor, dim=4)


def contact_strip(videos: Tensor) -> Tensor:
    """Picture (C, rows * H, frames * W) of the first videos of (N, C, T, H, W): one a row, frames over all its time."""
    num_frames = videos.shape[2]
    times = torch.linspace(0, num_frames - 1, min(STRIP_FRAMES, num_frames)).round().long()
    rows = [torch.cat(tuple(video[:, times].unbind(1)), dim=2) for video in videos[:STRIP_VIDEOS]]
    return torch.cat(rows, dim=1)
