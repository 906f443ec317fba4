"""What holds a critic's weights in a set: applied to them after each of its steps, not a loss."""

from abc import ABC, abstractmethod

from torch import nn


class WeightConstraint(ABC):
    """Moves a discriminator's weights back to where its function is Lipschitz, after each of its steps.

    It is a function of the weights, the buffers and the step alone, so processes that agree before it agree after it.
    """

    @abstractmethod
    def apply(self, discriminator: nn.Module, step: int) -> None:
        """Change the weights in place.  `step`: the training step, from 0."""
