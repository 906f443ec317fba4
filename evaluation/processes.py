"""The processes that divide an evaluation: what one of them cannot do, none of them does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed

T = TypeVar("T")
# What may go wrong with videos, weights and numbers, and is told in one line.  Anything else is a defect of the
# program: it ends the process that it happens in, and so the others, which wait for it.
MISTAKES = (ValueError, OSError, ArithmeticError, torch.linalg.LinAlgError, torch.OutOfMemoryError)


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def running(cls) -> "Processes":
        """Those of torch.distributed."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this one computes what is not divided, prints and writes."""
        return self.rank == 0

    def together(self, work: Callable[[], T]) -> T:
        """What `work` gives, which each process does by itself; a collective call, so `work` must make none.

        Raises: where it raises one of `MISTAKES` in one process, in all of them, so that none waits for ever.
        """
        if self.world_size == 1:
            return work()
        result, mistake = None, None
        try:
            result = work()
        except MISTAKES as error:
            mistake = error
        told: list[str | None] = [None] * self.world_size
        torch.distributed.all_gather_object(told, None if mistake is None else one_line(mistake))
        first = next((text for text in told if text is not None), None)
        if first is not None:
            raise ValueError(first) from mistake
        return result  # type: ignore[return-value]  # it was made, for nobody has told a mistake

    def one_then_all(self, work: Callable[[], T]) -> T:
        """What `work` gives, in the first process and then in the others, which find what it has left in caches.

        Raises: as `together`.
        """
        if self.world_size == 1:
            return work()
        of_first = self.together(lambda: work() if self.is_first else None)
        of_others = self.together(lambda: None if self.is_first else work())
        return of_first if self.is_first else of_others  # type: ignore[return-value]


def one_line(error: BaseException) -> str:
    """The message of an error; of one from a worker of a data loader, which brings its traceback, the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].startswith("Caught ") and len(lines) > 1:
        return lines[-1].partition(": ")[2] or lines[-1]
    return lines[0] if isinstance(error, RuntimeError) else " ".join(lines)
