"""What an update has said of its losses, until a logger wants it."""

from typing import Any

import torch
from torch import Tensor


class NotedTerms:
    """Each term's mean over the updates that had it, since the means were last taken.

    So a lazy penalty, or a player that is updated on every fifth step only, is logged with what it was, and is absent
    where it was not computed.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._newest: dict[str, Tensor] = {}

    def add(self, terms: dict[str, Tensor]) -> None:
        """Note scalars, detached; nothing waits for a GPU."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._newest.update(terms)

    def newest(self) -> dict[str, Tensor]:
        """The last value of every term so far."""
        return self._newest

    def means(self) -> dict[str, Tensor]:
        """The means, which begin anew."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, in plain numbers."""
        return {name: (float(total), self._counts[name]) for name, total in self._sums.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was."""
        self._sums = {name: torch.tensor(total) for name, (total, _) in state.items()}
        self._counts = {name: count for name, (_, count) in state.items()}
