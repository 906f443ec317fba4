"""How a model of a study is trained: in one stage or two, each kept as soon as it is done."""

import csv
import dataclasses
import json
import platform
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.study_measurement import data_of, fid_and_fvd, gan_of, measure, real_references
from benchmarks.study_plan import FIRST_STAGES, ROOT, Budget, arguments_for, write_json
from experiment.command_line import Experiment, build
from experiment.one_line import UserError
from experiment.summary import num_trained


def train_one(model: str, budget: Budget, output: Path) -> dict[str, Any]:
    """Train and measure one model; write its result.json last, so that it stands for a finished model.

    What an earlier, interrupted try has trained with this budget and this code is not trained again.

    Raises: UserError if the data holds no videos out.
    """
    if budget.threads:
        torch.set_num_threads(budget.threads)
    folder, origin = output / model, {"budget": dataclasses.asdict(budget), "commit": commit()}
    minutes, more, first = budget.minutes, [], None
    if model in FIRST_STAGES:
        stage, argument = FIRST_STAGES[model]
        minutes /= 2
        first = first_stage(stage, minutes, budget, folder, origin)
        more = [f"--{argument}", first["checkpoint"]]
    experiment = build([*arguments_for(model, budget, minutes, folder, "run"), *more])
    check_held_out(experiment)
    references = real_references(experiment, budget.num_videos, output / "real_features")
    training = kept(folder / "training.json", origin)
    if training is None:
        # A first stage has learnt already what the second one starts from.
        untrained = None if first else untrained_fid_and_fvd(experiment, budget.num_videos)
        training = {**origin, "untrained": untrained, **fit(experiment)}
        write_json(folder / "training.json", training)
    else:
        state = torch.load(training["checkpoint"], map_location="cpu", weights_only=True)
        experiment.model.load_state_dict(state["state_dict"])
    measured = measure(experiment, references, budget.num_videos, budget.repeats, training["steps"], folder)
    result = {"model": model, **training, "first_stage": first, **measured}
    write_json(folder / "result.json", result)
    return result


def first_stage(stage: str, minutes: float, budget: Budget, folder: Path, origin: dict[str, Any]) -> dict[str, Any]:
    """What is known of the training of a first stage, its checkpoint's path among it."""
    record = kept(folder / "first_stage.json", origin)
    if record is None:
        experiment = build(arguments_for(stage, budget, minutes, folder, "first_stage"))
        check_held_out(experiment)
        record = {**origin, "model": stage, **fit(experiment)}
        write_json(folder / "first_stage.json", record)
    return record


def kept(path: Path, origin: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a training, if there is one of this origin and its checkpoint is still there."""
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    is_same = all(record[name] == value for name, value in origin.items())
    return record if is_same and Path(record["checkpoint"]).exists() else None


def check_held_out(experiment: Experiment) -> None:
    """A study compares with videos that nobody trained with.

    Raises: UserError if there are none.
    """
    if not data_of(experiment).videos("validation"):
        raise UserError("the data holds no videos out to compare with; set its validation_fraction or validation_list")


def fit(experiment: Experiment) -> dict[str, Any]:
    """Train as train.py does; what is known of the training."""
    model, trainer = gan_of(experiment), experiment.trainer
    start, cpu_start = time.perf_counter(), time.process_time()
    trainer.fit(model, experiment.datamodule)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    speeds = logged_speeds(experiment.run_folder / "metrics.csv")
    clips_seen, device = int(model.videos_seen), trainer.strategy.root_device
    return {
        "checkpoint": str(experiment.run_folder.absolute() / "checkpoints" / "last.ckpt"),
        "parameters": {name: num_parameters(getattr(model, name)) for name in ("generator", "discriminator")},
        "parameters_that_learn": {name: num_trained(getattr(model, name)) for name in ("generator", "discriminator")},
        "objective": type(model.objective).__name__,
        "steps": trainer.global_step,
        "clips_seen": clips_seen,
        "clips_per_second": statistics.median(speeds) if speeds else clips_seen / seconds,
        "training_minutes": seconds / 60,
        "cpu_share": cpu_seconds / seconds / torch.get_num_threads(),
        "accelerator": device.type,
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "conditions_on_clips": model.conditions_on_clips,
        "video_shape": list(model.video_shape),
        "data": data_of(experiment).summary(),
    }


def untrained_fid_and_fvd(experiment: Experiment, num_videos: int) -> dict[str, float]:
    """Of the generator's average before the first step, by key."""
    model = gan_of(experiment)
    model.to(experiment.trainer.strategy.root_device).eval()
    values = {card.key: card.value for card in fid_and_fvd(experiment, num_videos, seed=0, step=0)}
    model.train()
    return values


def logged_speeds(path: Path) -> list[float]:
    """Clips per second, as often as they were logged; never in a training of a few steps."""
    if not path.exists():
        return []
    with path.open() as file:
        speeds = [row.get("speed/clips_per_second") for row in csv.DictReader(file)]
    return [float(speed) for speed in speeds if speed]


def num_parameters(network: nn.Module) -> int:
    """How many numbers a network consists of, frozen ones too."""
    return sum(parameter.numel() for parameter in network.parameters())


def commit() -> str:
    """Of the code, with "-dirty" where files differ from it; "unknown" outside git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def device_name(device: torch.device) -> str:
    """What trained."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or device.type
