"""The generator of a run, from its folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule

from experiment.checks import difference
from experiment.one_line import UserError
from experiment.run_folder import CHECKPOINTS, PUBLISHED
from experiment.saved_run import build_datamodule, build_model, read_config
from lightning_modules.video_gan import VideoGAN
from tensor_files.loading import load_checkpoint
from tensor_files.whole_files import sha256_of

VIDEO_MAKERS = ("generator.", "generator_ema.")  # how their weights' names begin


@dataclass(frozen=True)
class TrainedRun:
    """A run that can make videos.

    Args:
        module: with the weights of the checkpoint, on its device, in eval mode; `module.generate` uses those chosen.
        folder: of the run.
        checkpoint: the file, links followed.
        checkpoint_sha256: of its content, in hex.
        step: training steps of the checkpoint.
        config: what the run has saved, plain values.
        allow_packages: besides the trusted ones, for `datamodule`.
    """

    module: VideoGAN = field(repr=False)
    folder: Path
    checkpoint: Path
    checkpoint_sha256: str
    step: int
    config: dict[str, Any] = field(repr=False)
    allow_packages: tuple[str, ...] = ()

    @property
    def frame_stride(self) -> int:
        """Every how many-th frame of its videos the run was trained with: real ones must be measured at the same."""
        return int(self.config["data"].get("init_args", {}).get("frame_stride", 1))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the generator, in plain JSON values, for cards."""
        return {**self.module.sampling, "checkpoint_sha256": self.checkpoint_sha256, "step": self.step}

    def datamodule(self, root: str | None = None) -> LightningDataModule:
        """The run's data, prepared: for labels, or for the clips that a generator makes videos from.

        `root` is where the videos lie, if not where they were.
        Raises: ValueError or FileNotFoundError, in one line.
        """
        try:
            data = build_datamodule(self.config, root, self.allow_packages)
        except UserError as error:
            raise ValueError(f"{self.folder}: {error}") from error
        data.prepare_data()
        data.setup("fit")
        return data


def open_run(
    folder: str | Path,
    checkpoint: str | Path = "last",
    ema: bool = True,
    truncation: float | None = None,
    device: torch.device | str = "cpu",
    allow_packages: Sequence[str] = (),
) -> TrainedRun:
    """The module of a run with the weights of a checkpoint; makes no folder, no loggers, and touches no data.

    Args:
        folder: that train.py has made.
        checkpoint: "last"; "best", where the run kept one; or the path of a checkpoint of this run.
        ema: the generator's moving average, or else its latest weights.
        truncation: psi, above 0 and at most 1; None as the run's config says.
        device: where the module goes.
        allow_packages: whose classes the config may name besides the trusted ones, as `train.py --allow_package`.

    Raises: ValueError or FileNotFoundError, in one line that says what to do.
    """
    folder = Path(folder)
    if truncation is not None and not 0 < truncation <= 1:
        raise ValueError(f"truncation is {truncation}; it must be above 0 and at most 1, which truncates nothing")
    try:
        config = read_config(folder)
        path = checkpoint_path(folder, checkpoint)
        module = build_model(config, allow_packages)
    except UserError as error:
        raise ValueError(f"{folder}: {error}") from error
    if not isinstance(module, VideoGAN):
        raise ValueError(f"{folder}: is a run of {type(module).__name__}; only a VideoGAN's can be opened")
    step = load_weights(module, path)
    if not ema and path.suffix == ".safetensors" and module.generator_ema.holds != "latest":
        raise ValueError(f"{path}: holds the {module.generator_ema.holds} alone")
    if not ema:
        module.generator_ema.hold_latest(module.generator)
    if truncation is not None:
        module.truncation = truncation
    return TrainedRun(
        module=module.to(device).eval(),
        folder=folder,
        checkpoint=path,
        checkpoint_sha256=sha256_of(path),
        step=step,
        config=config,
        allow_packages=tuple(allow_packages),
    )


def checkpoint_path(folder: Path, checkpoint: str | Path) -> Path:
    """The file that "last", "best" or a path means, links followed.

    Raises: FileNotFoundError, naming those that there are.
    """
    path = folder / CHECKPOINTS / f"{checkpoint}.ckpt" if checkpoint in ("last", "best") else Path(checkpoint)
    if checkpoint == "last" and (folder / PUBLISHED).is_file():
        path = folder / PUBLISHED
    if path.is_file():
        return path.resolve()
    kept = sorted(each.name for each in (folder / CHECKPOINTS).glob("*.ckpt") if each.is_file())
    there = f"this run has {', '.join(kept)}" if kept else "this run has no checkpoints"
    if checkpoint == "best":
        there += "; best.ckpt is kept where checkpoints.best_metric names a metric"
    raise FileNotFoundError(f"{path}: there is no such checkpoint; {there}")


def load_weights(module: VideoGAN, path: Path) -> int:
    """Load the weights that make videos from a checkpoint; the training step that it is of.

    Those of the discriminator stay fresh: nobody needs them here, and they need not fit.
    Raises: ValueError if it is no checkpoint of this run.
    """
    saved = load_checkpoint(path)
    if path.suffix == ".safetensors":  # the weights of one generator, which makes the samples
        module.generator_ema.holds = saved["holds"]
        weights = saved["state_dict"]
        saved["state_dict"] = {
            prefix + name: value
            for prefix in ("generator.", "generator_ema.average.")
            for name, value in weights.items()
        }
    there, here = (
        {name: value for name, value in state.items() if name.startswith(VIDEO_MAKERS)}
        for state in (saved["state_dict"], module.state_dict())
    )
    if unlike := difference(there, here):
        raise ValueError(f"{path}: is of another run, or the generator has changed since: {unlike}")
    module.load_state_dict(there, strict=False)
    return int(saved.get("global_step", 0))
