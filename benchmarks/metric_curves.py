"""Draw how FVD and FID answer to damage: noise, blur, frames swapped in time, a still picture.

    python -m benchmarks.metric_curves --videos path/to/videos --output docs/metric_curves.png

A yardstick is good for something if it rises with every kind of damage, step by step.  Frames swapped in time change no
frame: FID must not see them, and FVD must.  The first 16 frames of every video are measured against the same damaged,
with the feature network that comes with the installation.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.efficientnet_lite import EfficientNetLite0
from metrics.feature_network import FeatureNetwork, fit_gaussians
from metrics.protocols import fid_key, fvd_key
from video_io.reading import is_video, probe, read_clip

Damage = Callable[[Tensor, float], Tensor]  # uint8 clips (N, C, T, H, W) and a strength -> clips of the same shape
Distances = dict[str, float]  # {"fid": ..., "fvd": ...}


def add_noise(clips: Tensor, deviation: float) -> Tensor:
    """Gaussian noise of this standard deviation, in grey levels of 0..255."""
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(0))
    return (clips.float() + deviation * noise).round().clamp(0, 255).to(torch.uint8)


def blur(clips: Tensor, factor: float) -> Tensor:
    """Shrink every frame by this factor, averaging, and enlarge it again."""
    frames = clips.transpose(1, 2).flatten(0, 1).float()  # (N * T, C, H, W)
    small = F.interpolate(frames, scale_factor=1 / factor, mode="area")
    large = F.interpolate(small, size=frames.shape[2:], mode="bilinear")
    return large.round().to(torch.uint8).unflatten(0, (clips.shape[0], -1)).transpose(1, 2)


def swap_frames(clips: Tensor, num_swaps: float) -> Tensor:
    """In every clip let so many pairs of frames, chosen at random, change places in time."""
    rng = torch.Generator().manual_seed(0)
    swapped = clips.clone()
    for clip in swapped:  # (C, T, H, W), a view
        for _ in range(int(num_swaps)):
            first, second = torch.randperm(clip.shape[1], generator=rng)[:2].tolist()
            clip[:, [first, second]] = clip[:, [second, first]]
    return swapped


def hold_still(clips: Tensor) -> Tensor:
    """The first frame, all the time."""
    return clips[:, :, :1].expand_as(clips).contiguous()


DAMAGES: dict[str, tuple[Damage, tuple[float, ...]]] = {
    "noise, standard deviation in grey levels": (add_noise, (5, 15, 40)),
    "blur, factor of shrinking": (blur, (2, 4, 8)),
    "pairs of frames swapped in time": (swap_frames, (1, 4, 16)),
}


def measure(network: FeatureNetwork, clips: Tensor) -> tuple[dict[str, list[Distances]], Distances]:
    """Distance of the clips to themselves, damaged at each strength of each kind; and to themselves held still."""
    real = fit_gaussians(network, [clips])

    def distances(damaged: Tensor) -> Distances:
        fake = fit_gaussians(network, [damaged])
        return {name: real[name].distance(fake[name]) for name in real}

    curves = {
        kind: [distances(damage(clips, strength)) for strength in strengths]
        for kind, (damage, strengths) in DAMAGES.items()
    }
    return curves, distances(hold_still(clips))


def read_clips(folder: Path, num_frames: int, size: int) -> Tensor:
    """The first frames of every video that is long enough, uint8 (N, 3, T, size, size)."""
    paths = [path for path in sorted(folder.rglob("*")) if is_video(path) and probe(path).num_frames >= num_frames]
    if not paths:
        raise SystemExit(f"No videos of at least {num_frames} frames in {folder}; give another folder with --videos.")
    return torch.stack([read_clip(path, range(num_frames), size) for path in paths])


def draw(curves: dict[str, list[Distances]], still: Distances, keys: dict[str, str], output: Path) -> None:
    """One panel for each kind of damage."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(11, 3.2), layout="constrained")
    for axis, (kind, points) in zip(axes, curves.items(), strict=True):
        strengths = DAMAGES[kind][1]
        for name, colour in (("fvd", "tab:blue"), ("fid", "tab:orange")):
            values = [point[name] for point in points]
            axis.plot(strengths, values, "o-", color=colour, label=keys[name], clip_on=False)
            if kind.startswith("pairs"):
                axis.axhline(still[name], color=colour, linestyle=":", label=f"{name}, still picture")
        axis.set(xlabel=kind, xticks=strengths, ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("distance to the undamaged clips")
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(output, dpi=90)


def main() -> None:
    """Read, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    parser.add_argument("--output", type=Path, default=Path("docs/metric_curves.png"), help="picture to write")
    parser.add_argument("--num_frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    arguments = parser.parse_args()
    network = EfficientNetLite0()
    clips = read_clips(arguments.videos, arguments.num_frames, arguments.size)
    curves, still = measure(network, clips)
    num_clips, _, num_frames = clips.shape[:3]
    keys = {"fvd": fvd_key(num_clips, num_frames, network), "fid": fid_key(num_clips * num_frames, network)}
    for kind, points in curves.items():
        for strength, point in zip(DAMAGES[kind][1], points, strict=True):
            print(f"{kind} {strength}: fvd {point['fvd']:.1f}, fid {point['fid']:.1f}")
    print(f"still picture: fvd {still['fvd']:.1f}, fid {still['fid']:.1f}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    draw(curves, still, keys, arguments.output)


if __name__ == "__main__":
    main()
