"""Numbers of single clips, one per frame: PSNR, SSIM, LPIPS, NIQE, flow-warping error, and how they are gathered.

A score is a `ClipScore`: an object that is called with uint8 clips (N, C, T, H, W), and with the real clips they should
equal where `needs_real` is true, and returns float64 (N, T') on the CPU: row n is clip n's curve over time.  T' is
`num_scores(T)`: T for a number of one frame, T - 1 for one of two neighbouring frames.  A new score writes `score`,
which gets clips that are checked already, sets `name`, `needs_real`, `higher_is_better`, and, where they differ from
the defaults, `frames_per_score` and `min_size`, and says in `settings` what else decides its numbers.  `ClipScores`
gathers the rows of all batches and processes in the order of the clips; `best_of` reduces several samples of each real
clip.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from metrics.feature_statistics import checked_indices


class ClipScore(ABC):
    """One number per frame of a clip, see the head of this file.

    Attributes:
        name: appears in keys and cards.
        needs_real: compares each clip with the real clip at its place; false: looks at the clip alone.
        higher_is_better: which of two values is the better one.
        frames_per_score: neighbouring frames that one number is made of; a clip needs as many.
        min_size: least height and width of a frame in pixels.
    """

    name: str
    needs_real: bool
    higher_is_better: bool
    frames_per_score: int = 1
    min_size: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the numbers besides `name`, for the card: plain JSON values."""
        return {}

    @abstractmethod
    def score(self, fake: Tensor, real: Tensor | None) -> Tensor:
        """Scores (N, T') of checked clips; `real` is a tensor exactly where `needs_real` is true."""

    def num_scores(self, num_frames: int) -> int:
        """T', the length of the curve of a clip of `num_frames` frames."""
        return num_frames - self.frames_per_score + 1

    def __call__(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Scores float64 (N, T'), on the CPU, of clips uint8 (N, C, T, H, W) with C = 3, or 1 (grey); any N.

        A clip's scores do not depend on the clips beside it.  Computed without gradients and autocast.

        Raises: ValueError if dtype, shape, size or number of frames do not fit, if `fake` and `real` differ in shape,
            if the real clips are missing or not wanted, or if a score is not finite.
        """
        self._check(fake, real)
        if len(fake) == 0:
            return torch.empty(0, self.num_scores(fake.shape[2]), dtype=torch.float64)
        with torch.no_grad(), torch.autocast(fake.device.type, enabled=False):
            scores = self.score(fake, real).cpu().double()
        if not scores.isfinite().all():
            clip, frame = (~scores.isfinite()).nonzero()[0].tolist()
            raise ValueError(f"{self.name} of clip {clip} is not finite at frame {frame}; look at that frame.")
        return scores

    def _check(self, fake: Tensor, real: Tensor | None) -> None:
        if self.needs_real and real is None:
            raise ValueError(f"{self.name} compares each clip with a real one; give the real clips, too.")
        if not self.needs_real and real is not None:
            raise ValueError(f"{self.name} looks at one clip alone; give no real clips.")
        for clips in (fake,) if real is None else (fake, real):
            self._check_clips(clips)
        if real is not None and fake.shape != real.shape:
            raise ValueError(
                f"{self.name} compares clips of equal shape; got {tuple(fake.shape)} and {tuple(real.shape)}."
            )

    def _check_clips(self, clips: Tensor) -> None:
        if clips.dtype != torch.uint8:
            raise ValueError(f"{self.name} measures uint8 clips (0..255); got {clips.dtype}. Quantise them first.")
        if clips.ndim != 5 or clips.shape[1] not in (1, 3) or 0 in clips.shape[1:]:
            raise ValueError(f"{self.name} measures clips (N, 3 or 1, T, H, W); got shape {tuple(clips.shape)}.")
        num_frames, height, width = clips.shape[2:]
        if num_frames < self.frames_per_score:
            raise ValueError(f"{self.name} needs clips of at least {self.frames_per_score} frames; got {num_frames}.")
        if min(height, width) < self.min_size:
            raise ValueError(
                f"{self.name} needs frames of at least {self.min_size}x{self.min_size} pixels; got {height}x{width}."
            )


class ClipScores(Metric):
    """Gathers scores (N, T') of clips from all batches and processes: `compute` returns all, ordered by clip.

    `update(scores, indices)` adds the rows of the clips with these global numbers; no rows are in order, and so is a
    process that never called it.  `compute()` must be called by all processes and returns float64 (N, T') on the CPU.

    For K samples of each real clip let sample k of clip n have the number n * K + k; then
    `compute().unflatten(0, (-1, K))` is what `best_of` takes.

    Args:
        num_scores: T', see `ClipScore.num_scores`.

    Raises: ValueError for another shape, scores that are not finite, a clip that comes twice, and no clip at all.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    rows: list[Tensor]  # float64 (n, 1 + T'): the clip's number and its scores, so that nothing can separate the two

    def __init__(self, num_scores: int) -> None:
        super().__init__()
        if num_scores < 1:
            raise ValueError(f"num_scores must be at least 1; got {num_scores}.")
        self.num_scores = num_scores
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Forget all clips."""
        super().reset()
        # torchmetrics would let a process that has nothing send another shape and dtype than the others.
        self.rows.append(torch.empty(0, 1 + self.num_scores, dtype=torch.float64, device=self.device))

    @property
    def update_called(self) -> bool:
        """True: a process that saw nothing is in order, and torchmetrics would warn of it."""
        return True

    def update(self, scores: Tensor, indices: Tensor) -> None:
        """Add scores (N, T') of the clips with the global numbers `indices`, integers (N,)."""
        if scores.ndim != 2 or scores.shape[1] != self.num_scores or not scores.is_floating_point():
            raise ValueError(
                f"Scores must be floating point of shape (N, {self.num_scores}); "
                f"got {scores.dtype} of shape {tuple(scores.shape)}."
            )
        indices = checked_indices(indices, len(scores))
        if not scores.isfinite().all():
            raise ValueError("Scores are not finite; check the videos that were measured.")
        scores, indices = (each.detach().to(self.device, torch.float64) for each in (scores, indices))
        self.rows.append(torch.cat([indices[:, None], scores], dim=1))

    def compute(self) -> Tensor:
        """Scores (N, T') over all processes, in the order of the clips' numbers."""
        rows = self.rows if isinstance(self.rows, Tensor) else torch.cat(self.rows)  # a tensor once processes met
        rows = rows.cpu()
        if len(rows) == 0:
            raise ValueError("There are no scores; measure at least one clip.")
        indices, order = rows[:, 0].sort()
        if (repeated := indices.diff() == 0).any():
            raise ValueError(f"Clip {int(indices[1:][repeated][0])} was measured twice; give each clip once.")
        return rows[order, 1:]

    def _wrap_compute(self, compute: Callable) -> Callable:
        computed = super()._wrap_compute(compute)

        @wraps(compute)
        def in_shape() -> Tensor:
            return computed().reshape(-1, self.num_scores)  # torchmetrics makes a scalar of (1, 1)

        return in_shape


def best_of(scores: Tensor, higher_is_better: bool) -> Tensor:
    """Curves (N, T') of the best of K samples of each real clip, from `scores` (N, K, T').

    The best sample is the one whose mean over time is best, of equal ones the first; its whole curve is returned.
    So stochastic video prediction is reported, best of 100 samples (Babaeizadeh et al. 2018, arXiv:1710.11252; Denton
    and Fergus 2018, arXiv:1802.07687).  The value improves with K whatever the model, so K belongs to the metric's
    name; the best may be another sample for another score; and a model that is diverse and mostly wrong does well.

    Raises: ValueError if the shape is another, nothing is in it, or a score is not a number.
    """
    if scores.ndim != 3 or 0 in scores.shape:
        raise ValueError(f"best_of takes scores (N, K, T'); got shape {tuple(scores.shape)}.")
    if scores.isnan().any():
        raise ValueError("best_of takes scores that are numbers; got NaN.")
    means = scores.mean(dim=2)  # (N, K)
    best = (means if higher_is_better else -means).argmax(dim=1)  # (N,)
    return scores[torch.arange(len(scores), device=scores.device), best]
