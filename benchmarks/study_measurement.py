"""How a model of a study is measured: FID and FVD with their cards, copies, motion, and a strip of samples."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from callbacks.distribution_measurement import DistributionMeasurement
from callbacks.sample_videos import contact_strip
from datamodules.video_folder import VideoFolder
from experiment.command_line import Experiment
from experiment.one_line import UserError
from lightning_modules.video_gan import VideoGAN
from metrics.card import MetricCard
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.memorisation import memorisation_ratio
from metrics.statistics_cache import StatisticsCache
from video_io.pixels import float_to_uint8, uint8_to_float

BATCH_SIZE = 16
STRIP_ROWS = 4
NUM_TRAINING_CLIPS = 512  # to look for copies in


@dataclass(frozen=True)
class RealReferences:
    """What generated clips are held against.

    Args:
        training: features of training clips, one row a clip.
        held_out: the same of clips that were not trained with.
        motion: see `motion_of`, of the training clips.
    """

    training: Tensor
    held_out: Tensor
    motion: float


def real_references(experiment: Experiment, num_videos: int, cache: Path) -> RealReferences:
    """From the cache, which all models of a study share, or computed.

    Raises: UserError if the held-out clips are training clips.
    """
    training = clip_statistics(experiment, NUM_TRAINING_CLIPS, "train", cache)
    held_out = clip_statistics(experiment, num_videos, "validation", cache)
    references = RealReferences(training["features"], held_out["features"], float(training["motion"]))
    try:
        memorisation_ratio(references.held_out, references.held_out, references.training)
    except ValueError as error:  # which would come after the training
        raise UserError(str(error)) from error
    return references


def clip_statistics(experiment: Experiment, num_clips: int, split: str, cache: Path) -> dict[str, Tensor]:
    """Features and motion of real clips, kept under the digest of all that decides them."""
    network, device = EfficientNetLite0(), experiment.trainer.strategy.root_device
    measurement = DistributionMeasurement(
        gan_of(experiment), data_of(experiment), {"fvd": network}, num_clips, BATCH_SIZE, split, seed=0
    )
    path = StatisticsCache(cache).path(StatisticsCache.identity(network, **measurement.real_protocol))
    if not path.exists():
        clips = real_clips(experiment, num_clips, split)
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        motion = torch.tensor(motion_of(clips), dtype=torch.float64)
        torch.save({"features": clip_features(clips, device), "motion": motion}, temporary)
        temporary.replace(path)
    return torch.load(path, weights_only=True)


def measure(
    experiment: Experiment, references: RealReferences, num_videos: int, repeats: int, step: int, folder: Path
) -> dict[str, Any]:
    """Metrics with their cards, copies and motion; writes samples.png, and beside the folder real.png.

    Args:
        step: at which the generator was trained last, for the cards.
    """
    device = experiment.trainer.strategy.root_device
    experiment.model.to(device).eval()  # Lightning has moved it to the CPU
    cards = [card for seed in range(repeats) for card in fid_and_fvd(experiment, num_videos, seed, step)]
    clips = generated(experiment, num_videos)
    save_strip(clips[:STRIP_ROWS], folder / "samples.png")
    save_strip(real_clips(experiment, STRIP_ROWS, "train"), folder.parent / "real.png")
    return {
        "metrics": {
            key: {
                "values": [card.value for card in cards if card.key == key],
                "cards": [card.as_dict() for card in cards if card.key == key],
            }
            for key in dict.fromkeys(card.key for card in cards)
        },
        "memorisation_ratio": memorisation_ratio(
            clip_features(clips, device), references.held_out, references.training
        ),
        # Over nothing where the real clips stand still.
        "motion_ratio": motion_of(clips) / references.motion if references.motion else None,
        "num_training_clips": len(references.training),
    }


def fid_and_fvd(experiment: Experiment, num_videos: int, seed: int, step: int) -> list[MetricCard]:
    """Of the generator's average, against training clips, with latents of one seed."""
    network, model = EfficientNetLite0(), gan_of(experiment)
    measurement = DistributionMeasurement(
        model, data_of(experiment), {"fid": network, "fvd": network}, num_videos, BATCH_SIZE, "train", seed
    )
    cards = measurement.measure(model.device, 0, 1, step)
    assert cards is not None
    return cards


def motion_of(clips: Tensor) -> float:
    """Mean absolute difference of neighbouring frames of uint8 clips (N, C, T, H, W), in levels of 255."""
    differences = [part.short().diff(dim=2).abs().double().mean(dim=(1, 2, 3, 4)) for part in clips.split(BATCH_SIZE)]
    return float(torch.cat(differences).mean())


def clip_features(clips: Tensor, device: torch.device) -> Tensor:
    """Features of uint8 clips (N, C, T, H, W), one row a clip, on the CPU."""
    network = EfficientNetLite0()
    return torch.cat([network(part.to(device))["fvd"].cpu() for part in clips.split(BATCH_SIZE)])


def generated(experiment: Experiment, num_videos: int) -> Tensor:
    """The first videos of seed 0, for the classes (and where asked for, from the pixels) of real clips; uint8."""
    model, parts = gan_of(experiment), []
    dataset: Any = data_of(experiment).evaluation_dataset(num_videos, "train")
    for first in range(0, num_videos, BATCH_SIZE):
        indices = range(first, min(first + BATCH_SIZE, num_videos))
        labels = torch.tensor(dataset.labels[indices.start : indices.stop], device=model.device)
        clips = None
        if model.conditions_on_clips:
            clips = uint8_to_float(torch.stack([dataset[index]["clip"] for index in indices]))
        videos = model.generate(len(indices), model.sample_latents(indices, seed=0), labels, clips)
        parts.append(float_to_uint8(videos).cpu())
    return torch.cat(parts)


def real_clips(experiment: Experiment, num_clips: int, split: str) -> Tensor:
    """Clips of a split, uint8 (N, C, T, H, W)."""
    dataset = data_of(experiment).evaluation_dataset(num_clips, split)
    return torch.stack([dataset[index]["clip"] for index in range(num_clips)])


def save_strip(clips: Tensor, path: Path) -> None:
    """One clip a row, time from left to right; models that end at the same time may write the same file."""
    strip = contact_strip(clips.expand(-1, 3, -1, -1, -1))
    temporary = path.with_suffix(f".{os.getpid()}")
    Image.fromarray(strip.permute(1, 2, 0).numpy()).save(temporary, format="png", optimize=True)
    temporary.replace(path)


def gan_of(experiment: Experiment) -> VideoGAN:
    """The model, which a study takes to be a VideoGAN."""
    assert isinstance(experiment.model, VideoGAN)
    return experiment.model


def data_of(experiment: Experiment) -> VideoFolder:
    """The data, which a study takes to be a folder of videos."""
    assert isinstance(experiment.datamodule, VideoFolder)
    return experiment.datamodule
