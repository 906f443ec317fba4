"""Pictures of the sensitivity study: what each damage looks like, and what each metric says of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from benchmarks.damages import DAMAGES
from benchmarks.sensitivity_report import Results, interval_of, verdict_on
from datamodules.acting_figures_frames import draw_clip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"sees": "tab:blue", "blind": "0.55", "fooled": "tab:red"}
TICKS = (0, 1, 3, 10, 30, 100, 300, 1000)  # ratios
WIDTH = 5  # of a damage: no damage, three strengths, and room between
NUM_SHOWN = 8  # frames of each damage in the strip, of twice as many


def draw_curves(results: Results, path: Path) -> None:
    """One row a metric, in it one curve a damage: value over the floor against strength, with its 95 % interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = [damage["name"] for damage in results["damages"]]
    metrics = [metric for metric in results["metrics"] if metric["floor"] is not None]
    figure, axes = plt.subplots(
        len(metrics), 1, figsize=(0.85 * len(names) + 1.3, 0.62 * len(metrics) + 0.6), squeeze=False
    )
    for axis, metric in zip(axes[:, 0], metrics, strict=True):
        draw_row(axis, metric, names)
    axes[0, 0].xaxis.set_ticks_position("top")
    axes[0, 0].set_xticks([(place + 0.5) * WIDTH - 1 for place in range(len(names))], labels=names, fontsize=8)
    axes[0, 0].tick_params(axis="x", length=0)
    figure.supxlabel(
        "value over that of undamaged clips (dashed: 1), from no damage on the left to the strongest; "
        "blue: worse, seen; grey: not seen; red: called better; bands: 95 % intervals",
        fontsize=8,
    )
    figure.tight_layout(h_pad=0.3)
    figure.savefig(path, dpi=90)
    plt.close(figure)
    make_small(path)


def draw_row(axis: "Axes", metric: dict[str, Any], damages: list[str]) -> None:
    """The curves of a metric; none where it says nothing of a damage."""
    floor = metric["floor"]
    scale = abs(floor["value"]) or 1.0
    axis.axhline(floor["value"] / scale, color="0.4", linestyle="--", linewidth=0.6)
    for number, damage in enumerate(damages):
        verdict, points = verdict_on(metric, damage), [floor, *metric["values"][damage]]
        if number:
            axis.axvline(number * WIDTH - 1, color="0.85", linewidth=0.6)
        if verdict is None:
            continue
        colour, places = COLOURS[verdict.kind], [number * WIDTH + place for place in range(len(points))]
        low, high = ([interval_of(point)[side] / scale for point in points] for side in (0, 1))
        axis.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
        axis.plot(places, [point["value"] / scale for point in points], "o-", color=colour, markersize=2, linewidth=1)
    axis.set_ylabel(metric["name"], rotation=0, ha="right", va="center", fontsize=8)
    axis.set_yscale("symlog", linthresh=2.0, base=10)  # ratios around 1 as they are, large ones by their logarithm
    axis.set_yticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    axis.set_yticks([], minor=True)
    axis.set(xticks=[], xlim=(-1, len(damages) * WIDTH - 1), ylim=limits(metric))
    axis.tick_params(axis="y", labelsize=6, length=2, pad=1)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def limits(metric: dict[str, Any]) -> tuple[float, float]:
    """Of a row: everything in it, and a margin."""
    floor = metric["floor"]
    scale = abs(floor["value"]) or 1.0
    points = [floor, *(point for points in metric["values"].values() for point in points if point is not None)]
    low, high = (
        bound(each) for bound, each in zip((min, max), zip(*map(interval_of, points), strict=True), strict=True)
    )
    low, high = min(0.5, low / scale), max(1.5, high / scale)
    return low - 0.1, high * 1.15


def draw_damages(path: Path) -> None:
    """One row a damage of clips, in its strongest strength: an acting figure, time from left to right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    frames = draw_clip(person=0, action="jumping_jack", phase=0.0, speed=1.0, num_frames=2 * NUM_SHOWN)
    clip = torch.from_numpy(frames).permute(3, 0, 1, 2)[None]  # (1, 3, T, H, W)
    rows = {"nothing done": clip}
    rows |= {each.name: each.of_clips(clip, each.strengths[-1]) for each in DAMAGES if each.of_clips is not None}
    figure, axes = plt.subplots(len(rows), 1, figsize=(6.2, 0.62 * len(rows)), layout="constrained")
    for axis, (name, damaged) in zip(axes, rows.items(), strict=True):
        strip = torch.cat(damaged[0, :, ::2].unbind(1), dim=2).permute(1, 2, 0)  # (H, frames * W, 3)
        axis.imshow(strip.numpy(), interpolation="nearest", aspect="auto")
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=90)
    plt.close(figure)
    make_small(path)


def make_small(path: Path) -> None:
    """Leave a picture 128 colours, which are enough for it."""
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)
