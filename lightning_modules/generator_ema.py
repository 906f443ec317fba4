"""An exponential moving average of a network."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn


class ExponentialMovingAverage(nn.Module):
    """A smoothed copy of a network: parameters averaged, buffers copied (Karras et al. 2018, arXiv:1710.10196).

    parameter <- parameter + (1 - 0.5^(clips / half_life)) * (source - parameter),
    half_life = min(half_life_clips, ramp_up * clips seen so far)  (Karras et al. 2020, arXiv:2006.06676, code).

    Counting in clips keeps the average the same when the batch size or the number of critic steps changes; the ramp-up
    keeps the first, useless weights from staying in it.  The copy is never trained and always in evaluation mode.

    Args:
        source: the network to copy.
        half_life_clips: real clips after which old weights count half; 0 copies the source each time.
        ramp_up: the half-life's largest share of the clips seen so far; 0.05 in the reference code.  None has no
            ramp-up: the average that the source starts with is worth keeping.

    Raises: ValueError if an argument is negative.
    """

    def __init__(self, source: nn.Module, half_life_clips: float, ramp_up: float | None) -> None:
        super().__init__()
        if half_life_clips < 0 or (ramp_up is not None and ramp_up < 0):
            raise ValueError(f"ema_half_life_clips {half_life_clips} and ema_ramp_up {ramp_up} must be at least 0")
        self.average = deepcopy(source).requires_grad_(False)
        self.holds = "moving average"  # what `average` is, for cards
        self.half_life_clips = half_life_clips
        self.ramp_up = ramp_up
        self.eval()

    @torch.no_grad()
    def update(self, source: nn.Module, num_clips: int, clips_seen: int) -> None:
        """Move towards `source` after `num_clips` further real clips, `clips_seen` in all (over all processes).

        Parameters that do not learn are left alone.
        """
        half_life = self.half_life_clips
        if self.ramp_up is not None:
            half_life = min(half_life, self.ramp_up * clips_seen)
        weight = 1 - 0.5 ** (num_clips / half_life) if half_life > 0 else 1.0
        pairs = zip(self.average.parameters(), source.parameters(), strict=True)
        learning = [(mine, theirs) for mine, theirs in pairs if theirs.requires_grad]
        torch._foreach_lerp_([mine for mine, _ in learning], [theirs for _, theirs in learning], weight)
        for mine, theirs in zip(self.average.buffers(), source.buffers(), strict=True):
            mine.copy_(theirs)

    def hold_latest(self, source: nn.Module) -> None:
        """Give up the average for the weights that `source` has now, to look at those; not for training."""
        self.average.load_state_dict(source.state_dict())
        self.holds = "latest"

    def train(self, mode: bool = True) -> "ExponentialMovingAverage":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged network's output."""
        return self.average(*args, **kwargs)


@torch.no_grad()
def average_buffers(network: nn.Module, mean_over_processes: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Make the processes agree on a network's batch statistics, which are each process's own.

    All generate from them, and a checkpoint has those of the first process alone.
    """
    buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if buffers:
        # In float64 the mean of equal numbers is that number, so constants among them stay as they are.
        joined = mean_over_processes(torch.cat([buffer.flatten().double() for buffer in buffers]))
        parts = joined.split([buffer.numel() for buffer in buffers])
        for buffer, part in zip(buffers, parts, strict=True):
            buffer.copy_(part.view_as(buffer))
