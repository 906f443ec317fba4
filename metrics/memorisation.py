"""Whether generated clips are copies of training clips."""

import torch
from torch import Tensor


def nearest_distances(features: Tensor, references: Tensor) -> Tensor:
    """Euclidean distance of each row of features (N, D) to the nearest of the references (M, D): (N,) float64.

    Raises: ValueError if there is no reference.
    """
    if len(references) == 0:
        raise ValueError("nearest_distances needs at least one reference")
    distances = [torch.cdist(part.double(), references.double()).amin(dim=1) for part in features.split(1024)]
    return torch.cat([torch.empty(0, dtype=torch.float64, device=features.device), *distances])


def memorisation_ratio(generated: Tensor, held_out: Tensor, training: Tensor) -> float:
    """Median distance of generated clips to the nearest training clip, over that of held-out real clips.

    Near 0: the generator shows training clips again (Meehan et al. 2020, arXiv:2004.05675, compare the same two
    distances with a rank test).  Near 1: as far from the training clips as people or scenes that were never seen.
    Blurred or noisy clips are far from everything, so a large ratio is no praise.

    Args:
        generated: features (N, D) of generated clips.
        held_out: features (K, D) of real clips that were not trained with.
        training: features (M, D) of training clips, as many as can be.

    Raises: ValueError if one of them has no rows, or if the held-out clips are training clips.
    """
    if len(generated) == 0 or len(held_out) == 0:
        raise ValueError("memorisation_ratio needs at least one generated and one held-out clip")
    unseen = nearest_distances(held_out, training).median()
    if unseen == 0:
        raise ValueError("half of the held-out clips are training clips; hold other videos out")
    return float(nearest_distances(generated, training).median() / unseen)
