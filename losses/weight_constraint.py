"""What holds a critic's weights in a set: applied to them after each of its updates, not a loss."""

from abc import ABC, abstractmethod

from torch import nn


class WeightConstraint(ABC):
    """Moves a discriminator's weights back to where its function is Lipschitz, after each of its updates.

    It is a function of the weights, the buffers and the update's number alone, so processes that agree before it agree
    after it.
    """

    @abstractmethod
    def apply(self, discriminator: nn.Module, update: int) -> None:
        """Change the weights that are trained in place.  `update`: the discriminator's updates before this one."""
