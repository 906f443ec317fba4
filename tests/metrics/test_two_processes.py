"""Two processes (gloo) with unequal shares get the statistics of the whole."""

import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed
import torch.multiprocessing

from metrics.feature_network import fit_gaussians
from metrics.statistics_cache import StatisticsCache
from tests.metrics.small_network import SmallNetwork, random_clips

SHARES = {"uneven": (3, 8), "one has nothing": (11, 0)}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network, clips = SmallNetwork(), random_clips(11)
    results = {}
    for name, (first, _) in SHARES.items():
        own = [clips[:first], clips[first:]][rank]
        results[name] = vars(fit_gaussians(network, own.split(2) if len(own) else [])["fvd"])
    # Each process has its own folder: only the first one's file is looked at.
    cache = StatisticsCache(Path(folder) / f"cache{rank}")
    calls: list[int] = []
    for _ in range(2):
        cached = cache.get({"data": "x"}, lambda: calls.append(rank) or fit_gaussians(network, [clips[rank::2]]))
    results["cached"] = vars(cached["fvd"])
    # The first one's cannot be written, and a file in the way of its folder cannot be read either.
    Path(f"{folder}/no folder {rank}").touch()
    broken = StatisticsCache(Path(f"{folder}/no folder {rank}"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        computed = broken.get({"data": "x"}, lambda: fit_gaussians(network, [clips[rank::2]]))
    results["without a cache"] = vars(computed["fvd"])
    torch.save({"results": results, "calls": len(calls), "num_warnings": len(warned)}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.ddp
def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    whole = fit_gaussians(SmallNetwork(), [random_clips(11)])["fvd"]
    for rank in (0, 1):
        saved = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert saved["calls"] == 1
        assert saved["num_warnings"] == (1 if rank == 0 else 0)
        for name in (*SHARES, "cached", "without a cache"):
            result = saved["results"][name]
            assert result["num_samples"] == 11, name
            torch.testing.assert_close(result["mean"], whole.mean, rtol=1e-6, atol=0)
            torch.testing.assert_close(result["covariance"], whole.covariance, rtol=1e-6, atol=1e-6)
    assert len(list((tmp_path / "cache0").iterdir())) == 1
    assert not (tmp_path / "cache1").exists()
