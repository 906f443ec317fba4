"""The Inception score of generated clips or frames, from the logits of a classifier, at once or batch by batch."""

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.bootstrap import Interval, block_interval
from metrics.feature_rows import checked_rows
from metrics.feature_statistics import checked_indices


def inception_score(logits: Tensor, split_of: Tensor | None = None) -> tuple[float, float]:
    """Mean and standard deviation over splits of  exp( mean_x KL(p(y|x) || p(y)) ),  p(y) the mean of p(y|x).

    Salimans et al. 2016 (arXiv:1606.03498, section 4).  Between 1 and the number of classes; grows with the number of
    samples of a split, so splits and counts are part of the protocol.  Agrees with torch-fidelity's ISC to 1e-12, and
    to 1e-6 with codes that compute in float32.  torchmetrics' InceptionScore splits by torch's global random numbers,
    so nothing can agree with it.

    Args:
        logits: (N, num_classes), floating point; float64 inside.
        split_of: the split of each row, int64 (N,), from 0 on: see `splits_in_order`; None: one split of all.

    Raises: ValueError for another shape or dtype, values that are not finite, fewer than 2 samples in a split.
    """
    logits = checked_rows(logits, "Logits", num_rows_at_least=2)
    if split_of is None:
        split_of = torch.zeros(len(logits), dtype=torch.int64)
    statistics = ClassStatistics(logits.shape[1], split_of).to(_float64_device(logits.device))
    for first in range(0, len(logits), 4096):
        part = logits[first : first + 4096]
        statistics.update(part, torch.arange(first, first + len(part)))
    return statistics._sums().score()  # not `compute`, which would add up over processes


def splits_in_order(num_samples: int, num_splits: int, shuffle_seed: int | None = None) -> Tensor:
    """The split of each sample when they are cut into contiguous pieces, int64 (num_samples,).

        torch-fidelity                          splits_in_order(N, 10, shuffle_seed=2020)
        StyleGAN-V (`isv2048_ucf`)              splits_in_order(2048, 10, shuffle_seed=42)
        TGAN                                    splits_in_order(10000, 1)
        TGANv2 (10 repeats of 2048 samples)     splits_in_order(20480, 10)

    Args:
        shuffle_seed: of NumPy's RandomState, whose permutation, frozen for good, is the order that is cut; None: the
            samples' own order.

    Raises: ValueError if a split would have fewer than 2 samples.
    """
    if num_splits < 1 or num_samples < 2 * num_splits:
        raise ValueError(
            f"Each split needs at least 2 samples; got {num_samples} samples for {num_splits} splits. "
            "Measure more videos."
        )
    order = (
        np.arange(num_samples) if shuffle_seed is None else np.random.RandomState(shuffle_seed).permutation(num_samples)
    )
    split_of = torch.empty(num_samples, dtype=torch.int64)
    for split in range(num_splits):
        split_of[order[split * num_samples // num_splits : (split + 1) * num_samples // num_splits]] = split
    return split_of


class ClassSums:
    """Sums of class probabilities over splits and blocks of clips: all that the Inception score depends on.

    With sums over a split of n samples, the mean KL divergence is  sum(p log p) / n - q log q,  q = sum(p) / n.

    Args:
        probabilities: (S, K, num_classes) float64, sum of p(y|x) over the samples of each of S splits and K blocks.
        negentropy: (S, K) float64, sum over samples and classes of p log p.
        count: (S, K) int64.
    """

    def __init__(self, probabilities: Tensor, negentropy: Tensor, count: Tensor) -> None:
        self.probabilities = probabilities
        self.negentropy = negentropy
        self.count = count

    def score(self, weights: Tensor | None = None) -> tuple[float, float]:
        """Mean and standard deviation over splits (over S, not S - 1) when block k is there weights[k] times.

        Args:
            weights: (K,) whole numbers, at least 0; None: each block once.

        Raises: ValueError if a split has fewer than 2 samples.
        """
        weights = torch.ones_like(self.count[0]) if weights is None else weights.to(self.count)
        count = self.count @ weights  # (S,)
        if count.amin() < 2:
            raise ValueError(
                f"Each split needs at least 2 samples; split {int(count.argmin())} has {int(count.amin())}. "
                "Measure more videos."
            )
        mean = torch.einsum("skc,k->sc", self.probabilities, weights.double()) / count[:, None]
        divergence = self.negentropy @ weights.double() / count - torch.xlogy(mean, mean).sum(dim=1)
        scores = divergence.exp()
        return scores.mean().item(), scores.std(correction=0).item()

    def interval(self, num_resamples: int = 1000, seed: int = 0) -> Interval:
        """95 % bootstrap interval (low, high) of the mean over splits, over the generated clips; at least 1.

        Centred on the value, see `metrics.bootstrap`: a resample has fewer distinct clips, and the score of fewer is
        smaller.

        Raises: ValueError as `block_interval`, and if a split of a resample is empty: use more clips or fewer splits.
        """
        low, high = block_interval(lambda weights: self.score(weights)[0], self.count.shape[1], num_resamples, seed)
        return max(1.0, low), high


class ClassStatistics(Metric):
    """Gathers logits batch by batch on any number of processes; memory does not depend on how many.

    Sums in float64, so batches, order and processes (also one that saw nothing) change the score by rounding alone,
    about 1e-12.

    Args:
        num_classes: of the classifier.
        split_of: the split of each sample, whole numbers from 0 on, indexed by the samples' global numbers:
            `splits_in_order`.
        samples_per_clip: sample i belongs to clip i // samples_per_clip: 1 for clips, num_frames for frames.
        num_blocks: K, how many blocks of clips the sums are kept apart in for the interval; clip i is in block i % K.

    `update(logits, indices)` adds logits (N, num_classes), any floating dtype and device, N at least 0, of the samples
    with the global numbers `indices`, whole numbers (N,).  `compute()` returns the score, mean and standard deviation
    over splits, see `inception_score`, and `compute_blocks()` the `ClassSums`; all processes must call them.  The
    states live on the metric's device; call `.to(device)` first where processes talk by NCCL.

    Raises: ValueError for another shape or dtype, values that are not finite, an index that has no split, fewer than 2
        samples in a split.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    probabilities: Tensor
    negentropy: Tensor
    count: Tensor

    def __init__(self, num_classes: int, split_of: Tensor, samples_per_clip: int = 1, num_blocks: int = 1) -> None:
        super().__init__()
        numbers = {"num_classes": num_classes, "samples_per_clip": samples_per_clip, "num_blocks": num_blocks}
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f"{name} must be at least 1; got {number}.")
        if len(split_of) == 0:
            raise ValueError("There are no samples in split_of; measure more videos.")
        self.num_classes = num_classes
        self.split_of = checked_indices(split_of, len(split_of)).cpu()
        self.samples_per_clip = samples_per_clip
        self.num_blocks = num_blocks
        shape = int(self.split_of.amax()) + 1, num_blocks
        zeros = torch.zeros(*shape, num_classes, dtype=torch.float64)
        self.add_state("probabilities", zeros, dist_reduce_fx="sum")
        self.add_state("negentropy", zeros[..., 0].clone(), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def update_called(self) -> bool:
        """True: a process that saw nothing is in order, and torchmetrics would warn of it."""
        return True

    def update(self, logits: Tensor, indices: Tensor) -> None:
        """Add logits (N, num_classes) of the samples with the global numbers `indices` (N,)."""
        logits = checked_rows(logits, "Logits", num_rows_at_least=0)
        if logits.shape[1] != self.num_classes:
            raise ValueError(f"Logits must be of {self.num_classes} classes; got {logits.shape[1]}.")
        indices = checked_indices(indices, len(logits)).cpu()
        if len(indices) > 0 and indices.amax() >= len(self.split_of):
            raise ValueError(f"Sample {int(indices.amax())} has no split; there are {len(self.split_of)} samples.")
        blocks = indices // self.samples_per_clip % self.num_blocks
        cells = (self.split_of[indices] * self.num_blocks + blocks).to(self.count.device)  # of the flattened states
        log_probabilities = logits.to(self.count.device).double().log_softmax(dim=1)
        probabilities = log_probabilities.exp()
        self.probabilities.view(-1, self.num_classes).index_add_(0, cells, probabilities)
        self.negentropy.view(-1).index_add_(0, cells, (probabilities * log_probabilities).sum(dim=1))
        self.count.view(-1).index_add_(0, cells, torch.ones_like(cells))

    def compute(self) -> tuple[float, float]:
        """Mean and standard deviation of the score over the splits, of all processes' samples."""
        return self._sums().score()

    def compute_blocks(self) -> ClassSums:
        """The sums of each split and block over all processes, on the CPU."""
        with self.sync_context():
            return self._sums()

    def _sums(self) -> ClassSums:
        # Copies: on one process's CPU these are the states themselves, which go on counting.
        return ClassSums(self.probabilities.cpu().clone(), self.negentropy.cpu().clone(), self.count.cpu().clone())


def _float64_device(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "mps" else device
