"""Whether generated clips are copies of training clips."""

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS_PER_PASS = 1024  # of either side: bounds the memory


@dataclass(frozen=True)
class Memorisation:
    """What `memorisation` finds.

    Args:
        median_distance: of the generated clips to their nearest training clips, in the unit of the features.
        ratio: the same over that of held-out real clips; None if there are none.
        distances: (N,) float64, of each generated clip.
        nearest: (N,) int64, the row of its nearest training clip; the pictures of both tell a copy from a likeness.
    """

    median_distance: float
    ratio: float | None
    distances: Tensor
    nearest: Tensor

    def closest(self, count: int) -> list[tuple[int, int, float]]:
        """(generated clip, training clip, distance) of the `count` closest pairs, the closest first."""
        order = self.distances.argsort(stable=True)[:count].tolist()
        return [(each, int(self.nearest[each]), float(self.distances[each])) for each in order]


def memorisation(generated: Tensor, training: Tensor, held_out: Tensor | None = None) -> Memorisation:
    """Distances of generated clips to their nearest training clips, and how they compare with fresh real clips'.

        ratio = median of min |g - t| over training t  /  median of min |h - t|       g generated, h held out

    Near 0: the generator shows training clips again (Meehan et al. 2020, arXiv:2004.05675, compare the same two
    distances with a rank test).  Near 1: as far from the training clips as people or scenes that were never seen.

    Blind spots: blurred or noisy clips are far from everything, so a large ratio is no praise; a copy counts as far as
    the feature network tells a mirrored, shifted or recoloured clip from the original; the median does not see that a
    tenth of the clips are copies, the closest pairs do; and a training set of which only a part is given hides copies
    of the rest.

    Args:
        generated: features (N, D) of generated clips.
        training: features (M, D) of training clips, all of them if that can be.
        held_out: features (K, D) of real clips that were not trained with; None gives no ratio.

    All on the CPU or one device; computed in float64, in passes, so that memory does not grow with N times M.

    Raises: ValueError if one of them has no rows or values that are not finite, their D differ, or most held-out clips
        are training clips.
    """
    distances, nearest = nearest_rows(generated, training)
    if len(distances) == 0:
        raise ValueError("memorisation needs at least one generated clip")
    median = float(distances.median())
    ratio = None
    if held_out is not None:
        if len(held_out) == 0:
            raise ValueError("memorisation needs at least one held-out clip, or None")
        unseen = float(nearest_rows(held_out, training)[0].median())
        if unseen == 0:
            raise ValueError("half of the held-out clips are training clips; hold other videos out")
        ratio = median / unseen
    return Memorisation(median, ratio, distances.cpu(), nearest.cpu())


def memorisation_ratio(generated: Tensor, held_out: Tensor, training: Tensor) -> float:
    """The ratio of `memorisation` alone."""
    ratio = memorisation(generated, training, held_out).ratio
    assert ratio is not None
    return ratio


def nearest_rows(features: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row of features (N, D): Euclidean distance (N,) float64 to the nearest reference (M, D), and its row
    (N,).

    Of equally near ones the first.

    Raises: ValueError if there is no reference, the D differ, or a value is not finite.
    """
    if len(references) == 0:
        raise ValueError("the nearest reference needs at least one reference")
    if features.ndim != 2 or references.ndim != 2 or features.shape[1] != references.shape[1]:
        raise ValueError(
            f"features and references must be (N, D) and (M, D); got {tuple(features.shape)} and "
            f"{tuple(references.shape)}"
        )
    if not (features.isfinite().all() and references.isfinite().all()):
        raise ValueError("features are not finite; check the videos and the weights of the feature network")
    parts = [_nearest_of(part.double(), references) for part in features.split(ROWS_PER_PASS) if len(part)]
    nearest = torch.cat([torch.empty(0, dtype=torch.int64, device=features.device), *parts])
    # Anew for the pairs that were found: the fast way of `cdist` gives copies a distance of rounding errors.
    pairs = zip(features.split(ROWS_PER_PASS), nearest.split(ROWS_PER_PASS), strict=True)
    distances = [(rows.double() - references[found].double()).square().sum(1).sqrt() for rows, found in pairs]
    return torch.cat(distances), nearest


def _nearest_of(features: Tensor, references: Tensor) -> Tensor:
    """Rows (n,) of the nearest references of float64 features (n, D)."""
    best = torch.full((len(features),), torch.inf, dtype=torch.float64, device=features.device)
    nearest = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    for number, part in enumerate(references.split(ROWS_PER_PASS)):
        distances, rows = torch.cdist(features, part.double()).min(dim=1)
        is_nearer = distances < best
        best = torch.where(is_nearer, distances, best)
        nearest = torch.where(is_nearer, rows + number * ROWS_PER_PASS, nearest)
    return nearest
