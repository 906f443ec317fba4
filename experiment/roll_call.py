"""When training fails on several processes, those that are not heard of any more are named."""

import os
import socket
import sys
import threading
import time
from contextlib import suppress

import torch.distributed as dist
from pytorch_lightning import Trainer

SECONDS = 5.0  # that the others have to fail, too: each notices as soon as the first one is gone, or within the timeout


def name_silent(trainer: Trainer) -> None:
    """Say in one line, from one process, which ranks have neither gone on nor failed: they were killed, or hang.

    Each process whose training fails leaves a word in the store through which the processes have met.  It is rank 0's:
    a store that does not answer is a rank 0 that is gone.
    """
    if trainer.world_size == 1 or not dist.is_initialized():
        return
    heard: set[int] = set()
    # In a thread, as a store that hangs keeps its caller for half an hour.
    thread = threading.Thread(target=_listen, args=(trainer.global_rank, trainer.world_size, heard), daemon=True)
    thread.start()
    thread.join(SECONDS + 1)
    heard |= {trainer.global_rank}
    silent = [rank for rank in range(trainer.world_size) if rank not in heard]
    if silent and trainer.global_rank == min(heard):
        who = f"rank {silent[0]}" if len(silent) == 1 else f"ranks {', '.join(map(str, silent))}"
        here = f"rank {trainer.global_rank} on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}"
        print(f"train.py: {who} hung or was ended after step {trainer.global_step}, says {here}", file=sys.stderr)


def _listen(rank: int, world_size: int, heard: set[int]) -> None:
    """Leave a word, and add the others that do, until all have or the time is over.

    Then rank 0 stays for those that it heard, as its store goes with it: who has not read it yet would miss rank 0.
    """
    end = time.monotonic() + SECONDS
    with suppress(RuntimeError, dist.DistError):  # the store is gone
        store = dist.distributed_c10d._get_default_store()
        store.set(f"kinogan/failed/{rank}", "")
        while len(heard) < world_size and time.monotonic() < end:
            heard |= {each for each in range(world_size) if store.check([f"kinogan/failed/{each}"])}
            time.sleep(0.1)
        store.set(f"kinogan/has read/{rank}", "")
        while rank == 0 and not store.check([f"kinogan/has read/{each}" for each in heard]) and time.monotonic() < end:
            time.sleep(0.1)
