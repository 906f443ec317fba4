"""Clips a second through each feature network, by frames a pass, memory layout and precision; peak memory.

Speed does not depend on the weights' values, so files are written with random ones (and known as the published files),
and load as those do; EfficientNet-Lite0's come with the installation.
"""

import multiprocessing
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.metrics_timing import Record, interleaved, machine, peak_mebibytes, speed_ratio, synchronise
from metrics.c3d import C3D, LAYERS, MEAN_SHAPE, PARAMETERS, C3DNetwork
from metrics.efficientnet_lite import EfficientNetLite0
from metrics.feature_network import FeatureNetwork
from metrics.i3d import I3D, I3DPretrained400Network
from metrics.inception import InceptionV3, InceptionV3Network
from metrics.weight_digests import file_sha256
from metrics.weight_files import WeightFile

NETWORKS: dict[str, type[FeatureNetwork]] = {
    network.name: network for network in (EfficientNetLite0, InceptionV3Network, I3DPretrained400Network, C3DNetwork)
}
NUM_FRAMES = 16  # of a clip


def measure_networks(
    names: list[str], frame_size: int, num_clips: int, repeats: int, compiled: bool, device: str, folder: Path
) -> Record:
    """Everything about these networks, with clips of 16 square frames.

    Args:
        num_clips: that go through a network in each timed call.
        compiled: time `torch.compile`, too.
        folder: where the files of random weights are written, or found.
    """
    record: Record = {
        "machine": machine(device),
        "frame_size": frame_size,
        "num_clips": num_clips,
        "repeats": repeats,
        "networks": {},
    }
    clips = smooth_clips(num_clips, frame_size).to(device)
    for name in names:
        record["networks"][name] = measure_network(name, clips, repeats, compiled, folder)
    return record


def measure_network(name: str, clips: Tensor, repeats: int, compiled: bool, folder: Path) -> Record:
    """Speed by frames a pass, then of the variants at the default number, then memory."""
    network, device = feature_network(name, folder), clips.device
    sizes = pass_sizes(len(clips), network, device)
    seconds = interleaved({str(size): with_passes(network, size, clips) for size in sizes}, repeats, device)
    default = str(network.default_frames_per_pass(device))
    medians = {size: statistics.median(seconds[size]) for size in seconds}
    best = min(medians, key=lambda size: medians[size])
    return {
        "clips_per_second": {size: len(clips) / median for size, median in medians.items()},
        "default_frames_per_pass": int(default),
        "best_frames_per_pass": int(best),
        "default_over_best": speed_ratio(seconds[default], seconds[best]),
        "variants": measure_variants(name, clips, repeats, compiled, folder),
        "peak_mebibytes": {
            size: peak_of_pass(name, int(size), clips, folder) for size in dict.fromkeys((default, best))
        },
    }


def pass_sizes(num_clips: int, network: FeatureNetwork, device: torch.device) -> list[int]:
    """Frames a pass: one clip, two, four and so on up to all of them; and the default."""
    doubled = [NUM_FRAMES * 2**power for power in range(num_clips.bit_length())]
    return sorted({*doubled, network.default_frames_per_pass(device)})


def with_passes(network: FeatureNetwork, frames_per_pass: int | None, clips: Tensor) -> Callable[[], object]:
    """A call of the network with so many frames a pass."""

    def call() -> object:
        network.frames_per_pass = frames_per_pass
        return network(clips)

    return call


def measure_variants(name: str, clips: Tensor, repeats: int, compiled: bool, folder: Path) -> Record:
    """How much faster a variant is than the network as it is, and how far its features are from its features."""
    networks = {"as it is": feature_network(name, folder)}
    for variant, is_last in (("channels first", False), ("channels last", True)):
        networks[variant] = feature_network(name, folder)
        networks[variant].channels_last = is_last
    networks["bfloat16"] = in_bfloat16(feature_network(name, folder), clips.device)
    if compiled:
        networks["compiled"] = feature_network(name, folder)
        networks["compiled"].load().compile()
    calls: dict[str, Callable[[], object]] = {
        variant: with_passes(network, None, clips) for variant, network in networks.items()
    }
    plain = networks["as it is"]
    calls["resize alone"] = lambda: [plain.resized_clips(part) for part in clips.split(clips_per_pass(plain, clips))]
    seconds = interleaved(calls, repeats, clips.device)
    features = plain(clips)
    return {
        variant: {
            "speed_ratio": speed_ratio(seconds[variant], seconds["as it is"]),
            "difference": difference(features, networks[variant](clips)) if variant in networks else None,
        }
        for variant in calls
    }


def clips_per_pass(network: FeatureNetwork, clips: Tensor) -> int:
    """As many as go through the network at a time."""
    return max(1, network.default_frames_per_pass(clips.device) // clips.shape[2])


def in_bfloat16(network: FeatureNetwork, device: torch.device) -> FeatureNetwork:
    """The same network, its layers under autocast."""
    layers = network.load()
    exact = layers.forward

    def forward(x: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return exact(x).float()

    layers.forward = forward
    return network


def difference(features: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Largest over the kinds of features: root mean square of the change, over the deviation between the rows."""
    return max(
        ((others[name] - rows).square().mean().sqrt() / (rows - rows.mean(dim=0)).square().mean().sqrt()).item()
        for name, rows in features.items()
    )


def peak_of_pass(name: str, frames_per_pass: int, clips: Tensor, folder: Path) -> float:
    """Mebibytes that network, weights and passes take at most; on the CPU in a process of its own."""
    if clips.device.type == "cuda":
        return _peak_growth(name, frames_per_pass, clips, folder, torch.get_num_threads())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_growth, (name, frames_per_pass, clips, folder, torch.get_num_threads()))


def _peak_growth(name: str, frames_per_pass: int, clips: Tensor, folder: Path, threads: int) -> float:
    torch.set_num_threads(threads)
    if clips.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(clips.device)
    before = peak_mebibytes(clips.device)
    with_passes(feature_network(name, folder), frames_per_pass, clips)()
    synchronise(clips.device)
    return peak_mebibytes(clips.device) - before


def smooth_clips(num_clips: int, frame_size: int) -> Tensor:
    """Uint8 clips (N, 3, 16, H, W) of random colours that change slowly over space and time."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(num_clips, 3, 4, 6, 6, generator=rng)
    fine = F.interpolate(coarse, (NUM_FRAMES, frame_size, frame_size), mode="trilinear", align_corners=True)
    return (255 * fine).round().to(torch.uint8)


def feature_network(name: str, folder: Path) -> FeatureNetwork:
    """The network with random weights from `folder`, where they are written the first time; not loaded yet."""
    kind = NETWORKS[name]
    if kind is EfficientNetLite0:
        return kind()
    path = folder / kind.weight_file.file_name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_random_weights(name, path)
    if issubclass(kind, C3DNetwork):
        c3d = kind(path, mean=folder / kind.mean_file.file_name)
        c3d.mean_file = _known_as_published(kind.mean_file, folder / kind.mean_file.file_name)
        network: FeatureNetwork = c3d
    else:
        network = kind(path)
    network.weight_file = _known_as_published(kind.weight_file, path)
    return network


def _known_as_published(file: WeightFile, path: Path) -> WeightFile:
    return replace(file, sha256=file_sha256(path), git_blob=None)


def _write_random_weights(name: str, path: Path) -> None:
    if name == C3DNetwork.name:
        state = random_weights(C3D())
        arrays = {
            f"{layer}/{PARAMETERS[kind]}": state[f"{layer}.{kind}"].numpy() for layer in LAYERS for kind in PARAMETERS
        }
        np.savez(path.parent / C3DNetwork.mean_file.file_name, mean=np.full((1, *MEAN_SHAPE), 100, dtype=np.float32))
        np.savez(path, **arrays)  # type: ignore[arg-type]  # its stub takes `allow_pickle` for one of them
    else:
        torch.save(random_weights(I3D() if name == I3DPretrained400Network.name else InceptionV3()), path)


def random_weights(network: nn.Module) -> dict[str, Tensor]:
    """A state dict with which activations keep their size from layer to layer (He et al. 2015, arXiv:1502.01852)."""
    rng = torch.Generator().manual_seed(0)
    state = network.state_dict()
    for name, value in state.items():
        if value.ndim >= 2:
            state[name] = torch.randn(value.shape, generator=rng) * (2 / value[0].numel()) ** 0.5
        elif name.endswith((".bias", "running_mean")):
            state[name] = 0.05 * torch.randn(value.shape, generator=rng)
    return state
