"""How a model of a study is trained and measured."""

import csv
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from callbacks.distribution_measurement import DistributionMeasurement
from callbacks.sample_videos import contact_strip
from datamodules.video_folder import VideoFolder
from experiment.command_line import Experiment, build
from experiment.summary import num_trained
from lightning_modules.video_gan import VideoGAN
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.memorisation import memorisation_ratio
from video_io.pixels import float_to_uint8, uint8_to_float

BATCH_SIZE = 16
STRIP_ROWS = 4
NUM_TRAINING_CLIPS = 512  # to look for copies in


def fit(arguments: list[str], untrained: int = 0) -> tuple[Experiment, dict[str, Any]]:
    """Train as train.py does; with `untrained` clips, measure the generator's average before the first step, too.

    Returns the experiment and what is known of its training.
    """
    experiment = build(arguments)
    model, trainer = gan_of(experiment), experiment.trainer
    before = {}
    if untrained:
        model.to(trainer.strategy.root_device).eval()
        before = {card.key: card.value for card in measured(experiment, untrained, seed=0)}
        model.train()
    start = time.perf_counter()
    trainer.fit(model, experiment.datamodule)
    seconds = time.perf_counter() - start
    with (experiment.run_folder / "metrics.csv").open() as file:
        speeds = [float(row["speed/clips_per_second"]) for row in csv.DictReader(file) if row["speed/clips_per_second"]]
    return experiment, {
        "untrained": before,
        "parameters": {name: num_trained(getattr(model, name)) for name in ("generator", "discriminator")},
        "objective": type(model.objective).__name__,
        "steps": trainer.global_step,
        "clips_seen": int(model.videos_seen),
        "clips_per_second": statistics.median(speeds),
        "training_minutes": seconds / 60,
        "device": device_name(trainer.strategy.root_device),
        "conditions_on_clips": model.conditions_on_clips,
        "threads": torch.get_num_threads(),
        "video_shape": list(model.video_shape),
        "data": data_of(experiment).summary(),
        "run_folder": str(experiment.run_folder),
    }


def measure(experiment: Experiment, num_videos: int, repeats: int, output: Path, strip: Path) -> dict[str, Any]:
    """Metrics with their cards, the memorisation ratio, and a strip of samples beside one of real clips."""
    experiment.model.to(experiment.trainer.strategy.root_device).eval()  # Lightning has moved it to the CPU
    cards = [card for seed in range(repeats) for card in measured(experiment, num_videos, seed)]
    keys = list(dict.fromkeys(card.key for card in cards))
    samples = generated(experiment, STRIP_ROWS)
    save_strip(samples, strip)
    save_strip(real_clips(experiment, STRIP_ROWS, "train"), output / "real.png")
    return {
        "metrics": {
            key: {
                "values": [card.value for card in cards if card.key == key],
                "cards": [card.as_dict() for card in cards if card.key == key],
            }
            for key in keys
        },
        "memorisation_ratio": memorisation(experiment, num_videos, output),
        "num_training_clips": NUM_TRAINING_CLIPS,
    }


def measured(experiment: Experiment, num_videos: int, seed: int) -> list[Any]:
    """FID and FVD of the generator's average, against training clips, with latents of one seed."""
    network, model = EfficientNetLite0(), gan_of(experiment)
    measurement = DistributionMeasurement(
        model, data_of(experiment), {"fid": network, "fvd": network}, num_videos, BATCH_SIZE, "train", seed
    )
    cards = measurement.measure(model.device, 0, 1, experiment.trainer.global_step)
    assert cards is not None
    return cards


def memorisation(experiment: Experiment, num_videos: int, cache: Path) -> float:
    """See `metrics.memorisation`; features of real clips are kept in `cache` for the other models of the study."""
    real = {}
    for number, split in ((NUM_TRAINING_CLIPS, "train"), (num_videos, "validation")):
        fingerprint = data_of(experiment).fingerprint(split)
        size = "x".join(str(length) for length in gan_of(experiment).video_shape)
        path = cache / f"real-features-{fingerprint[:12]}-{number}-{size}.pt"
        if not path.exists():
            temporary = path.with_suffix(f".{os.getpid()}")
            torch.save(clip_features(real_clips(experiment, number, split)), temporary)
            temporary.replace(path)
        real[split] = torch.load(path, weights_only=True)
    return memorisation_ratio(clip_features(generated(experiment, num_videos)), real["validation"], real["train"])


def clip_features(clips: Tensor) -> Tensor:
    """Features of uint8 clips (N, C, T, H, W), one row a clip."""
    network = EfficientNetLite0()
    return torch.cat([network(part)["fvd"] for part in clips.split(BATCH_SIZE)])


def generated(experiment: Experiment, num_videos: int) -> Tensor:
    """The first videos of seed 0, for the classes (and where asked for, from the pixels) of real clips; uint8."""
    model, parts = gan_of(experiment), []
    dataset = data_of(experiment).evaluation_dataset(num_videos, "train")
    for first in range(0, num_videos, BATCH_SIZE):
        indices = range(first, min(first + BATCH_SIZE, num_videos))
        items = [dataset[index] for index in indices]
        labels = torch.tensor([int(item["label"]) for item in items], device=model.device)
        clips = uint8_to_float(torch.stack([item["clip"] for item in items])) if model.conditions_on_clips else None
        videos = model.generate(len(indices), model.sample_latents(indices, seed=0), labels, clips)
        parts.append(float_to_uint8(videos).cpu())
    return torch.cat(parts)


def real_clips(experiment: Experiment, num_clips: int, split: str) -> Tensor:
    """Clips of a split, uint8 (N, C, T, H, W)."""
    dataset = data_of(experiment).evaluation_dataset(num_clips, split)
    return torch.stack([dataset[index]["clip"] for index in range(num_clips)])


def save_strip(clips: Tensor, path: Path) -> None:
    """One clip a row, time from left to right."""
    strip = contact_strip(clips.expand(-1, 3, -1, -1, -1))
    Image.fromarray(strip.permute(1, 2, 0).numpy()).save(path, optimize=True)


def gan_of(experiment: Experiment) -> VideoGAN:
    """The model, which a study takes to be a VideoGAN."""
    assert isinstance(experiment.model, VideoGAN)
    return experiment.model


def data_of(experiment: Experiment) -> VideoFolder:
    """The data, which a study takes to be a folder of videos."""
    assert isinstance(experiment.datamodule, VideoFolder)
    return experiment.datamodule


def device_name(device: torch.device) -> str:
    """What trained."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or device.type
