"""Nothing random and no process leaks from one test into the next; no test touches a user's cache or W&B account."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from datamodules import isolated_reading


@pytest.fixture(autouse=True)
def fixed_randomness() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.fixture(autouse=True)
def away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("KINOGAN_RUN_FOLDER", raising=False)


@pytest.fixture(autouse=True)
def no_decoder_stays() -> Iterator[None]:
    yield
    for reader in isolated_reading._readers.__dict__.pop("by_limits", {}).values():
        reader.close()
