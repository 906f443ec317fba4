"""All rows of features, for what cannot do with sums: kernel distances, precision and recall, memorisation."""

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.feature_statistics import checked_indices


class FeatureRows(Metric):
    """Keeps features from all batches and processes: `compute` returns all rows, ordered by their numbers.

    So what is computed of them depends on neither batches nor processes.  Takes 4 N D bytes, on each process once
    `compute` has been called (16 MiB for 2048 clips of 2048 features); see `FeatureStatistics` for metrics that need
    sums only.

    Args:
        num_features: D.

    `update(features, indices)` adds features (N, D), any floating dtype and device, N at least 0, of the clips with the
    global numbers `indices`, whole numbers (N,) from 0 on.  Numbers may be left out, but none may come twice; frames
    need numbers of their own: clip * num_frames + frame.  A process may also never call it.  `compute()` must be called
    by all processes and returns float32 (N, D) on the CPU.  The states live on the metric's device; call `.to(device)`
    first where processes talk by NCCL.

    Raises: ValueError for another shape or dtype, values that are not finite, a row that comes twice, and no rows at
        all.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    rows: list[Tensor]  # float32 (n, D)
    indices: list[Tensor]  # int64 (n,)

    def __init__(self, num_features: int) -> None:
        super().__init__(compute_with_cache=False)  # the cached copy would take the memory of the rows again
        if num_features < 1:
            raise ValueError(f"num_features must be at least 1; got {num_features}.")
        self.num_features = num_features
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("indices", [], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        # torchmetrics would let a process that has nothing send another shape and dtype than the others.
        self.rows.append(torch.empty(0, self.num_features, device=self.device))
        self.indices.append(torch.empty(0, dtype=torch.int64, device=self.device))

    @property
    def update_called(self) -> bool:
        """True: a process that saw nothing is in order, and torchmetrics would warn of it."""
        return True

    def update(self, features: Tensor, indices: Tensor) -> None:
        """Add features (N, D) with the global numbers `indices` (N,)."""
        features = checked_rows(features, "Features", num_rows_at_least=0)
        if features.shape[1] != self.num_features:
            raise ValueError(f"Features must be rows of {self.num_features} numbers; got {features.shape[1]}.")
        self.indices.append(checked_indices(indices, len(features)).to(self.device))
        self.rows.append(features.to(self.device, torch.float32))

    def compute(self) -> Tensor:
        """Features (N, D) over all processes, in the order of their numbers."""
        # Tensors once processes met, lists before.
        rows = (self.rows if isinstance(self.rows, Tensor) else torch.cat(self.rows)).cpu()
        indices = (self.indices if isinstance(self.indices, Tensor) else torch.cat(self.indices)).cpu()
        if len(rows) == 0:
            raise ValueError("There are no features; measure at least one clip.")
        indices, order = indices.sort()
        if (repeated := indices.diff() == 0).any():
            raise ValueError(
                f"Features with the number {int(indices[1:][repeated][0])} came twice; give each clip once, and frames "
                "numbers of their own."
            )
        return rows[order]


def checked_rows(features: Tensor, name: str, num_rows_at_least: int) -> Tensor:
    """`features` without gradient, when they are floating point (N, D), finite, and enough.

    Raises: ValueError if not.
    """
    if features.ndim != 2 or features.shape[1] == 0 or not features.is_floating_point():
        raise ValueError(
            f"{name} must be floating point of shape (N, D); got {features.dtype} of shape {tuple(features.shape)}."
        )
    if len(features) < num_rows_at_least:
        raise ValueError(
            f"{name} need at least {num_rows_at_least} rows here; got {len(features)}. Measure more videos."
        )
    if not features.isfinite().all():
        raise ValueError(f"{name} are not finite; check the videos and the weights of the feature network.")
    return features.detach()


def checked_sides(real: Tensor, fake: Tensor, num_rows_at_least: int) -> tuple[Tensor, Tensor]:
    """Features of real and generated clips in float64 on the device of `fake`, checked one by one and together.

    Raises: ValueError as `checked_rows`, and if the dimensions differ.
    """
    device = torch.device("cpu") if fake.device.type == "mps" else fake.device  # Apple's GPUs have no float64
    real = checked_rows(real, "Real features", num_rows_at_least).to(device).double()
    fake = checked_rows(fake, "Generated features", num_rows_at_least).to(device).double()
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"Real and generated features need the same dimension; got {real.shape[1]} and {fake.shape[1]}."
        )
    return real, fake
