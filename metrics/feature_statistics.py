"""Mean and covariance of features, gathered batch by batch on any number of processes."""

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.frechet import frechet_distance


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
        return frechet_distance(self.mean, self.covariance, other.mean, other.covariance)


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

    `update` takes features (N, D), any floating dtype and device, N at least 0.  `compute` returns a `Gaussian` and
    must be called by all processes.  The states live on the metric's device; call `.to(device)` first where processes
    talk by NCCL.

    Raises: ValueError for another shape or dtype, values that are not finite, and fewer than 2 rows in all.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    sum: Tensor
    outer_product_sum: Tensor
    count: Tensor

    def __init__(self, num_features: int, unbiased: bool = True) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features must be at least 1; got {num_features}.")
        self.num_features = num_features
        self.unbiased = unbiased
        zeros = torch.zeros(num_features, dtype=torch.float64)
        self.add_state("sum", zeros, dist_reduce_fx="sum", persistent=True)
        self.add_state("outer_product_sum", torch.outer(zeros, zeros), dist_reduce_fx="sum", persistent=True)
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum", persistent=True)

    def update(self, features: Tensor) -> None:
        """Add features (N, D)."""
        if features.ndim != 2 or features.shape[1] != self.num_features or not features.is_floating_point():
            raise ValueError(
                f"Features must be floating point of shape (N, {self.num_features}); "
                f"got {features.dtype} of shape {tuple(features.shape)}."
            )
        features = features.detach().to(self.sum.device, torch.float64)
        if not features.isfinite().all():
            raise ValueError("Features are not finite; check the videos and the weights of the feature network.")
        self.sum += features.sum(dim=0)
        self.outer_product_sum += features.T @ features
        self.count += len(features)

    def compute(self) -> Gaussian:
        """Mean and covariance over all processes, on the CPU."""
        num_samples = int(self.count)
        if num_samples < 2:
            raise ValueError(f"A covariance needs at least 2 samples; got {num_samples}. Measure more videos.")
        mean = self.sum / num_samples
        scatter = self.outer_product_sum - num_samples * torch.outer(mean, mean)
        covariance = scatter / (num_samples - 1 if self.unbiased else num_samples)
        return Gaussian(mean.cpu(), covariance.cpu(), num_samples)
