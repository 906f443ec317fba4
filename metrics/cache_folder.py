"""Where files are kept that several runs share: downloaded weights, statistics of real videos."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder `name` in $KINOGAN_CACHE, or in ~/.cache/kinogan; it need not exist."""
    cache = os.environ.get("KINOGAN_CACHE")
    return (Path(cache) if cache else Path.home() / ".cache" / "kinogan") / name
