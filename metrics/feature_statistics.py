"""Mean and covariance of features, gathered batch by batch on any number of processes."""

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.frechet import FrechetReference


class Gaussian:
    """What FID and FVD keep of a set of features: mean (D,), covariance (D, D), both float64, and their number.

    A plain class: into tuples and dataclasses torchmetrics reaches and squeezes what has one element.
    """

    def __init__(self, mean: Tensor, covariance: Tensor, num_samples: int) -> None:
        self.mean = mean
        self.covariance = covariance
        self.num_samples = num_samples

    def distance(self, other: "Gaussian") -> float:
        """Frechet distance to `other`, see `frechet_distance`."""
        # Factoring the side of fewer samples makes the matrices small where there are fewer than dimensions.
        factored, measured = sorted((self, other), key=lambda gaussian: gaussian.num_samples)
        return factored.as_reference().distance(measured.mean, measured.covariance)

    def as_reference(self, device: torch.device | str | None = None) -> FrechetReference:
        """Prepared for many distances to it, computed on `device`; None: where the Gaussian is."""
        return FrechetReference(self.mean.to(device or self.mean.device), self.covariance)


class BlockSums:
    """Sums of features over K blocks of clips: what a bootstrap of FID and FVD draws from.  On the CPU.

    Args:
        sum: (K, D) float64.
        outer_product_sum: (K, D, D) float64.
        count: (K,) int64, rows of features in each block.
        unbiased: see `FeatureStatistics`.
    """

    def __init__(self, sum: Tensor, outer_product_sum: Tensor, count: Tensor, unbiased: bool) -> None:
        self.sum = sum
        self.outer_product_sum = outer_product_sum
        self.count = count
        self.unbiased = unbiased

    @property
    def num_blocks(self) -> int:
        """K."""
        return len(self.count)

    def gaussian(self, weights: Tensor | None = None) -> Gaussian:
        """Mean and covariance of all rows, those of block k taken `weights[k]` times; None: once.

        Args:
            weights: (K,) whole numbers, at least 0.

        Raises: ValueError for fewer than 2 rows in all.
        """
        if weights is None:
            weights = torch.ones(self.num_blocks)
        num_samples = int((weights.to(self.count) * self.count).sum())
        if num_samples < 2:
            raise ValueError(f"A covariance needs at least 2 samples; got {num_samples}. Measure more videos.")
        weights = weights.to(self.sum)
        mean = weights @ self.sum / num_samples
        # Block by block: a weighted copy of all outer products would take as much memory again.
        scatter = -num_samples * torch.outer(mean, mean)
        for weight, outer_product_sum in zip(weights.tolist(), self.outer_product_sum, strict=True):
            if weight > 0:
                scatter.add_(outer_product_sum, alpha=weight)
        return Gaussian(mean, scatter / (num_samples - 1 if self.unbiased else num_samples), num_samples)


class FeatureStatistics(Metric):
    """Fits a Gaussian to features: mean and covariance of all rows seen, on all processes.

        mean = sum x / N        covariance = (sum x x^T - N mean mean^T) / (N - 1)

    The states are sums in float64, added up over the processes, so batches of any size, an uneven last batch and any
    number of processes (also one that saw nothing) give the same numbers to about 1e-12 relative.  The difference of
    two sums loses as many of 16 digits as |mean|^2 / variance has; for the features used here that is 1 or 2, and no
    offset need be subtracted first.

    Args:
        num_features: D.
        unbiased: divide the covariance by N - 1 (FID by Heusel et al., FVD by Unterthiner et al., torch-fidelity,
            clean-fid); False divides by N, as StyleGAN-V and the StyleGANs do.
        num_blocks: K, how many blocks the sums are kept apart in, for `frechet_interval`.  They take 8 K D^2 bytes (32
            MiB a block for D = 2048), and processes that add theirs up need them once per process for a moment.

    `update` takes features (N, D), any floating dtype and device, N at least 0.  `compute` returns a `Gaussian`, the
    same for every number of blocks, and `compute_blocks` the `BlockSums`; all processes must call them.  The states
    live on the metric's device; call `.to(device)` first where processes talk by NCCL.

    Raises: ValueError for another shape or dtype, values that are not finite, and fewer than 2 rows in all.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    sum: Tensor
    outer_product_sum: Tensor
    count: Tensor

    def __init__(self, num_features: int, unbiased: bool = True, num_blocks: int = 1) -> None:
        super().__init__()
        for name, number in (("num_features", num_features), ("num_blocks", num_blocks)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1; got {number}.")
        self.num_features = num_features
        self.unbiased = unbiased
        self.num_blocks = num_blocks
        sums = torch.zeros(num_blocks, num_features, dtype=torch.float64)
        products = torch.zeros(num_blocks, num_features, num_features, dtype=torch.float64)
        self.add_state("sum", sums, dist_reduce_fx="sum", persistent=True)
        self.add_state("outer_product_sum", products, dist_reduce_fx="sum", persistent=True)
        self.add_state("count", torch.zeros(num_blocks, dtype=torch.int64), dist_reduce_fx="sum", persistent=True)

    @property
    def update_called(self) -> bool:
        """True: a process that saw nothing is in order, and torchmetrics would warn of it."""
        return True

    def update(self, features: Tensor, indices: Tensor | None = None) -> None:
        """Add features (N, D) of the clips with the global numbers `indices`.

        Args:
            indices: whole numbers (N,), at least 0; row i goes to block indices[i] % num_blocks, so the frames of a
                clip, which share its number, stay together.  May be None where there is one block.
        """
        if features.ndim != 2 or features.shape[1] != self.num_features or not features.is_floating_point():
            raise ValueError(
                f"Features must be floating point of shape (N, {self.num_features}); "
                f"got {features.dtype} of shape {tuple(features.shape)}."
            )
        features = features.detach().to(self.sum.device).to(torch.float64)
        if not features.isfinite().all():
            raise ValueError("Features are not finite; check the videos and the weights of the feature network.")
        blocks = self._blocks(indices, len(features))
        for block in sorted(set(blocks.tolist())):
            rows = features[blocks == block] if self.num_blocks > 1 else features
            self.sum[block] += rows.sum(dim=0)
            self.outer_product_sum[block].addmm_(rows.T, rows)
            self.count[block] += len(rows)

    def _blocks(self, indices: Tensor | None, num_rows: int) -> Tensor:
        """The block of each row."""
        if indices is None:
            if self.num_blocks > 1:
                raise ValueError(f"{self.num_blocks} blocks need the numbers of the clips; give indices.")
            return torch.zeros(num_rows, dtype=torch.int64, device=self.sum.device)
        return checked_indices(indices, num_rows).to(self.sum.device) % self.num_blocks

    def compute(self) -> Gaussian:
        """Mean and covariance over all processes, on the CPU."""
        return self._block_sums().gaussian()

    def compute_blocks(self) -> BlockSums:
        """The sums of each block over all processes, on the CPU."""
        with self.sync_context():
            sums = self._block_sums()
            # Copies: on one process's CPU these are the states themselves, which go on counting.
            return BlockSums(sums.sum.clone(), sums.outer_product_sum.clone(), sums.count.clone(), self.unbiased)

    def _block_sums(self) -> BlockSums:
        return BlockSums(self.sum.cpu(), self.outer_product_sum.cpu(), self.count.cpu(), self.unbiased)


def checked_indices(indices: Tensor, num_rows: int) -> Tensor:
    """`indices` as int64 (num_rows,).

    Raises: ValueError if they are not whole numbers of at least 0, one a row.
    """
    if indices.shape != (num_rows,) or indices.is_floating_point() or indices.dtype == torch.bool:
        raise ValueError(
            f"{num_rows} rows need as many whole numbers as indices; got {indices.dtype} of shape "
            f"{tuple(indices.shape)}."
        )
    if num_rows > 0 and indices.amin() < 0:
        raise ValueError(f"Indices are numbers of clips from 0 on; got {int(indices.amin())}.")
    return indices.to(torch.int64)
