"""The Frechet distance between two Gaussians: the last step of FID and FVD."""

import scipy.linalg
import torch
from torch import Tensor

EPSILON = torch.finfo(torch.float64).eps


def frechet_distance(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """Squared 2-Wasserstein distance between N(mean_a, covariance_a) and N(mean_b, covariance_b).

        |mean_a - mean_b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2))      for covariances A, B

    Dowson and Landau 1982, Eq. 4; the "Frechet Inception Distance" of Heusel et al. 2017 (arXiv:1706.08500, Eq. 6).
    `FrechetReference` says how it is computed, and takes many distances to the same Gaussian in less time.

    Agrees with torch-fidelity, pytorch-fid and numpy (the root of A B by scipy's sqrtm or by eigenvalues) to 1e-6
    relative, also where there are fewer samples than dimensions.  Equal Gaussians have distance 0 to 1e-9 of tr(A) +
    tr(B); a distance that rounding makes negative is returned as 0.

    Args:
        mean_a, mean_b: (D,).
        covariance_a, covariance_b: (D, D), symmetric and positive semi-definite.  All are computed with in float64, on
            the device of `mean_a`; on the CPU if that is an Apple GPU, which has no float64.

    Raises: ValueError if the shapes do not fit, a value is not finite, or a matrix is not a covariance.
    """
    return FrechetReference(mean_a, covariance_a).distance(mean_b, covariance_b)


class FrechetReference:
    """One of the two Gaussians of Frechet distances, prepared for many of them: the real clips, in a bootstrap.

    With A = R R^T the eigenvalues of A B are those of R^T B R and zeros, so

        tr((A B)^(1/2)) = sum of sqrt(eigenvalues of R^T B R),

    a symmetric matrix: there is no root of a product that is not, and no imaginary part to throw away.  R (D, rank)
    is made of A once, here; a distance then takes some products and eigenvalues without vectors (4/3 D^3 operations
    for the latter), all the cheaper the fewer samples than dimensions A has.

    Rounding leaves something of either sign in place of eigenvalues that are 0, and the root makes it large (1e-16 to
    1e-8).  Where A has such eigenvalues no Cholesky factor exists, but for luck with a single one.  Then R is made of
    eigenvectors, and eigenvalues within 1e-12 of the largest, or of |mean|^2 from the difference of sums that made the
    covariance, are taken as zero.  Else R is the Cholesky factor, which takes a sixth of the time.

    In R^T B R rounding is an epsilon or so of the largest; where that may change the distance by more than it should
    (spectra that fall by many orders of magnitude and equal Gaussians, a B of lower rank than A), the roots are found
    as the singular values of R^T S, B = S S^T, in four times the time.

    Args:
        mean: (D,).
        covariance: (D, D), symmetric and positive semi-definite.

    Raises: ValueError as `frechet_distance`.
    """

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean, self.covariance = _checked(mean, covariance, _device(torch.as_tensor(mean)))
        self._factor = _factor(self.mean, self.covariance)

    def distance(self, mean: Tensor, covariance: Tensor, accuracy: float = 1e-9) -> float:
        """Frechet distance to N(mean, covariance), see `frechet_distance`; they are moved to the reference's device.

        Args:
            accuracy: what rounding may change, estimated, as a share of the sum of both traces; a hundred times that
                share of the distance, where this is more.  Where an estimate of spread is wanted and not a value, 1e-4
                is enough, and seldom needs the second decomposition.
        """
        mean, covariance = _checked(mean, covariance, self.mean.device)
        if mean.shape != self.mean.shape:
            raise ValueError(f"Both Gaussians need the same dimension; got {len(self.mean)} and {len(mean)}.")
        traces = (self.covariance.trace() + covariance.trace()).item()
        farthest = (self.mean - mean).square().sum().item() + traces  # were all of A orthogonal to all of B
        if self._factor.shape[1] == 0:
            return farthest
        root = _cholesky(covariance)
        if root is not None:  # B has no direction of rounding alone; what is left is that of these products
            root = self._factor.T @ root  # (rank, D)
            product = root @ root.T
            noise = EPSILON * product.trace().item()
        else:
            product = self._factor.T @ covariance @ self._factor  # (rank, rank)
            # Rounding of this product and its eigenvalues, and of the sums that made the covariance.
            scale = covariance.norm().item() + mean.square().sum().item()
            noise = EPSILON * self._factor.square().sum(dim=0).amax().item() * scale
        squares = _eigvalsh((product + product.T) / 2)
        kept = squares > noise
        # Of what is kept the errors have either sign; what is dropped may have been as large as the noise.
        error = noise / 2 * squares[kept].reciprocal().sum().sqrt() + (~kept).sum() * noise**0.5
        distance = max(0.0, farthest - 2 * squares[kept].sqrt().sum().item())
        if squares.amin() >= -noise and 2 * error <= accuracy * max(traces, 100 * distance):
            return distance
        root = self._factor.T @ _factor(mean, covariance) if root is None else root
        return max(0.0, farthest - 2 * _singular_values(root).sum().item())


def _device(tensor: Tensor) -> torch.device:
    return torch.device("cpu") if tensor.device.type == "mps" else tensor.device


def _checked(mean: Tensor, covariance: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """The same on the device in float64, the covariance made exactly symmetric."""
    # Not in one call: an Apple GPU cannot make the float64 that the CPU shall get.
    mean = torch.as_tensor(mean).detach().to(device).to(torch.float64)
    covariance = torch.as_tensor(covariance).detach().to(device).to(torch.float64)
    if mean.ndim != 1 or len(mean) == 0 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            "A Gaussian needs a mean (D,) and a covariance (D, D); "
            f"got shapes {tuple(mean.shape)} and {tuple(covariance.shape)}."
        )
    if not (mean.isfinite().all() and covariance.isfinite().all()):
        raise ValueError("The mean or covariance of the features is not finite; check the videos that were measured.")
    return mean, (covariance + covariance.T) / 2


def _factor(mean: Tensor, covariance: Tensor) -> Tensor:
    """R (D, rank) with R R^T = covariance."""
    cholesky = _cholesky(covariance)
    if cholesky is not None:
        return cholesky
    eigenvalues, eigenvectors = _eigh(covariance)
    noise = _noise(mean, eigenvalues.abs().amax())
    if eigenvalues.amin() < -max(noise, 1e-6 * eigenvalues.amax().item()):
        raise ValueError(
            f"Not a covariance: its smallest eigenvalue is {eigenvalues.amin():.3g}, and must be at least 0."
        )
    kept = eigenvalues > noise
    return eigenvectors[:, kept] * eigenvalues[kept].sqrt()


def _cholesky(covariance: Tensor) -> Tensor | None:
    """R (D, D) with R R^T = covariance; None where an eigenvalue is not above rounding."""
    factor, info = torch.linalg.cholesky_ex(covariance)
    return factor if info.item() == 0 else None


def _noise(mean: Tensor, largest: Tensor) -> float:
    """What rounding may leave in place of an eigenvalue that is 0, `largest` being the largest or more."""
    return 1e-12 * max(largest.item(), mean.square().sum().item())


def _singular_values(matrix: Tensor) -> Tensor:
    """Each to an epsilon of the largest, which the roots of the eigenvalues of `matrix @ matrix.T` are not."""
    try:
        return torch.linalg.svdvals(matrix)
    except torch.linalg.LinAlgError:  # divide and conquer did not converge
        values = scipy.linalg.svd(matrix.cpu().numpy(), compute_uv=False, lapack_driver="gesvd")
        return torch.from_numpy(values).to(matrix.device)


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (ascending) and eigenvectors of a symmetric matrix."""
    try:
        eigenvalues, eigenvectors = torch.linalg.eigh(matrix)
    except torch.linalg.LinAlgError:
        # LAPACK's divide and conquer, which torch calls, gives up on some covariances of few or equal samples; the
        # method of relatively robust representations ("evr") does not, and takes longer.
        decomposed = scipy.linalg.eigh(matrix.cpu().numpy(), driver="evr")
        eigenvalues, eigenvectors = (torch.from_numpy(each).to(matrix.device) for each in decomposed)
    return eigenvalues, eigenvectors


def _eigvalsh(matrix: Tensor) -> Tensor:
    """Eigenvalues (ascending) of a symmetric matrix."""
    try:
        return torch.linalg.eigvalsh(matrix)
    except torch.linalg.LinAlgError:  # see _eigh
        eigenvalues = scipy.linalg.eigh(matrix.cpu().numpy(), eigvals_only=True, driver="evr")
        return torch.from_numpy(eigenvalues).to(matrix.device)
