"""Two processes (gloo) have the gradients of one process on the joined batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from losses.across_processes import mean_over_processes
from losses.base import Draw
from losses.feature_matching import FeatureMatching
from losses.relativistic import RelativisticAverageLeastSquares
from networks.base import Judgement

ROOT = Path(__file__).parents[2]


def gradients(network: nn.Module, inputs: Tensor, loss: str) -> list[Tensor]:
    """Of a loss that is not linear in the batch's mean."""
    outputs = network(inputs).squeeze(1)
    if loss == "relativistic":
        real, fake = outputs.chunk(2)
        draw = Draw(mean_over_processes=mean_over_processes)
        RelativisticAverageLeastSquares().discriminator_adversarial((real,), (fake,), draw).backward()
    else:
        mean = mean_over_processes(outputs.mean())
        ((outputs - mean.exp()) ** 2).mean().backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def batch() -> Tensor:
    return torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_one_process_has_its_own_mean() -> None:
    tensor = torch.randn(3)
    assert mean_over_processes(tensor) is tensor


def test_a_draw_of_one_process_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_reduce(tensor: Tensor) -> None:
        raise AssertionError("the start-up check runs on one process alone")

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    clips = torch.rand(4, 3, 2, 4, 4)

    def discriminator(seen: Tensor, labels: Tensor | None) -> Judgement:
        return Judgement((seen.flatten(1).sum(dim=1),), (seen.flatten(1),))

    objective = RelativisticAverageLeastSquares(terms={"features": FeatureMatching()})
    for loss in (objective.discriminator_loss, objective.generator_loss):
        loss(discriminator, clips, clips, None, Draw())
        with pytest.raises(AssertionError, match="one process alone"):
            loss(discriminator, clips, clips, None, Draw(mean_over_processes=mean_over_processes))


@pytest.mark.ddp
def test_two_processes_equal_one_on_the_joined_batch(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE) for rank in (0, 1)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()[-3000:]
    for loss in ("mean", "relativistic"):
        one = gradients(small_network(), batch(), loss)
        for rank in (0, 1):
            two = torch.load(tmp_path / f"{loss}-{rank}.pt", weights_only=True)
            torch.testing.assert_close(two, one, rtol=0, atol=1e-12)


def main(folder: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    # Of the relativistic batch the first half is real: each process has half of the real and half of the fake.
    shares = {"mean": batch().chunk(2)[rank], "relativistic": torch.cat(batch().chunk(4)[rank::2])}
    for loss, share in shares.items():
        torch.save(gradients(DistributedDataParallel(small_network()), share, loss), folder / f"{loss}-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
