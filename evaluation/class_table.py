"""How each class of generated clips compares with the real ones of that class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evaluation.clip_set import ClipSet
from metrics.feature_statistics import FeatureStatistics, Gaussian
from metrics.memorisation import nearest_rows


@dataclass(frozen=True)
class ClassRow:
    """One class.

    Args:
        name: of the class.
        num_real, num_fake: its clips.
        mean_distance: Euclidean distance of the means of its real and generated features; None if a side has none.
        frechet: Frechet distance, where both sides have more clips than features; None elsewhere, where a covariance
            would be guessed from too few.
        share_recognised: of its generated clips, how many have a real clip of this class as their nearest; None if
            there is no generated one.
    """

    name: str
    num_real: int
    num_fake: int
    mean_distance: float | None
    frechet: float | None
    share_recognised: float | None


def class_rows(real: ClipSet, fake: ClipSet, class_names: Sequence[str]) -> list[ClassRow]:
    """A row for each class that a clip is of.

    Raises: ValueError if a side has no labels or no features, or a label has no name.
    """
    if real.labels is None or fake.labels is None or real.features is None or fake.features is None:
        raise ValueError("a table of classes needs labels and features of both sides")
    real_labels, fake_labels = np.asarray(real.labels), np.asarray(fake.labels)
    labels = sorted({*real_labels.tolist(), *fake_labels.tolist()})
    if labels[0] < 0 or labels[-1] >= len(class_names):
        raise ValueError(f"labels are {labels[0]} to {labels[-1]}; there are names of {len(class_names)} classes")
    recognised = real_labels[nearest_rows(fake.features, real.features)[1].cpu().numpy()] == fake_labels
    rows = []
    for label in labels:
        own = (
            real.features[torch.from_numpy(real_labels == label)],
            fake.features[torch.from_numpy(fake_labels == label)],
        )
        of_class = recognised[fake_labels == label]
        rows.append(
            ClassRow(
                name=class_names[label],
                num_real=len(own[0]),
                num_fake=len(own[1]),
                mean_distance=_mean_distance(*own),
                frechet=_frechet(*own),
                share_recognised=float(of_class.mean()) if len(of_class) else None,
            )
        )
    return rows


def _mean_distance(real: Tensor, fake: Tensor) -> float | None:
    if len(real) == 0 or len(fake) == 0:
        return None
    return float((real.double().mean(dim=0) - fake.double().mean(dim=0)).norm())


def _frechet(real: Tensor, fake: Tensor) -> float | None:
    if min(len(real), len(fake)) <= real.shape[1]:
        return None
    return _gaussian(fake).distance(_gaussian(real))


def _gaussian(features: Tensor) -> Gaussian:
    statistics = FeatureStatistics(features.shape[1])
    statistics.update(features)
    return statistics.compute()
