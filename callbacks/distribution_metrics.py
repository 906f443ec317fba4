"""FID and FVD while training goes on."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from typing_extensions import override

from callbacks.distribution_measurement import DistributionMeasurement
from callbacks.every_n_steps import EveryNSteps
from callbacks.protocols import check_makes_videos, check_provides_clips
from callbacks.unwritable import goes_on_if_unwritable
from metrics.card import MetricCard
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.feature_network import FeatureNetwork
from tensor_files.whole_files import whole_file


class DistributionMetrics(EveryNSteps):
    """Measures FID and FVD of the averaged generator every `every_n_steps` steps and at the end of training.

    Real clips are the datamodule's fixed evaluation clips.  Generated video i depends on (seed, i) alone, and both go
    through the same 8-bit quantisation.  The processes share the work in whole batches, rank r taking batches r, r + W,
    ..., and add up their sums in float64: the number of processes W does not change a result (1e-9 relative), nor does
    `batch_size` as long as the generator makes the same pixels in batches of that size.  Where its float32 rounding
    depends on it (the compact one's does on a CPU, one video at a time), a few pixels in a million move by one of 256
    levels, and results by about 1e-5.  FID and FVD with the same network share one pass.

    The statistics of the real clips are computed at the first measurement and kept in a cache of files, where later
    runs on the same data find them.  Every result becomes a line, its card, of

        <run folder>/metrics/<key, with "-" for "/">.jsonl

    and goes under its key (see `metrics.protocols`; "/validation" is appended on that split) to the loggers and to
    `trainer.callback_metrics` on all processes.  Training mode and torch's random numbers are left as they were.

    Args:
        every_n_steps: training steps between two measurements, at least 1; None switches them off.
        metrics: "fid", "fvd" or both.
        num_videos: generated videos, and as many real clips; at least 2.  Values of different numbers are not compared.
        fid_network: features of frames; None is EfficientNet-Lite0, which comes with the installation.
        fvd_network: features of clips; None is the same.
        batch_size: videos generated at a time, at least 1; what memory allows.
        split: "train" or "validation".
        seed: of the latents.
        first_step: measure after the first step too: what the curve falls from.

    Attributes:
        metric_keys: what is measured, known from `setup` on.

    Raises: ValueError if an argument is not as above; MisconfigurationException, before the first step, if module, data
        or networks cannot give what is needed.
    """

    def __init__(
        self,
        every_n_steps: int | None = 1000,
        metrics: Sequence[Literal["fid", "fvd"]] = ("fid", "fvd"),
        num_videos: int = 256,
        fid_network: FeatureNetwork | None = None,
        fvd_network: FeatureNetwork | None = None,
        batch_size: int = 16,
        split: Literal["train", "validation"] = "train",
        seed: int = 0,
        first_step: bool = False,
    ) -> None:
        super().__init__(every_n_steps)
        if not metrics or len({*metrics}) < len(metrics) or not {*metrics} <= {"fid", "fvd"}:
            raise ValueError(f"DistributionMetrics.metrics is {list(metrics)}; it takes fid, fvd or both")
        for name, number, least in (("num_videos", num_videos, 2), ("batch_size", batch_size, 1)):
            if number < least:
                raise ValueError(f"DistributionMetrics.{name} is {number}; it must be at least {least}")
        default = EfficientNetLite0()
        given: dict[str, FeatureNetwork | None] = {"fid": fid_network, "fvd": fvd_network}
        self.networks: dict[str, FeatureNetwork] = {metric: given[metric] or default for metric in metrics}
        self.num_videos = num_videos
        self.batch_size = batch_size
        self.split = split
        self.seed = seed
        self.first_step = first_step
        self.metric_keys: tuple[str, ...] = ()
        self._measurement: DistributionMeasurement

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.every_n_steps is None:
            return
        maker = check_makes_videos(pl_module, self)
        data = check_provides_clips(trainer, self)
        try:
            self._measurement = DistributionMeasurement(
                maker, data, self.networks, self.num_videos, self.batch_size, self.split, self.seed
            )
        except (ValueError, FileNotFoundError) as error:
            raise MisconfigurationException(f"DistributionMetrics: {error}") from error
        self.metric_keys = tuple(self._measurement.keys.values())

    @override
    def is_due(self, trainer: Trainer) -> bool:
        return super().is_due(trainer) or (self.first_step and trainer.global_step == 1)

    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, write and log; a collective call."""
        start = time.perf_counter()
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            cards = self._measurement.measure(
                pl_module.device, trainer.global_rank, trainer.world_size, trainer.global_step
            )
        # Rank 0 alone takes the distance: processes on unlike machines might round, and then decide, differently.
        mine = {card.key: card.value for card in cards or []}
        values = trainer.strategy.broadcast(mine)
        trainer.callback_metrics.update(
            {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}
        )
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)
        if cards is not None:
            with goes_on_if_unwritable("the cards of metrics", trainer.global_step):
                append_cards(cards, Path(trainer.default_root_dir) / "metrics")
        text = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
        pl_module.print(f"step {trainer.global_step}: {text} (measured in {time.perf_counter() - start:.1f} s)")


def append_cards(cards: list[MetricCard], folder: Path) -> None:
    """Write each card as a line of its key's file."""
    folder.mkdir(parents=True, exist_ok=True)
    for card in cards:
        with (folder / f"{card.key.replace('/', '-')}.jsonl").open("a") as file:
            file.write(json.dumps(card.as_dict()) + "\n")


def drop_cards_after(folder: Path, step: int) -> None:
    """Forget the cards that were written after a step, and a line that was not written to the end."""
    for path in folder.glob("*.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if is_card_until(step, line)]
        if kept != lines:
            with whole_file(path) as file:
                file.write("".join(kept).encode())


def is_card_until(step: int, line: str) -> bool:
    """Whether a line is a whole card, of this step or an earlier one."""
    try:
        return line.endswith("\n") and bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False
