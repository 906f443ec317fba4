"""A disk that fails to read for a while, as network file systems do."""

import os
from pathlib import Path
from typing import Any

import pytest


def fail_to_read(path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one file fail with an error of the operating system, until the patch is undone."""
    opened = Path.open

    def fail(self: Path, *given: Any, **more: Any) -> Any:
        if self == path:
            raise OSError(number, os.strerror(number), str(self))
        return opened(self, *given, **more)

    monkeypatch.setattr(Path, "open", fail)
