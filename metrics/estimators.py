"""From the features of generated and real clips to numbers with intervals: the part of a protocol that computes.

An estimator is data, whose fields stand on the card, and four steps: `accumulator` takes the features of one side batch
by batch, `summary` is what is left of them (of the real side, that is what is cached), and `estimates` are the numbers.
The first three are called by all processes alike, the last one by the first process.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.bootstrap import Interval, frechet_interval, median_interval
from metrics.feature_rows import FeatureRows
from metrics.feature_statistics import BlockSums, FeatureStatistics, Gaussian
from metrics.inception_score import ClassStatistics, ClassSums, splits_in_order
from metrics.kernel_distance import KernelSums, kernel_inception_distance
from metrics.memorisation import memorisation
from metrics.precision_recall import density_coverage, precision_recall

Features = Literal["fid", "fvd", "is"]  # of frames, of clips, or logits: see `FeatureNetwork`
MAX_BLOCKS = 50  # of clips, for bootstraps that need no sums of outer products


class Estimate(NamedTuple):
    """A number, its 95 % interval, and its standard deviation where the protocol has one."""

    value: float
    interval: Interval | None = None
    standard_deviation: float | None = None


class Sizes(NamedTuple):
    """What a side is made of: features in a row, clips, rows a clip gives (its frames, or 1)."""

    num_features: int
    num_clips: int
    rows_per_clip: int


@dataclass(frozen=True)
class Estimator(ABC):
    """See the head of this file.

    Args:
        features: which of the network's.
    """

    features: Features
    needs_real: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("",)  # of its numbers; "" is the protocol's own name

    def as_dict(self) -> dict[str, Any]:
        """Name and settings, for cards."""
        return {"name": type(self).__name__, **asdict(self)}

    @property
    def least_rows(self) -> int:
        """Rows that each side needs."""
        return 2

    def kind(self, is_real: bool) -> str:
        """Names what is kept of a side: estimators that keep the same of the same clips share it."""
        return f"rows of {self.features}"

    def accumulator(self, sizes: Sizes, is_real: bool) -> Metric:
        """Takes the features of one side; on the CPU."""
        return FeatureRows(sizes.num_features)

    def add(self, accumulator: Metric, features: Tensor, clips: Tensor, rows: Tensor) -> None:
        """Add features (N, D): the numbers of their clips and of their rows, both (N,)."""
        accumulator.update(features, rows)

    def summary(self, accumulator: Metric, is_real: bool) -> Any:
        """What is left of a side; a collective call."""
        return accumulator.compute()

    @abstractmethod
    def estimates(self, fake: Any, real: Any, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """The numbers by name, computed on a device.

        Raises: ValueError if there are too few clips.
        """

    @property
    def covariance_divisor(self) -> str:
        """For cards; "" where there is no covariance."""
        return ""


@dataclass(frozen=True)
class Frechet(Estimator):
    """Frechet distance of two Gaussians, see `metrics.frechet`.

    Args:
        unbiased: divide covariances by N - 1; False by N.
    """

    unbiased: bool = True

    def kind(self, is_real: bool) -> str:
        """Mean and covariance, or what they are made of."""
        return f"{'Gaussian' if is_real else 'block sums'} of {self.features}, over {self.covariance_divisor}"

    def accumulator(self, sizes: Sizes, is_real: bool) -> Metric:
        """Sums; of generated clips in blocks, fewer where one takes much memory (32 MiB for 2048 features)."""
        most = 20 if sizes.num_features <= 1024 else 10
        return FeatureStatistics(sizes.num_features, self.unbiased, 1 if is_real else min(most, sizes.num_clips))

    def add(self, accumulator: Metric, features: Tensor, clips: Tensor, rows: Tensor) -> None:
        """By the numbers of their clips."""
        accumulator.update(features, clips)

    def summary(self, accumulator: Metric, is_real: bool) -> Gaussian | BlockSums:
        """Of generated clips the sums of all blocks."""
        assert isinstance(accumulator, FeatureStatistics)
        return accumulator.compute() if is_real else accumulator.compute_blocks()

    def estimates(
        self, fake: BlockSums, real: Gaussian, rows_per_clip: int, device: torch.device
    ) -> dict[str, Estimate]:
        """The distance; 50 resamples up to 1024 features, 20 above, where each takes about a second."""
        reference, whole = real.as_reference(device), fake.gaussian()
        interval = None
        if fake.num_blocks > 1:
            interval = frechet_interval(reference, fake, num_resamples=50 if len(whole.mean) <= 1024 else 20)
        return {"": Estimate(reference.distance(whole.mean, whole.covariance), interval)}

    @property
    def covariance_divisor(self) -> str:
        """For cards."""
        return "N - 1" if self.unbiased else "N"


@dataclass(frozen=True)
class KernelDistance(Estimator):
    """Unbiased squared maximum mean discrepancy over all rows, see `metrics.kernel_distance`: KVD."""

    def estimates(self, fake: Tensor, real: Tensor, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """The distance."""
        clips, num_blocks = blocks_of(fake, rows_per_clip)
        sums = KernelSums.of(real.to(device), fake.to(device), num_blocks, clips)
        return {"": Estimate(sums.distance(), sums.interval() if num_blocks > 1 else None)}


@dataclass(frozen=True)
class KernelSubsets(Estimator):
    """Mean and standard deviation of the kernel distance over random subsets, see `metrics.kernel_distance`: KID.

    Args:
        num_subsets, subset_size: 100 and 1000 in torch-fidelity.
        factor: that it is multiplied by, as many papers do, and their names hide.
    """

    num_subsets: int = 100
    subset_size: int = 1000
    factor: float = 1.0

    @property
    def least_rows(self) -> int:
        """A subset's."""
        return self.subset_size

    def estimates(self, fake: Tensor, real: Tensor, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """The mean; the interval is that of the distance over all rows, moved to the mean."""
        real, fake = real.to(device), fake.to(device)
        mean, deviation = kernel_inception_distance(real, fake, self.num_subsets, self.subset_size)
        clips, num_blocks = blocks_of(fake, rows_per_clip)
        interval = None
        if num_blocks > 1:
            sums = KernelSums.of(real, fake, num_blocks, clips)
            low, high = (self.factor * (bound - sums.distance() + mean) for bound in sums.interval())
            interval = low, high
        return {"": Estimate(self.factor * mean, interval, self.factor * deviation)}


@dataclass(frozen=True)
class InceptionScore(Estimator):
    """Inception score of the generated clips alone, see `metrics.inception_score`.

    Args:
        num_splits: the value is the mean over splits.
        shuffle_seed: of the order that is cut into splits; None: the clips' own.
    """

    num_splits: int = 1
    shuffle_seed: int | None = None
    needs_real: ClassVar[bool] = False

    @property
    def least_rows(self) -> int:
        """Two in each split."""
        return 2 * self.num_splits

    def kind(self, is_real: bool) -> str:
        """Sums of class probabilities, split by split."""
        return f"class sums of {self.num_splits} splits, shuffled by {self.shuffle_seed}"

    def accumulator(self, sizes: Sizes, is_real: bool) -> Metric:
        """Sums of class probabilities."""
        split_of = splits_in_order(sizes.num_clips * sizes.rows_per_clip, self.num_splits, self.shuffle_seed)
        num_blocks = min(MAX_BLOCKS, sizes.num_clips)
        return ClassStatistics(sizes.num_features, split_of, sizes.rows_per_clip, num_blocks)

    def summary(self, accumulator: Metric, is_real: bool) -> ClassSums:
        """Of all blocks."""
        assert isinstance(accumulator, ClassStatistics)
        return accumulator.compute_blocks()

    def estimates(self, fake: ClassSums, real: None, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """The mean over splits, and their standard deviation where there are several."""
        mean, deviation = fake.score()
        interval = fake.interval() if fake.count.shape[1] > 1 else None
        return {"": Estimate(mean, interval, deviation if self.num_splits > 1 else None)}


@dataclass(frozen=True)
class PrecisionRecall(Estimator):
    """Precision and recall, density and coverage, see `metrics.precision_recall`.

    Args:
        num_neighbours: of precision and recall; 3 in the paper.
        num_neighbours_of_density: of density and coverage; 5 in the paper.
    """

    num_neighbours: int = 3
    num_neighbours_of_density: int = 5
    names: ClassVar[tuple[str, ...]] = ("precision", "recall", "density", "coverage")

    @property
    def least_rows(self) -> int:
        """One more than neighbours."""
        return 1 + max(self.num_neighbours, self.num_neighbours_of_density)

    def estimates(self, fake: Tensor, real: Tensor, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """All four."""
        clips, num_blocks = blocks_of(fake, rows_per_clip)
        real, fake = real.to(device), fake.to(device)
        precision, recall = precision_recall(real, fake, self.num_neighbours, num_blocks, clips)
        density, coverage = density_coverage(real, fake, self.num_neighbours_of_density, num_blocks, clips)
        intervals: list[Interval | None] = [None] * 4
        if num_blocks > 1:
            intervals = [precision.interval(clips=clips), recall.interval()]
            intervals += [density.interval(clips=clips), coverage.interval()]
        values = [precision.value, recall.value, density.value, coverage.value]
        found = [Estimate(value, interval) for value, interval in zip(values, intervals, strict=True)]
        return dict(zip(self.names, found, strict=True))


@dataclass(frozen=True)
class Memorisation(Estimator):
    """Median distance of generated clips to the nearest of the real ones, here those of the training, see
    `metrics.memorisation`."""

    @property
    def least_rows(self) -> int:
        """One has a distance already."""
        return 1

    def estimates(self, fake: Tensor, real: Tensor, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """The median."""
        found = memorisation(fake.to(device), real.to(device))
        clips, num_blocks = blocks_of(fake, rows_per_clip)
        interval = median_interval(found.distances, clips=clips) if num_blocks > 1 else None
        return {"": Estimate(found.median_distance, interval)}


@dataclass(frozen=True)
class KeptRows(Estimator):
    """No number: the features themselves, for pictures of them."""

    names: ClassVar[tuple[str, ...]] = ()

    @property
    def least_rows(self) -> int:
        """None need be there."""
        return 1

    def estimates(self, fake: Tensor, real: Tensor, rows_per_clip: int, device: torch.device) -> dict[str, Estimate]:
        """None."""
        return {}


def blocks_of(rows: Tensor, rows_per_clip: int) -> tuple[Tensor, int]:
    """The clip of each row, (N,), and how many blocks of clips a bootstrap makes of them."""
    return torch.arange(len(rows)) // rows_per_clip, min(MAX_BLOCKS, len(rows) // rows_per_clip)
