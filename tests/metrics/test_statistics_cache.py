import os
from pathlib import Path

import pytest
import torch

from metrics.cache_folder import cache_folder
from metrics.feature_network import fit_gaussians
from metrics.statistics_cache import Statistics, StatisticsCache
from tests.metrics.small_network import SmallNetwork, random_clips


class Computes:
    """Counts how often the statistics were computed."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Statistics:
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
    def fail() -> Statistics:
        raise KeyError("no clips")

    with pytest.raises(KeyError):
        StatisticsCache(tmp_path / "new").get(identity(), fail)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"no file of torch", "its first 100 bytes", "another content"])
def test_a_damaged_file_is_computed_and_written_again(tmp_path: Path, content: bytes | str) -> None:
    cache = StatisticsCache(tmp_path)
    whole = cache.get(identity(), Computes())["fid"]
    path = cache.path(identity())
    if content == "another content":
        torch.save({"gaussians": [1]}, path)
    else:
        path.write_bytes(path.read_bytes()[:100] if isinstance(content, str) else content)
    with pytest.warns(UserWarning, match=f"{path.name} holds no statistics .*; computing them again"):
        again = cache.get(identity(), Computes())["fid"]
    assert torch.equal(again.covariance, whole.covariance)
    never = Computes()
    cache.get(identity(), never)
    assert never.calls == 0


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    StatisticsCache.write(path, {}, {"real": torch.ones(50, 400)})
    assert StatisticsCache.read(path) is not None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # of a number: the file can still be read
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="holds no statistics .BadZipFile."):
        assert StatisticsCache.read(path) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert StatisticsCache.read(tmp_path / "pipe") is None


def test_a_cache_that_cannot_be_written_costs_the_computation_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    compute = Computes()
    with pytest.warns(UserWarning, match="statistics of real clips are not kept for the next run: .*/file"):
        found = StatisticsCache(tmp_path / "file").get(identity(), compute)
    assert found["fid"].num_samples == 20 and compute.calls == 1


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a disk with room for 1000 bytes
    try:
        with pytest.warns(UserWarning, match="statistics of real clips are not kept for the next run"):
            StatisticsCache(tmp_path).get(identity(), Computes())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
