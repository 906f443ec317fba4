"""Inception features a second beside torch-fidelity's own extractor: same images, same weights, in turn.

torch-fidelity is no dependency.  Where it shall be compared with, it goes into a folder of its own:

    pip install --no-deps --target /tmp/peers torch-fidelity
    PYTHONPATH=/tmp/peers python -m benchmarks.metrics --peers ...

Its package imports torchvision for other networks; the module of this one does not need it and is imported alone.
"""

import importlib
import importlib.util
import statistics
import sys
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.metrics_networks import feature_network, smooth_clips
from benchmarks.metrics_timing import Record, interleaved, machine, speed_ratio
from metrics.feature_network import full_precision

PACKAGE = "torch_fidelity"
AGREEMENT = 1e-4  # largest difference of a feature
FEATURES = {"fid": "2048", "is": "logits_unbiased"}


def measure_peer(frame_size: int, num_images: int, repeats: int, device: str, folder: Path) -> Record:
    """Both extractors at several batch sizes, ours and theirs in turn, and how far their features differ."""
    name = "inception_2015_12_05"
    own = feature_network(name, folder)
    peer = peer_extractor(folder / own.weight_file.file_name).to(device)
    images = smooth_clips(-(-num_images // 16), frame_size).transpose(1, 2).flatten(0, 1)[:num_images].to(device)
    record: Record = {"machine": machine(device), "frame_size": frame_size, "num_images": num_images, "batches": {}}
    clips = images[:, :, None]  # of one frame each
    for size in batch_sizes(num_images):
        own.frames_per_pass = size
        calls: dict[str, Callable[[], object]] = {
            "own": lambda: own(clips),
            "peer": partial(peer_features, peer, images, size),
        }
        if torch.device(device).type == "cuda":  # it leaves TensorFloat-32 as torch has it: on, for convolutions
            calls["peer_exact"] = partial(exact_peer_features, peer, images, size)
        seconds = interleaved(calls, repeats, device)
        record["batches"][str(size)] = {
            **{f"{who}_images_per_second": num_images / statistics.median(each) for who, each in seconds.items()},
            **{f"ratio_to_{who}": speed_ratio(seconds["own"], seconds[who]) for who in seconds if who != "own"},
        }
    rows, others = own(clips), exact_peer_features(peer, images, num_images)
    record["largest_difference"] = max(
        (rows[ours] - others[theirs]).abs().max().item() for ours, theirs in FEATURES.items()
    )
    record["agrees"] = record["largest_difference"] <= AGREEMENT
    return record


def batch_sizes(num_images: int) -> list[int]:
    """16, 32, 64 (torch-fidelity's own choice) and so on up to all images."""
    return [size for power in range(4, 11) if (size := 2**power) <= num_images] or [num_images]


def peer_is_installed() -> bool:
    """Whether torch-fidelity is there; imports nothing."""
    return PACKAGE in sys.modules or importlib.util.find_spec(PACKAGE) is not None


def peer_extractor(weights: Path) -> nn.Module:
    """torch-fidelity's network with the weights of a file, in eval mode.

    Raises: ModuleNotFoundError if it is not installed.
    """
    if PACKAGE not in sys.modules and (spec := importlib.util.find_spec(PACKAGE)) is not None:
        package = types.ModuleType(PACKAGE)  # in place of the real one, whose imports need torchvision
        package.__path__ = list(spec.submodule_search_locations or [])
        sys.modules[PACKAGE] = package
    module = importlib.import_module(f"{PACKAGE}.feature_extractor_inceptionv3")
    return module.FeatureExtractorInceptionV3(
        "inception-v3-compat", list(FEATURES.values()), feature_extractor_weights_path=str(weights)
    )


def peer_features(peer: nn.Module, images: Tensor, batch_size: int) -> dict[str, Tensor]:
    """Features of uint8 images (N, 3, H, W), in batches, as torch-fidelity calls its extractor."""
    with torch.no_grad():
        batches = [peer(batch) for batch in images.split(batch_size)]
    return {name: torch.cat(rows) for name, rows in zip(FEATURES.values(), zip(*batches, strict=True), strict=True)}


def exact_peer_features(peer: nn.Module, images: Tensor, batch_size: int) -> dict[str, Tensor]:
    """The same in float32 proper."""
    with full_precision(images.device):
        return peer_features(peer, images, batch_size)
