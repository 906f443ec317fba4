"""The files that a network starts from, and when nobody needs them any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COME_LATER: ContextVar[bool] = ContextVar("weights_come_later", default=False)


@contextmanager
def weights_come_later(value: bool = True) -> Iterator[None]:
    """Within it, networks are made to be loaded: what they would start from is not read and need not be there."""
    token = _COME_LATER.set(value)
    try:
        yield
    finally:
        _COME_LATER.reset(token)


def are_needed() -> bool:
    """Whether a network that is being made has to read the weights that it starts from."""
    return not _COME_LATER.get()
