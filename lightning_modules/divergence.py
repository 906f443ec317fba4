"""When training has left the ground: a loss or a gradient that is not finite, or far too large."""

import math
from collections.abc import Mapping


class DivergedError(RuntimeError):
    """A player's loss term or gradient norm is not finite, or too large.

    Raised on all processes before the player's weights are touched.  When it is the generator's, the discriminator has
    made its update of that step.

    Args:
        message: says it all.
        step: that could not be finished, from 1.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


def refuse_diverged(player: str, step: int, values: Mapping[str, float], limit: float) -> None:
    """Stop before a player's weights change.

    Args:
        player: whose values they are.
        step: as loggers and the progress bar count, from 1.
        values: loss terms and gradient norms by name, alike on all processes.
        limit: the largest magnitude in order.

    Raises: DivergedError if a value is NaN or beyond the limit.
    """
    infinite = [name for name, value in values.items() if not math.isfinite(value)]
    large = [f"{name} {value:.3g}" for name, value in values.items() if abs(value) > limit]
    if infinite or large:
        said = (
            f"{', '.join(infinite)} not finite"
            if infinite
            else f"{', '.join(large)} above model.divergence_limit {limit:g}"
        )
        raise DivergedError(
            f"step {step}: {player} {said}; stopped before the {player}'s weights changed. "
            "Lower the learning rates, or clip with model.gradient_clip_norm",
            step,
        )
