"""Precision and recall, density and coverage: how realistic generated clips are, and how much of the real they show.

All four look at balls around clips in feature space, which reach to the k-th nearest neighbour in the same set.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from metrics.bootstrap import Interval, block_interval, block_of_rows, mean_interval
from metrics.feature_rows import checked_sides

TILE_ELEMENTS = 2**23  # distances computed at a time, 64 MiB
EXACT = "donot_use_mm_for_euclid_dist"  # a pair's distance is then the same to the last bit whatever comes with it


@dataclass(frozen=True)
class Fidelity:
    """A share of the generated clips: `value` is the mean of `per_clip`.

    Args:
        per_clip: (M,) float64, one number for each row of generated features.
    """

    per_clip: Tensor

    @property
    def value(self) -> float:
        """Precision (0 to 1), or density (0 up; 1 where generated and real clips lie equally dense)."""
        return self.per_clip.mean().item()

    def interval(self, num_resamples: int = 1000, seed: int = 0, clips: Tensor | None = None) -> Interval:
        """95 % bootstrap interval over the generated clips, see `mean_interval`."""
        return mean_interval(self.per_clip, num_resamples, seed, clips)


@dataclass(frozen=True)
class Diversity:
    """A share of the real clips that the generated ones reach: `value` is the mean of `reached`.

    Args:
        reached_by: (N, K) bool, for each row of real features and block of generated clips, whether one of the block
            reaches it.
    """

    reached_by: Tensor

    @property
    def reached(self) -> Tensor:
        """(N,) bool, for each row of real features."""
        return self.reached_by.any(dim=1)

    @property
    def value(self) -> float:
        """Recall or coverage, 0 to 1."""
        return self.reached.double().mean().item()

    def interval(self, num_resamples: int = 1000, seed: int = 0) -> Interval:
        """95 % bootstrap interval (low, high) over the generated clips, in 0 to 1.

        Blocks of generated clips are drawn, and a real clip counts where a drawn block reaches it.  Centred on the
        value, see `metrics.bootstrap`: what one block alone reaches is missing in a third of the resamples, so they lie
        below the value and mostly scatter more than it does.  For recall the balls around the generated clips keep the
        size that they have among all; where it is small (below one half) the interval is up to a quarter too narrow.
        """
        not_reached_by = ~self.reached_by

        def share(weights: Tensor) -> float:
            return 1 - not_reached_by[:, weights > 0].all(dim=1).double().mean().item()

        low, high = block_interval(share, self.reached_by.shape[1], num_resamples, seed)
        return max(0.0, low), min(1.0, high)


def precision_recall(
    real: Tensor,
    fake: Tensor,
    num_neighbours: int = 3,
    num_blocks: int | None = None,
    clips: Tensor | None = None,
) -> tuple[Fidelity, Diversity]:
    """Precision: generated clips within the balls of real ones.  Recall: real clips within the balls of generated ones.

        precision = mean_j [ some i: |y_j - x_i| <= r(x_i) ]        recall = mean_i [ some j: |x_i - y_j| <= r(y_j) ]

    for real x_i, generated y_j, and r the distance to the k-th nearest other one of the same set (Kynkaanniemi et al.
    2019, arXiv:1904.06991, Eq. 1 and 2).  Equal to torch-fidelity 0.4.0's PRC with the generated images as
    its input1 (before, it called each by the other's name).  The paper takes VGG-16's features, of images; so both are
    comparable among the same feature network and counts only.  One outlier among the real clips has a large ball and
    makes precision large: see `density_coverage`.

    Args:
        real, fake: features (N, D) and (M, D), floating point; float64 on the device of `fake` inside.  Every distance
            is the norm of a difference, not a difference of products, so equal clips have distance 0 and batches do not
            matter.  Memory does not grow with N M.
        num_neighbours: k; 3 in the paper and in torch-fidelity.
        num_blocks, clips: blocks of generated clips for recall's interval, see `block_of_rows`.

    Raises: ValueError for another shape or dtype, different D, values that are not finite, no more than k rows.
    """
    real, fake = _checked(real, fake, num_neighbours)
    block_of, num_blocks = block_of_rows(len(fake), num_blocks, clips)
    real_radii, fake_radii = neighbour_distances(real, num_neighbours), neighbour_distances(fake, num_neighbours)
    precise = [(torch.cdist(part, real, compute_mode=EXACT) <= real_radii).any(dim=1) for part in _parts(fake, real)]
    recalled_by = [
        _in_block(torch.cdist(part, fake, compute_mode=EXACT) <= fake_radii, block_of, num_blocks)
        for part in _parts(real, fake)
    ]
    return Fidelity(torch.cat(precise).double().cpu()), Diversity(torch.cat(recalled_by).cpu())


def density_coverage(
    real: Tensor,
    fake: Tensor,
    num_neighbours: int = 5,
    num_blocks: int | None = None,
    clips: Tensor | None = None,
) -> tuple[Fidelity, Diversity]:
    """Density: how many real clips' balls a generated clip lies in.  Coverage: real clips with one in their ball.

        density = mean_j |{i: |y_j - x_i| < r(x_i)}| / k            coverage = mean_i [ some j: |x_i - y_j| < r(x_i) ]

    Naeem et al. 2020 (arXiv:2002.09797, section 3): only the balls of real clips count, so outliers among the
    generated ones do no harm, and one among the real counts once.  Equal to the authors' package prdc, which has <
    where precision and recall have <=; so both are exactly 1 for the same set twice.

    Args:
        num_neighbours: k; 5 in the paper.
        real, fake, num_blocks, clips: see `precision_recall`.

    Raises: ValueError as `precision_recall`.
    """
    real, fake = _checked(real, fake, num_neighbours)
    block_of, num_blocks = block_of_rows(len(fake), num_blocks, clips)
    radii = neighbour_distances(real, num_neighbours)
    counts = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    covered_by = []
    for part, part_radii in zip(_parts(real, fake), _parts(radii, fake), strict=True):
        within = torch.cdist(part, fake, compute_mode=EXACT) < part_radii[:, None]
        counts += within.sum(dim=0)
        covered_by.append(_in_block(within, block_of, num_blocks))
    return Fidelity((counts / num_neighbours).cpu()), Diversity(torch.cat(covered_by).cpu())


def neighbour_distances(features: Tensor, num_neighbours: int) -> Tensor:
    """Distance of each row of features (N, D) to its k-th nearest other row, (N,)."""
    distances = [
        # The row itself, at distance 0, is the first.
        torch.cdist(part, features, compute_mode=EXACT).kthvalue(num_neighbours + 1, dim=1).values
        for part in _parts(features, features)
    ]
    return torch.cat(distances)


def _parts(rows: Tensor, others: Tensor) -> tuple[Tensor, ...]:
    """`rows` in parts that make no more than so many pairs with all of `others`."""
    return rows.split(max(1, TILE_ELEMENTS // len(others)))


def _in_block(within: Tensor, block_of: Tensor, num_blocks: int) -> Tensor:
    """Whether any of the columns (n, M) of each block is true, (n, num_blocks)."""
    found = torch.zeros(len(within), num_blocks, dtype=torch.int32, device=within.device)
    return found.index_add_(1, block_of.to(within.device), within.to(torch.int32)) > 0


def _checked(real: Tensor, fake: Tensor, num_neighbours: int) -> tuple[Tensor, Tensor]:
    """Both sides in float64."""
    if num_neighbours < 1:
        raise ValueError(f"num_neighbours must be at least 1; got {num_neighbours}.")
    return checked_sides(real, fake, num_rows_at_least=num_neighbours + 1)
