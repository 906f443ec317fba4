"""A disk that takes no more is no reason to stop training."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def goes_on_if_unwritable(what: str, step: int) -> Iterator[None]:
    """Say in a line that `what` cannot be written, and why, instead of stopping the run."""
    try:
        yield
    except OSError as error:
        print(f"step {step}: {what} cannot be written ({reason(error)}); training goes on", file=sys.stderr)


def reason(error: BaseException) -> str:
    """Why something could not be written, in a few words: the operating system's, where there are any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.strerror or errno.errorcode[cause.errno]
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())[:200] or type(error).__name__
