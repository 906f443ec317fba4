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
TICKS = (0, 0.5, 1, 2, 5, 10, 30, 100, 300, 1000)  # ratios
NUM_SHOWN = 8  # frames of each damage in the strip, of twice as many


def draw_curves(results: Results, path: Path) -> None:
    """One row a metric, one column a damage: value over the floor against strength, with its 95 % interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    metrics, names = results["metrics"], [damage["name"] for damage in results["damages"]]
    metrics = [metric for metric in metrics if metric["floor"] is not None]
    figure, axes = plt.subplots(
        len(metrics),
        len(names),
        figsize=(0.95 * len(names) + 1, 0.72 * len(metrics) + 0.9),
        sharey="row",
        sharex=True,
        squeeze=False,
        layout=ConstrainedLayoutEngine(h_pad=0.01, w_pad=0.01, hspace=0.02, wspace=0.02),
    )
    for row, metric in zip(axes, metrics, strict=True):
        row[0].set_ylabel(metric["name"], rotation=0, ha="right", va="center", fontsize=8)
        for axis, name in zip(row, names, strict=True):
            draw_panel(axis, metric, name)
        row[0].set_ylim(*limits(metric))
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=8)
    figure.supxlabel(
        "value over that of undamaged clips (dashed: 1), from no damage on the left to the strongest; "
        "blue: worse, seen; grey: not seen; red: called better; bands: 95 % intervals",
        fontsize=8,
    )
    figure.savefig(path, dpi=90, pil_kwargs={"optimize": True})
    plt.close(figure)


def draw_panel(axis: "Axes", metric: dict[str, Any], damage: str) -> None:
    """One curve; nothing where the metric says nothing of the damage."""
    verdict, floor = verdict_on(metric, damage), metric["floor"]
    scale = abs(floor["value"]) or 1.0
    axis.axhline(floor["value"] / scale, color="0.4", linestyle="--", linewidth=0.6)
    axis.set_xticks([])
    axis.set_yscale("symlog", linthresh=2.0, base=10)  # ratios around 1 as they are, large ones by their logarithm
    axis.set_yticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    axis.set_yticks([], minor=True)
    axis.tick_params(axis="y", labelsize=6, length=2, pad=1)
    axis.spines[["top", "right"]].set_visible(False)
    if verdict is None:
        return
    points = [floor, *metric["values"][damage]]
    colour, places = COLOURS[verdict.kind], range(len(points))
    low, high = ([interval_of(point)[side] / scale for point in points] for side in (0, 1))
    axis.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
    axis.plot(places, [point["value"] / scale for point in points], "o-", color=colour, markersize=2, linewidth=1)


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
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)
