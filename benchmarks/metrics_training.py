"""What measuring FID and FVD costs a training: seconds of a measurement over those of the steps between two."""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor

from benchmarks.metrics_timing import Record, machine, synchronise
from benchmarks.study_measurement import data_of, gan_of
from benchmarks.study_plan import FIRST_STAGES, ROOT
from callbacks.distribution_measurement import DistributionMeasurement
from callbacks.distribution_metrics import DistributionMetrics
from experiment.command_line import Experiment, build
from experiment.one_line import UserError
from metrics.feature_network import fit_gaussians
from metrics.statistics_cache import StatisticsCache

ALLOWED_SHARE = 0.05  # of the training time


def measure_training(
    names: list[str], scale: str, data: str, root: str | None, num_steps: int, device: str, folder: Path
) -> Record:
    """Share of the training time that every experiment's measurements take at its own interval.

    Args:
        scale: "small": conf/NAME.yaml with conf/small/NAME.yaml on top, where there is one; "full": without.
        data: YAML of the data set; "" leaves each experiment its own.
        root: its folder; None where the YAML knows.
        num_steps: timed steps, half of them before a measurement and half after.
        folder: for runs, which are thrown away.
    """
    record: Record = {"machine": machine(device), "scale": scale, "num_steps": num_steps, "experiments": {}}
    checkpoints: dict[str, str] = {}
    first_stages = [stage for stage, _ in FIRST_STAGES.values()]
    for name in sorted(names, key=lambda name: name not in first_stages):  # the others start from these
        arguments = command_line(name, scale, data, root, device, folder)
        if name in FIRST_STAGES:
            stage, argument = FIRST_STAGES[name]
            if stage not in checkpoints:
                record["experiments"][name] = {"not_measured": f"it starts from {stage}; measure that one, too"}
                continue
            arguments += [f"--{argument}", checkpoints[stage]]
        try:
            experiment = build(arguments)
            record["experiments"][name] = share_of_training(experiment, num_steps)
        except (UserError, MisconfigurationException, FileNotFoundError) as error:
            record["experiments"][name] = {"not_measured": " ".join(str(error).split())}
            continue
        checkpoints[name] = str(experiment.run_folder / "checkpoints" / "last.ckpt")
    return record


def experiments() -> list[str]:
    """Every experiment that can be trained small, and the demo, which is small itself."""
    return sorted([path.stem for path in (ROOT / "conf" / "small").glob("*.yaml")] + ["demo"])


def command_line(name: str, scale: str, data: str, root: str | None, device: str, folder: Path) -> list[str]:
    """Of train.py, with nothing beside the steps."""
    small = ROOT / "conf" / "small" / f"{name}.yaml"
    layers = [ROOT / "conf" / f"{name}.yaml", *([small] if scale == "small" and small.exists() else [])]
    on_gpu = torch.device(device).type == "cuda"
    layers += [ROOT / "conf" / "trainer" / "gpu.yaml"] if on_gpu else []
    return [
        *(argument for path in layers for argument in ("--config", str(path))),
        *([] if on_gpu else ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]),
        *(["--data", data] if data else []),
        *(["--data.root", root] if root else []),
        *("--trainer.logger", "false", "--samples.every_n_steps", "null"),
        *("--checkpoints.every_n_steps", "1000000", "--curves.every_n_steps", "1000000"),
        *("--runs_folder", str(folder), "--run_name", name),
    ]


def share_of_training(experiment: Experiment, num_steps: int) -> Record:
    """Train some steps, measure, train as many again; what was timed."""
    trainer = experiment.trainer
    (metrics,) = [callback for callback in trainer.callbacks if isinstance(callback, DistributionMetrics)]  # type: ignore[attr-defined]
    assert metrics.every_n_steps is not None
    trainer.callbacks.remove(metrics)  # type: ignore[attr-defined]
    cycle = max(gan_of(experiment).steps_between.values())
    stopwatch = Stopwatch(experiment, metrics, cycle + 1, cycle * -(-num_steps // (2 * cycle)))
    trainer.callbacks.append(stopwatch)  # type: ignore[attr-defined]
    trainer.fit(experiment.model, experiment.datamodule)
    step = seconds_per_step(stopwatch.seconds_of_steps, cycle)
    return {
        "video_shape": list(data_of(experiment).video_shape),
        "batch_size": data_of(experiment).batch_size,
        "seconds_per_step": step,
        "num_videos": metrics.num_videos,
        "seconds_per_measurement": stopwatch.seconds_of_measurement,
        "every_n_steps": metrics.every_n_steps,
        "share": stopwatch.seconds_of_measurement / (metrics.every_n_steps * step),
        "steps_for_allowed_share": stopwatch.seconds_of_measurement / (ALLOWED_SHARE * step),
    }


def seconds_per_step(seconds: list[float], cycle: int) -> float:
    """Median over the cycles of steps in which both players are updated, over their length."""
    return statistics.median(sum(seconds[start : start + cycle]) for start in range(0, len(seconds), cycle)) / cycle


class Stopwatch(Callback):
    """Times steps, then one measurement with the settings of `metrics`, then as many steps, and ends the training.

    The measurement is of the generated videos alone: the statistics of the real clips are made before, once for all
    runs on the same data.
    """

    measurement: DistributionMeasurement

    def __init__(
        self, experiment: Experiment, metrics: DistributionMetrics, num_warm_up_steps: int, num_steps: int
    ) -> None:
        self.experiment = experiment
        self.metrics = metrics
        self.num_warm_up_steps = num_warm_up_steps
        self.num_steps = num_steps  # before and after the measurement
        self.seconds_of_steps: list[float] = []
        self.seconds_of_measurement = 0.0
        self._step_began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make ready what a training makes once."""
        self.measurement = ready_measurement(self.experiment, self.metrics)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the step's seconds, and do what is due."""
        synchronise(pl_module.device)
        if trainer.global_step > self.num_warm_up_steps:
            self.seconds_of_steps.append(time.perf_counter() - self._step_began)
            if len(self.seconds_of_steps) == self.num_steps:
                self.seconds_of_measurement = self._measure(pl_module.device, trainer.global_step)
            trainer.should_stop = len(self.seconds_of_steps) == 2 * self.num_steps
        self._step_began = time.perf_counter()

    def _measure(self, device: torch.device, step: int) -> float:
        start = time.perf_counter()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            self.measurement.measure(device, 0, 1, step)
        synchronise(device)
        return time.perf_counter() - start


def ready_measurement(experiment: Experiment, metrics: DistributionMetrics) -> DistributionMeasurement:
    """As the callback makes it, with its networks loaded and the real clips' statistics in the cache."""
    model, data = gan_of(experiment), data_of(experiment)
    measurement = DistributionMeasurement(
        model, data, metrics.networks, metrics.num_videos, metrics.batch_size, metrics.split, metrics.seed
    )
    for network in dict.fromkeys(metrics.networks.values()):
        identity = StatisticsCache.identity(network, **measurement.real_protocol)
        compute = partial(fit_gaussians, network, real_batches(measurement), model.device)
        cache = StatisticsCache()
        if cache.find(identity) is None:
            cache.keep(identity, {**compute()})
        network(next(real_batches(measurement)).to(model.device))
    return measurement


def real_batches(measurement: DistributionMeasurement) -> Iterator[Tensor]:
    """Real clips, as many at a time as are generated."""
    clips = (measurement.clips[index]["clip"] for index in range(measurement.num_videos))
    while batch := list(islice(clips, measurement.batch_size)):
        yield torch.stack(batch)
