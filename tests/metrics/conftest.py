"""Golden values, and one thread for networks that are too small to share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.metrics.moving_shapes import moving_shapes

Golden = dict[str, Tensor]
SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden() -> Golden:
    return read(Path(__file__).parents[1] / "golden" / "features.npz")


@pytest.fixture(scope="session")
def all_golden() -> Golden:
    """The whole set that `golden` is a part of, where it is at hand."""
    path = SHARED / "data" / "golden" / "features.npz"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return read(path)


def read(path: Path) -> Golden:
    with np.load(path) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file}


@pytest.fixture(scope="session")
def clips() -> Tensor:
    return moving_shapes(num_clips=16, num_frames=8, size=64)
