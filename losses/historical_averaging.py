"""Historical averaging of the weights of both players."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from losses.base import WeightTerm, precise


class HistoricalAveraging(WeightTerm):
    """weight * ||theta - 1/t sum_{i <= t} theta_i||^2 for each player (Salimans et al. 2016, arXiv:1606.03498, 3.3).

    theta_i are the player's weights before its i-th step, so the first step adds nothing.  The mean is a constant in
    the gradient.  It is kept in float32 (float64 for such weights), one copy of the weights a player, and saved with
    the run; being a function of the weights it is alike on all processes.

    Args:
        weight: factor of the term; at least 0.  The paper, where it is 1, uses it for small games only.

    Shapes: a scalar.
    Raises: ValueError if the weight is negative.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight of HistoricalAveraging is {weight}; it must be at least 0")
        self.weight = weight

    def attach(self, players: Mapping[str, nn.Module]) -> None:
        """Make room for each player's mean."""
        for player, network in players.items():
            mean = torch.zeros_like(precise(parameters_to_vector(network.parameters()).detach()))
            self.register_buffer(f"{player}_mean", mean)
            self.register_buffer(f"{player}_steps", torch.zeros((), dtype=torch.int64, device=mean.device))

    def forward(self, player: str, network: nn.Module) -> Tensor:
        """Take the player's weights into their mean, and return their weighted squared distance from it."""
        weights = precise(parameters_to_vector(network.parameters()))
        mean, steps = self.get_buffer(f"{player}_mean"), self.get_buffer(f"{player}_steps")
        with torch.no_grad():
            steps += 1
            mean += (weights - mean) / steps
        return self.weight * (weights - mean).square().sum()
