"""Weight clipping, the first Wasserstein GAN's way to a Lipschitz critic."""

import torch
from torch import nn

from losses.weight_constraint import WeightConstraint


class WeightClipping(WeightConstraint):
    """Clip every parameter of the critic into [-limit, limit] (Arjovsky et al. 2017, arXiv:1701.07875, Algorithm 1).

    The weights then lie in a compact set, so the critic is K-Lipschitz for some K that depends on the architecture.
    All parameters that are trained are clipped, gains and biases of norms too, as in the paper's code; a batch norm's
    gain, 1 at the start, becomes `limit`.

    Args:
        limit: c, above 0; 0.01 in the paper.

    Raises: ValueError if the limit is not positive.
    """

    def __init__(self, limit: float = 0.01) -> None:
        if limit <= 0:
            raise ValueError(f"limit is {limit}; it must be above 0")
        self.limit = limit

    @torch.no_grad()
    def apply(self, discriminator: nn.Module, update: int) -> None:
        """Clip the parameters in place, after every update."""
        for parameter in discriminator.parameters():
            if parameter.requires_grad:
                parameter.clamp_(-self.limit, self.limit)
