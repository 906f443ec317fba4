from pathlib import Path

import pytest
import torch

from metrics.cache_folder import cache_folder
from metrics.feature_network import fit_gaussians
from metrics.statistics_cache import Gaussians, StatisticsCache
from tests.metrics.small_network import SmallNetwork, random_clips


class Computes:
    """Counts how often the statistics were computed."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Gaussians:
        self.calls += 1
        return fit_gaussians(SmallNetwork(), [random_clips(5)])


def identity(**changes: object) -> dict[str, object]:
    protocol = {"data": "abc", "split": "train", "num_clips": 5, "num_frames": 4, "seed": 0}
    return StatisticsCache.identity(SmallNetwork(), **{**protocol, **changes})


def test_computes_once_and_then_reads(tmp_path: Path) -> None:
    compute = Computes()
    first = StatisticsCache(tmp_path).get(identity(), compute)
    second = StatisticsCache(tmp_path).get(identity(), compute)
    assert compute.calls == 1
    assert set(second) == {"fid", "fvd"}
    for name in first:
        assert torch.equal(first[name].mean, second[name].mean)
        assert torch.equal(first[name].covariance, second[name].covariance)
        assert first[name].num_samples == second[name].num_samples


def test_the_usual_folder() -> None:
    StatisticsCache().get(identity(), Computes())
    assert len(list(cache_folder("statistics").glob("*.pt"))) == 1


def test_whatever_decides_the_statistics_decides_the_file(tmp_path: Path) -> None:
    cache, compute = StatisticsCache(tmp_path), Computes()
    identities = [
        identity(),
        identity(data="xyz"),
        identity(num_clips=6),
        identity(unbiased=False),
        {**identity(), "weights_sha256": "1" * 64},
    ]
    for each in identities:
        cache.get(each, compute)
    assert compute.calls == len(identities) == len(list(tmp_path.iterdir()))


def test_order_of_the_identity_does_not_matter(tmp_path: Path) -> None:
    cache = StatisticsCache(tmp_path)
    assert cache.path(identity()) == cache.path(dict(reversed(identity().items())))


def test_a_computation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Gaussians:
        raise KeyError("no clips")

    with pytest.raises(KeyError):
        StatisticsCache(tmp_path / "new").get(identity(), fail)
    assert not (tmp_path / "new").exists()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    cache = StatisticsCache(tmp_path)
    cache.get(identity(), Computes())
    path = cache.path(identity())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="holds no statistics; delete it, and they are computed again"):
        cache.get(identity(), Computes())
