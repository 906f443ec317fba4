"""Two processes that have met; one of them is gone, or hangs, when the other one fails."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiment.test_scheduler import free_port

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, signal, sys, time
from types import SimpleNamespace
import torch.distributed as dist
from experiment.roll_call import name_silent

dist.init_process_group("gloo")
dist.barrier()
rank, what = dist.get_rank(), sys.argv[1]
if what == "fails":
    pass
elif what == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif what == "hangs":
    print("hangs", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
elif what == "reads late":
    check = dist.Store.check
    late = lambda store, keys: (time.sleep(1), check(store, keys))[1]
    type(dist.distributed_c10d._get_default_store()).check = late
name_silent(SimpleNamespace(global_rank=rank, world_size=2, global_step=7))
print("heard")
sys.stdout.flush()
os._exit(3)
"""


def start(rank: int, port: str, what: str) -> subprocess.Popen[str]:
    given = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = {**os.environ, **given, "OMP_NUM_THREADS": "1", "SLURMD_NODENAME": f"node{rank}"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.ddp
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("what", ["is killed", "hangs"])
def test_the_silent_one_is_named(rank: int, what: str) -> None:
    port = free_port()
    silent, other = start(rank, port, what), start(1 - rank, port, "fails")
    try:
        said = other.communicate(timeout=120)[1]
    finally:
        silent.kill()
        other.kill()
        silent.communicate()
    assert other.returncode == 3, said
    lines = [line for line in said.splitlines() if line.startswith("train.py: ")]
    named = f"train.py: rank {rank} hung or was ended after step 7, says rank {1 - rank} on node{1 - rank}"
    assert lines == [named], said


@pytest.mark.ddp
@pytest.mark.parametrize("late", [None, 0, 1])
def test_when_all_fail_nobody_is_named_and_nobody_waits(late: int | None) -> None:
    """Also not when one reads the others' words late: rank 0's store would go with rank 0."""
    port = free_port()
    both = [start(rank, port, "reads late" if rank == late else "fails") for rank in (0, 1)]
    begin = time.monotonic()
    said = [each.communicate(timeout=120)[1] for each in both]
    assert [each.returncode for each in both] == [3, 3]
    assert not any(re.search("^train.py: ", each, re.MULTILINE) for each in said)
    assert time.monotonic() - begin < 100


def test_a_single_process_has_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    from types import SimpleNamespace

    from experiment.roll_call import name_silent

    name_silent(SimpleNamespace(global_rank=0, world_size=1, global_step=7))  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
