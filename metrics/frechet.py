"""The Frechet distance between two Gaussians: the last step of FID and FVD."""

import scipy.linalg
import torch
from torch import Tensor


def frechet_distance(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """Squared 2-Wasserstein distance between N(mean_a, covariance_a) and N(mean_b, covariance_b).

        |mean_a - mean_b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2))      for covariances A, B

    Dowson and Landau 1982, Eq. 4; the "Frechet Inception Distance" of Heusel et al. 2017 (arXiv:1706.08500, Eq. 6).

    With A = R R^T and B = S S^T the last trace is the sum of the singular values of R^T S.  That needs no root of a
    product that is not symmetric, so there is no imaginary part to throw away, and it stays exact where a covariance
    has fewer samples than dimensions or hardly any spread (a generator that makes one video only).  What rounding
    leaves in place of 0, of either sign, is within 1e-12 of the largest eigenvalue, or of |mean|^2 from the difference
    of sums that made the covariance; such eigenvalues are taken as zero and their directions dropped from R and S.  A
    distance that rounding makes negative (equal inputs) is returned as 0.

    Args:
        mean_a, mean_b: (D,).
        covariance_a, covariance_b: (D, D), symmetric and positive semi-definite.  All are computed with in float64.

    Raises: ValueError if the shapes do not fit, a value is not finite, or a matrix is not a covariance.
    """
    mean_a, covariance_a = _checked(mean_a, covariance_a)
    mean_b, covariance_b = _checked(mean_b, covariance_b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"Both Gaussians need the same dimension; got {len(mean_a)} and {len(mean_b)}.")
    product = _factor(mean_a, covariance_a).T @ _factor(mean_b, covariance_b)
    trace_of_root = float(scipy.linalg.svd(product.numpy(), compute_uv=False, lapack_driver="gesvd").sum())
    squared_shift = (mean_a - mean_b).square().sum()
    distance = squared_shift + covariance_a.trace() + covariance_b.trace() - 2 * trace_of_root
    return max(0.0, distance.item())


def _checked(mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The same on the CPU in float64, the covariance made exactly symmetric."""
    mean = torch.as_tensor(mean).detach().to("cpu", torch.float64)
    covariance = torch.as_tensor(covariance).detach().to("cpu", torch.float64)
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            "A Gaussian needs a mean (D,) and a covariance (D, D); "
            f"got shapes {tuple(mean.shape)} and {tuple(covariance.shape)}."
        )
    if not (mean.isfinite().all() and covariance.isfinite().all()):
        raise ValueError("The mean or covariance of the features is not finite; check the videos that were measured.")
    return mean, (covariance + covariance.T) / 2


def _factor(mean: Tensor, covariance: Tensor) -> Tensor:
    """R (D, rank) with R R^T = covariance."""
    # Not torch.linalg.eigh: LAPACK's divide and conquer gives up on some covariances of few or equal samples.
    eigenvalues, eigenvectors = map(torch.from_numpy, scipy.linalg.eigh(covariance.numpy(), driver="evr"))
    largest = max(eigenvalues.abs().amax().item(), mean.square().sum().item())
    noise = 1e-12 * largest
    if eigenvalues.amin() < -max(noise, 1e-6 * eigenvalues.amax().item()):
        raise ValueError(
            f"Not a covariance: its smallest eigenvalue is {eigenvalues.amin():.3g}, and must be at least 0."
        )
    kept = eigenvalues > noise
    return eigenvectors[:, kept] * eigenvalues[kept].sqrt()
