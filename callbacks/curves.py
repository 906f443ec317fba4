"""The course of a run as one picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from callbacks.every_n_steps import EveryNSteps, is_log_step
from callbacks.unwritable import goes_on_if_unwritable

Curve = dict[int, float]  # value at step

# Panel -> key of each curve -> name in the legend.
PANELS = {
    "Loss": {"discriminator/loss": "discriminator", "generator/loss": "generator"},
    "Logits of the discriminator": {"discriminator/logits_real": "real", "discriminator/logits_fake": "generated"},
}
MOST_POINTS = 2000
MOST_MARKED_POINTS = 60
COLORS = ("#1f6f8b", "#d1495b", "#3c8d40", "#8a5fbf", "#c77d0a")


class Curves(EveryNSteps):
    """Draws <run folder>/curves.png: losses, logits, FID and FVD against the training step.

    Losses and logits are taken from the logged metrics every `trainer.log_every_n_steps` steps and travel with the
    checkpoints; FID and FVD are read from the run folder's metrics/*.jsonl, so this callback belongs after the one that
    writes them; a run that begins in a new folder from another's checkpoint draws none that were measured before it.  A
    curve of more than 2000 points loses every other one.

    Args:
        every_n_steps: training steps between two drawings, at least 1; None switches it off.

    Only rank 0 collects and draws.
    """

    def __init__(self, every_n_steps: int | None = 1000) -> None:
        super().__init__(every_n_steps)
        self.curves: dict[str, Curve] = {}

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if self.every_n_steps is not None and is_log_step(trainer):
            self._collect(trainer)
        super().on_train_batch_end(trainer, pl_module, *args)

    @rank_zero_only
    def act(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on rank 0."""
        folder = Path(trainer.default_root_dir)
        panels = {
            title: {name: self.curves[key] for key, name in names.items() if key in self.curves}
            for title, names in PANELS.items()
        }
        for key, curve in sorted(read_measured(folder / "metrics").items()):
            panels.setdefault("FID" if key.startswith("fid") else "FVD", {})[key] = curve
        with goes_on_if_unwritable("curves.png", trainer.global_step):
            draw({title: curves for title, curves in panels.items() if curves}, folder / "curves.png")

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"curves": self.curves}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.curves = state_dict["curves"]

    @rank_zero_only
    def _collect(self, trainer: Trainer) -> None:
        for key in (key for names in PANELS.values() for key in names if key in trainer.logged_metrics):
            curve = self.curves.setdefault(key, {})
            curve[trainer.global_step] = float(trainer.logged_metrics[key])
            if len(curve) > MOST_POINTS:
                self.curves[key] = dict(list(curve.items())[MOST_POINTS % 2 :: 2])  # the newest stays


def read_measured(folder: Path) -> dict[str, Curve]:
    """The curve of each metric, from the cards that `DistributionMetrics` writes; the last line of a step counts."""
    curves: dict[str, Curve] = {}
    for path in folder.glob("*.jsonl"):
        cards = [json.loads(line) for line in path.read_text().splitlines()]
        for card in cards:
            curves.setdefault(card["key"], {})[card["step"]] = card["value"]
    return {key: dict(sorted(curve.items())) for key, curve in curves.items()}


def draw(panels: dict[str, dict[str, Curve]], path: Path) -> None:
    """Draw each panel's curves, two panels a row; nothing to draw writes nothing."""
    if not panels:
        return
    # Imported here because it takes half a second; Figure and not pyplot, which would keep every figure.
    from matplotlib.figure import Figure

    num_rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(11, 3.4 * num_rows), layout="constrained")
    grid = figure.add_gridspec(num_rows, 2)
    for index, (title, curves) in enumerate(panels.items()):
        is_alone = index == len(panels) - 1 and index % 2 == 0
        draw_panel(figure.add_subplot(grid[index // 2, :] if is_alone else grid[index // 2, index % 2]), title, curves)
    partial = path.with_suffix(".part")
    figure.savefig(partial, format="png", dpi=120)
    partial.replace(path)  # whoever looks at it while the run goes on sees a whole picture


def draw_panel(axes: Any, title: str, curves: dict[str, Curve]) -> None:
    """Draw curves into matplotlib axes: few points are marked, many smoothed over their noise, the newest written."""
    for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
        steps, values = list(curve), list(curve.values())
        if len(curve) <= MOST_MARKED_POINTS:
            axes.plot(steps, values, color=color, label=name, linewidth=1.4, marker="o", markersize=4)
        else:
            axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.3)
            axes.plot(steps, running_mean(values), color=color, label=name, linewidth=1.6)
        axes.annotate(
            f"{values[-1]:.4g}", (steps[-1], values[-1]), (4, 0), textcoords="offset points",
            color=color, fontsize=8, va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("training step", fontsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=8)


def running_mean(values: list[float]) -> np.ndarray:
    """Mean of each value and those before it, over a fiftieth of the whole."""
    window = len(values) // 50 + 1
    sums = np.cumsum([0.0, *values])
    first = np.maximum(np.arange(1, len(sums)) - window, 0)
    return (sums[1:] - sums[first]) / np.minimum(np.arange(1, len(sums)), window)
