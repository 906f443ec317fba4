"""Kernel distances (squared maximum mean discrepancies) between features of real and generated clips: KVD and KID."""

import numpy as np
import torch
from torch import Tensor

from metrics.bootstrap import Interval, block_interval, block_of_rows
from metrics.feature_rows import checked_sides

TILE = 2048  # rows: a tile of the kernel matrix takes 32 MiB


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy between all real and all generated clips: KVD, or KID without subsets.

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j),   k(x, y) = (x . y / D + 1)^3

    Gretton et al. 2012 (JMLR 13, Eq. 3) with the kernel of Binkowski et al. 2018 (arXiv:1801.01401, section 4); on
    I3D's logits the "Kernel Video Distance" of Unterthiner et al. 2018 (arXiv:1812.01717) as DIGAN and TATS compute it,
    all clips in one sum and not multiplied by 1000.  Agrees with their code (scikit-learn's `polynomial_kernel`) to
    1e-9.  0 in the mean for equal distributions, also for few clips, so it may be negative.

    Args:
        real, fake: features (N, D) and (M, D), floating point, N and M at least 2; float64 on the device of `fake`
            inside.  Memory does not grow with N M.

    Raises: ValueError for another shape or dtype, different D, values that are not finite, fewer than 2 rows.
    """
    return KernelSums.of(real, fake, num_blocks=1).distance()


class KernelSums:
    """Sums of the kernel over pairs of blocks of generated clips: all that the bootstrap of a kernel distance needs.

    Args:
        real_mean: mean of k over pairs of different real rows.
        num_real: number of real rows.
        across: (K,) float64, sum of k over pairs of a real row and a generated one of block k.
        within: (K, K) float64, sum of k over pairs of different generated rows of blocks k and l.
        count: (K,) int64, generated rows in each block.
    """

    def __init__(self, real_mean: float, num_real: int, across: Tensor, within: Tensor, count: Tensor) -> None:
        self.real_mean = real_mean
        self.num_real = num_real
        self.across = across
        self.within = within
        self.count = count

    @classmethod
    def of(cls, real: Tensor, fake: Tensor, num_blocks: int | None = None, clips: Tensor | None = None) -> "KernelSums":
        """The sums for features real (N, D) and fake (M, D), see `kernel_distance`.

        Args:
            num_blocks, clips: blocks of generated clips, see `block_of_rows`.

        Raises: ValueError as `kernel_distance`, and if there are more blocks than clips.
        """
        real, fake = checked_sides(real, fake, num_rows_at_least=2)
        block_of, num_blocks = block_of_rows(len(fake), num_blocks, clips)
        block_of = block_of.to(fake.device)
        real_sum = _pair_sums(real, torch.zeros(len(real), dtype=torch.int64, device=real.device), 1).item()
        return cls(
            real_mean=real_sum / (len(real) * (len(real) - 1)),
            num_real=len(real),
            across=_sums_to(real, fake, block_of, num_blocks),
            within=_pair_sums(fake, block_of, num_blocks),
            count=torch.bincount(block_of, minlength=num_blocks).cpu(),
        )

    def distance(self, weights: Tensor | None = None) -> float:
        """The kernel distance when the rows of block k are there weights[k] times; None: once.

        A row makes no pair with itself nor with its duplicates: those would make a resample look less varied than what
        it was drawn from.

        Args:
            weights: (K,) whole numbers, at least 0.

        Raises: ValueError if there is no pair of different rows.
        """
        weights = torch.ones_like(self.count) if weights is None else weights.to(self.count)
        num_rows = int(weights @ self.count)
        num_pairs = num_rows**2 - int(weights.square() @ self.count)
        if num_pairs == 0:
            raise ValueError("A kernel distance needs 2 different generated clips; measure more videos.")
        times = weights.double()
        fake_mean = times @ self.within @ times / num_pairs
        return (self.real_mean + fake_mean - 2 * times @ self.across / (num_rows * self.num_real)).item()

    def interval(self, num_resamples: int = 1000, seed: int = 0) -> Interval:
        """95 % bootstrap interval (low, high) of the distance over the generated clips, see `metrics.bootstrap`.

        Resampled are blocks, without looking at the features again.  Centred on the value, because clips of a block are
        drawn together and their pairs count more often in a resample.  For a generator as good as the real clips (a
        distance around 0) the interval is wider than it need be.
        """
        return block_interval(self.distance, len(self.count), num_resamples, seed)


def kernel_inception_distance(
    real: Tensor, fake: Tensor, num_subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> tuple[float, float]:
    """KID: mean and standard deviation of the kernel distance over random subsets (Binkowski et al. 2018).

    As torch-fidelity computes it, which draws from NumPy's RandomState(2020), for each subset `subset_size` rows of the
    generated features and then of the real ones, each without replacement; agrees with it to 1e-9 where the generated
    images are its input1.  Not multiplied by 1000.  The standard deviation is that of one subset, not the
    uncertainty of the mean: for that see `KernelSums.interval`.

    Args:
        real, fake: features (N, D) and (M, D), see `kernel_distance`.
        num_subsets: 100 in torch-fidelity; the paper's code has 100, too.
        subset_size: 1000 in both.

    Raises: ValueError as `kernel_distance`, and if a subset is larger than either set.
    """
    if num_subsets < 1 or subset_size < 2:
        raise ValueError(f"KID needs at least 1 subset of at least 2; got {num_subsets} of {subset_size}.")
    real, fake = checked_sides(real, fake, num_rows_at_least=2)
    if subset_size > min(len(real), len(fake)):
        raise ValueError(
            f"KID's subsets of {subset_size} are larger than the sets: {len(real)} real and {len(fake)} generated "
            "rows. Measure more videos or choose a smaller subset_size (and say so: it changes the protocol)."
        )
    rng = np.random.RandomState(seed)
    distances = []
    for _ in range(num_subsets):
        chosen_fake = torch.from_numpy(rng.choice(len(fake), subset_size, replace=False))
        chosen_real = torch.from_numpy(rng.choice(len(real), subset_size, replace=False))
        sums = KernelSums.of(real[chosen_real.to(real.device)], fake[chosen_fake.to(fake.device)], num_blocks=1)
        distances.append(sums.distance())
    return float(np.mean(distances)), float(np.std(distances))


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x . y / D + 1)^3 for all rows of x (n, D) and y (m, D)."""
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _sums_to(real: Tensor, fake: Tensor, block_of: Tensor, num_blocks: int) -> Tensor:
    """Sum of k over all real rows and the generated ones of each block, (num_blocks,) on the CPU."""
    sums = torch.zeros(num_blocks, dtype=torch.float64, device=fake.device)
    for rows, blocks in zip(fake.split(TILE), block_of.split(TILE), strict=True):
        for part in real.split(TILE):
            sums.index_add_(0, blocks, _kernel(rows, part).sum(dim=1))
    return sums.cpu()


def _pair_sums(rows: Tensor, block_of: Tensor, num_blocks: int) -> Tensor:
    """Sum of k over pairs of different rows of blocks k and l, (num_blocks, num_blocks) on the CPU."""
    sums = torch.zeros(num_blocks, num_blocks, dtype=torch.float64, device=rows.device)
    for first in range(0, len(rows), TILE):
        for second in range(first, len(rows), TILE):  # the kernel is symmetric
            tile = _kernel(rows[first : first + TILE], rows[second : second + TILE])
            if first == second:
                tile.fill_diagonal_(0)
            by_block = torch.zeros(num_blocks, tile.shape[1], dtype=tile.dtype, device=tile.device)
            by_block.index_add_(0, block_of[first : first + TILE], tile)
            part = torch.zeros_like(sums).index_add_(1, block_of[second : second + TILE], by_block)
            sums += part if first == second else part + part.T
    return sums.cpu()
