"""A picture of where real and generated clips lie in feature space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from evaluation.clip_set import ClipSet

MOST_POINTS = 1000  # of a side: more hide each other
MOST_CLASSES = 10  # that colours can tell apart
TINY = torch.finfo(torch.float64).tiny
REAL_COLOR, FAKE_COLOR = "#1f6f8b", "#d1495b"


class FeatureMap(NamedTuple):
    """Clips on the two principal axes of both sides together.

    Attributes:
        real, fake: (N, 2) and (M, 2) float64.
        shares: of the variance that each axis shows, two numbers from 0 to 1.
    """

    real: Tensor
    fake: Tensor
    shares: tuple[float, float]


def feature_map(real: Tensor, fake: Tensor) -> FeatureMap:
    """Project features (N, D) and (M, D) on the first two principal axes of all of them.

    The axes are those along which the joined set varies most: where the two sides differ much, that difference; where
    they do not, what both vary in.  An axis points to where its largest entry is positive.

    Raises: ValueError if the sides have not the same D.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"real features {tuple(real.shape)} and generated {tuple(fake.shape)} are of other networks")
    rows = torch.cat([real, fake]).double().cpu()
    centred = rows - rows.mean(dim=0)
    if centred.shape[1] < 2:  # a single feature is its own axis
        centred = torch.nn.functional.pad(centred, (0, 2 - centred.shape[1]))
    if len(centred) < centred.shape[1]:  # the smaller of the two matrices has the same eigenvalues
        axes = torch.nn.functional.normalize(centred.T @ _last_two_eigenvectors(centred @ centred.T), dim=0)
    else:
        axes = _last_two_eigenvectors(centred.T @ centred)
    axes = axes.flip(1)  # (D, 2), the one of the larger variance first
    axes = axes * axes.take_along_dim(axes.abs().argmax(dim=0, keepdim=True), dim=0).sign()
    points = centred @ axes
    first, second = (points.square().sum(dim=0) / centred.square().sum().clamp(min=TINY)).tolist()
    return FeatureMap(points[: len(real)], points[len(real) :], (first, second))


def _last_two_eigenvectors(matrix: Tensor) -> Tensor:
    """Of the two largest eigenvalues of a symmetric matrix (K, K), the larger one's last: (K, 2)."""
    size = len(matrix)
    _, vectors = scipy.linalg.eigh(matrix.numpy(), subset_by_index=[size - 2, size - 1], driver="evr")
    return torch.from_numpy(vectors)


def draw_feature_map(path: Path, real: ClipSet, fake: ClipSet, class_names: Sequence[str] = ()) -> None:
    """Write a PNG: real against generated clips; beside it, where both have classes, the same by class.

    Of more than `MOST_POINTS` clips of a side so many are drawn, at equal distances.
    """
    # Imported here because it takes half a second; Figure and not pyplot, which would keep every figure.
    from matplotlib.figure import Figure

    assert real.features is not None and fake.features is not None
    chosen = evenly(len(real), MOST_POINTS), evenly(len(fake), MOST_POINTS)
    shown = feature_map(real.features[chosen[0]], fake.features[chosen[1]])
    by_class = real.labels is not None and fake.labels is not None and 2 <= len(class_names) <= MOST_CLASSES
    num_panels = 2 if by_class else 1
    figure = Figure(figsize=(6.2 * num_panels, 5.2), layout="constrained")
    _draw_sides(figure.add_subplot(1, num_panels, 1), shown)
    if by_class:
        labels = [np.asarray(side.labels)[rows] for side, rows in zip((real, fake), chosen, strict=True)]
        _draw_classes(figure.add_subplot(1, 2, 2), shown, labels, class_names)
    figure.savefig(path, format="png", dpi=120)


def evenly(number: int, most: int) -> list[int]:
    """At most so many of 0 to number - 1, at equal distances."""
    return [round(place) for place in np.linspace(0, number - 1, min(number, most))]


def _draw_sides(axes: Any, shown: FeatureMap) -> None:
    size = 30 if len(shown.real) + len(shown.fake) < 400 else 12
    for points, color, name in ((shown.real, REAL_COLOR, "real"), (shown.fake, FAKE_COLOR, "generated")):
        axes.scatter(*points.T.numpy(), s=size, color=color, alpha=0.55, linewidths=0, label=f"{name} ({len(points)})")
        axes.plot(*points.mean(dim=0).numpy(), marker="X", markersize=12, color=color, markeredgecolor="white")
    _finish(axes, shown, "Real and generated clips; X: their means")


def _draw_classes(axes: Any, shown: FeatureMap, labels: list[np.ndarray], class_names: Sequence[str]) -> None:
    from matplotlib import colormaps

    for label, name in enumerate(class_names):
        color = colormaps["tab10"](label)
        for points, own, marker in ((shown.real, labels[0], "o"), (shown.fake, labels[1], "x")):
            chosen = points[torch.from_numpy(own == label)].numpy()
            faces = {"facecolors": "none", "edgecolors": [color]} if marker == "o" else {"color": [color]}
            axes.scatter(*chosen.T, s=22, marker=marker, alpha=0.7, linewidths=1, **faces)
        axes.scatter([], [], s=30, color=[color], label=name)
    _finish(axes, shown, "By class; o: real, x: generated")


def _finish(axes: Any, shown: FeatureMap, title: str) -> None:
    for axis, share, number in ((axes.xaxis, shown.shares[0], "first"), (axes.yaxis, shown.shares[1], "second")):
        axis.set_label_text(f"{number} principal axis, {share:.0%} of the variance", fontsize=9)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
