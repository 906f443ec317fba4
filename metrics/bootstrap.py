"""95 % intervals by the bootstrap: how far a value may be off because there are only so many generated clips.

All follow Efron and Tibshirani 1993, "An Introduction to the Bootstrap": the generated clips are drawn again, with
replacement and as many as there were, and the metric is taken of each such resample.  The real clips stay as they are.
Every interval is a function of its data and `seed`.

A metric that is a mean or a median over clips gets the percentiles of its resamples (their chapter 13).  The others are
drawn by blocks of clips, and get

    value -+ 1.96 standard deviations of the resamples      (their chapters 6 and 12),

because a resample has fewer distinct clips (63 %) and most such metrics depend on the number of clips: the Frechet
distance of fewer clips is larger, so the resamples lie above the value and their percentiles may not even contain it.
Their spread is right where the two sides differ clearly.  Where a value is little more than what it would be for equal
distributions and so few clips, the resamples scatter up to twice as much as the value does over other draws: the
interval is then wider than it need be, never narrower.

What K blocks can say: the spread of the value over other draws of as many clips, known itself to about one part in
sqrt(2 (K - 1)) (16 % for 20 blocks, 10 % for 50); frames of a clip are in the same block, so that they resemble each
other is counted in.  What they cannot: anything about the real side, other training runs, clips that depend on each
other across blocks, the bias from the number of clips (which is why numbers of different counts are not compared), or a
mode so rare that no block has it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from metrics.feature_statistics import BlockSums, checked_indices
from metrics.frechet import FrechetReference

Interval = tuple[float, float]


def mean_interval(values: Tensor, num_resamples: int = 1000, seed: int = 0, clips: Tensor | None = None) -> Interval:
    """95 % percentile interval (low, high) of the mean of values of generated clips, see `percentile_interval`.

    For metrics that are such means: paired scores, precision, density.
    """
    return percentile_interval(values, np.mean, num_resamples, seed, clips)


def median_interval(values: Tensor, num_resamples: int = 1000, seed: int = 0, clips: Tensor | None = None) -> Interval:
    """95 % percentile interval (low, high) of the median, the lower one of two, as `torch.median`; see
    `percentile_interval`."""
    return percentile_interval(values, lower_median, num_resamples, seed, clips)


def lower_median(values: np.ndarray) -> float:
    """The median of values (N,), of an even number the lower one."""
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


def percentile_interval(
    values: Tensor,
    statistic: Callable[[np.ndarray], float],
    num_resamples: int = 1000,
    seed: int = 0,
    clips: Tensor | None = None,
) -> Interval:
    """95 % percentile interval (low, high) of a statistic of values of generated clips.

    For what does not depend on the number of values but by chance: a mean, a median.

    Args:
        statistic: of values (N,) float64.
        values: (N,) of any dtype, finite.
        num_resamples: 1000 are what percentiles need (Efron and Tibshirani 1993, section 13.3).
        clips: whole numbers (N,): the clip of each value, where several values, those of its frames, are from one clip.
            They are drawn together.  None: each is a clip of its own.

    Raises: ValueError for another shape, values that are not finite, and fewer than 2 clips.
    """
    if values.ndim != 1:
        raise ValueError(f"A percentile interval takes values (N,); got shape {tuple(values.shape)}.")
    if not values.isfinite().all():
        raise ValueError("A percentile interval takes finite values; got one that is not.")
    numbers = values.detach().cpu().double().numpy()
    clip_of = np.arange(len(numbers)) if clips is None else checked_indices(clips, len(values)).cpu().numpy()
    _, clip_of, counts = np.unique(clip_of, return_inverse=True, return_counts=True)
    _check_drawing("clips", len(counts), num_resamples)
    numbers = numbers[np.argsort(clip_of, kind="stable")]  # those of a clip side by side
    starts = np.cumsum(counts) - counts
    rng = np.random.default_rng(seed)
    found = np.empty(num_resamples)
    for resample in range(num_resamples):  # one after the other: together they would take N x num_resamples numbers
        drawn = rng.integers(len(counts), size=len(counts))
        found[resample] = statistic(numbers[_places(starts[drawn], counts[drawn])])
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _places(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The places starts[i], ..., starts[i] + counts[i] - 1 of each i, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)


def block_interval(
    statistic: Callable[[Tensor], float], num_blocks: int, num_resamples: int, seed: int = 0
) -> Interval:
    """95 % interval (low, high) of a metric of K blocks of generated clips, centred on its value.

    Args:
        statistic: the metric when block k is there weights[k] times; weights are int64 (K,) and add up to K.
        num_blocks: K.
        num_resamples: a standard deviation needs 50 to 200 (Efron and Tibshirani 1993, section 6.4).

    Raises: ValueError for fewer than 2 blocks or resamples, and if a resample's value is not finite.
    """
    _check_drawing("blocks", num_blocks, num_resamples)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), size=num_resamples)
    value = statistic(torch.ones(num_blocks, dtype=torch.int64))
    spread = float(np.std([statistic(weights) for weights in torch.from_numpy(drawn)], ddof=1))
    if not np.isfinite(value + spread):
        raise ValueError("The metric of a resample is not finite; measure more videos.")
    return value - 1.96 * spread, value + 1.96 * spread


def frechet_interval(
    reference: FrechetReference, blocks: BlockSums, num_resamples: int = 50, seed: int = 0
) -> Interval:
    """95 % interval (low, high) of the Frechet distance of generated clips to the real Gaussian; at least 0.

    Args:
        reference: the real clips' Gaussian, `Gaussian.as_reference`; the distances are computed on its device.
        blocks: sums of the generated clips' features, `FeatureStatistics.compute_blocks`; whether covariances are over
            N or N - 1 is theirs.
        num_resamples: distances that are computed: each takes the eigenvalues of a matrix (D, D).

    Raises: ValueError as `block_interval`, and if the features' dimensions differ.
    """

    def distance(weights: Tensor) -> float:
        gaussian = blocks.gaussian(weights)
        return reference.distance(gaussian.mean, gaussian.covariance, accuracy=1e-4)

    if (blocks.count == 0).any():
        raise ValueError(
            f"{blocks.num_blocks} blocks need as many clips; block {int(blocks.count.argmin())} has none. "
            "Use fewer blocks or measure more videos."
        )
    low, high = block_interval(distance, blocks.num_blocks, num_resamples, seed)
    return max(0.0, low), high


def block_of_rows(num_rows: int, num_blocks: int | None = None, clips: Tensor | None = None) -> tuple[Tensor, int]:
    """The block of each of the rows that are all at hand, int64 (num_rows,), and the number of blocks K.

    Args:
        num_blocks: K; None: 50, or one a clip where there are fewer.
        clips: whole numbers (num_rows,): the clip of each row; the i-th clip goes to block i % K, so that the frames of
            a clip stay together.  None: each row is a clip of its own.

    Raises: ValueError if there are more blocks than clips, or clips are not whole numbers.
    """
    if clips is None:
        rank, num_clips = torch.arange(num_rows), num_rows
    else:
        distinct, rank = checked_indices(clips, num_rows).cpu().unique(return_inverse=True)
        num_clips = len(distinct)
    if num_blocks is None:
        num_blocks = min(50, num_clips)
    if not 1 <= num_blocks <= num_clips:
        raise ValueError(f"{num_clips} clips make 1 to {num_clips} blocks; got num_blocks {num_blocks}.")
    return rank % num_blocks, num_blocks


def _check_drawing(name: str, num_units: int, num_resamples: int) -> None:
    if num_units < 2:
        raise ValueError(f"A bootstrap draws from at least 2 {name}; got {num_units}. Measure more videos.")
    if num_resamples < 2:
        raise ValueError(f"num_resamples must be at least 2; got {num_resamples}.")
