"""The norms that a discriminator's layers may have, by name."""

from collections.abc import Callable
from typing import Literal

from torch import nn

Norm = Literal["batch", "layer", "instance", "none"]


def norm_layer(norm: Norm, channels: int, batch_norm: Callable[[int], nn.Module] = nn.BatchNorm3d) -> nn.Module:
    """A norm of (B, channels, ...) with one gain and bias a channel; "batch" alone mixes clips, and may lack the bias.

    "layer" is over all but B, "instance" over the positions of each channel (where there is one position alone, nothing
    but the bias is left), "none" does nothing.

    Args:
        norm: its name.
        channels: of what is normalised.
        batch_norm: what "batch" is, from the number of channels: that of as many axes as there are, with its settings.

    Raises: ValueError if the name is unknown.
    """
    if norm == "batch":
        return batch_norm(channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    if norm == "instance":
        return nn.GroupNorm(channels, channels)  # as torch's instance norm, which refuses grids of one position
    if norm == "none":
        return nn.Identity()
    raise ValueError(f"norm is {norm!r}; it must be batch, layer, instance or none")
