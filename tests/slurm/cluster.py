"""A SLURM cluster of two nodes, each with four GPUs in name only, on this machine and for these tests alone."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")
NODES = ("node1", "node2")
CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
PropagateResourceLimits=NONE
MailProg=/bin/true
GresTypes=gpu
{nodes}
PartitionName=tests Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What this machine lacks for a cluster; empty if nothing."""
    if os.geteuid() != 0:
        return "a cluster of its own takes root"
    missing = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    return f"{', '.join(missing)} missing; apt-get install slurm-wlm munge" if missing else ""


def search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Cluster:
    """Starts when made; `stop` ends it and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": search_path(),
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PYTHON": sys.executable,
            "OMP_NUM_THREADS": "1",
            "WANDB_MODE": "offline",
            "MASTER_ADDR": "127.0.0.1",  # where the nodes are; their names are of no network
        }
        for name in [name for name in self.environment if name.startswith(("SLURM_", "SBATCH_"))]:
            if name != "SLURM_CONF":
                del self.environment[name]
        self._write_config()
        self._started: list[str] = []
        self._start("munged", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
                    f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
                    f"--seed-file={folder}/munged.seed", "--num-threads=10")  # fmt: skip
        self._start("slurmctld", "-f", self.environment["SLURM_CONF"])
        for node in NODES:
            self._start("slurmd", "-N", node, "-f", self.environment["SLURM_CONF"])
        self.until(lambda: self.run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES), 60, "no nodes")

    def _write_config(self) -> None:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            for each in (first, second, third):
                each.bind(("127.0.0.1", 0))
            port, *ports = (each.getsockname()[1] for each in (first, second, third))
        host = socket.gethostname().partition(".")[0]
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={own} CPUs=16 Sockets=1 CoresPerSocket=16 "
            "ThreadsPerCore=1 RealMemory=64000 Gres=gpu:4 State=UNKNOWN"
            for node, own in zip(NODES, ports, strict=True)
        )
        (self.folder / "state").mkdir()
        for index in range(4):
            os.mknod(self.folder / f"gpu{index}", 0o20666, os.makedev(1, 3))  # as /dev/null
        (self.folder / "gres.conf").write_text(
            "".join(f"NodeName={node} Name=gpu File={self.folder}/gpu[0-3]\n" for node in NODES)
        )
        text = CONFIG.format(folder=self.folder, host=host, port=port, nodes=nodes, names=",".join(NODES))
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))

    def _start(self, *command: str) -> None:
        """Each becomes a process of its own in the background and says its id in a file."""
        log = self.folder / f"{command[0]}.out"
        with log.open("ab") as output:
            subprocess.run(command, env=self.environment, stdout=output, stderr=output, timeout=60, check=True)

    def run(self, *command: str) -> str:
        """What one of SLURM's programs says, from the project's folder, as a user calls it."""
        finished = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        return finished.stdout.strip() if finished.returncode == 0 else f"{command[0]}: {finished.stderr.strip()}"

    def submit(self, script: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """The job's number; its output goes to a file, which `output` reads."""
        output = (
            f"--output={self.folder}/%A_%a.out" if "--array" in " ".join(options) else f"--output={self.folder}/%j.out"
        )
        said = self.run("sbatch", "--parsable", output, "--cpus-per-task=1", *options, script, *arguments)
        assert said.isdigit(), said
        return said

    def output(self, job: str) -> str:
        path = self.folder / f"{job}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def show(self, job: str, key: str) -> str:
        """A field of `scontrol show job`, such as JobState, Restarts, ExitCode."""
        match = re.search(rf"\b{key}=(\S*)", self.run("scontrol", "show", "job", "-o", job))
        return match[1] if match else ""

    def until(self, happened: Callable[[], bool], seconds: float, otherwise: str, job: str = "") -> None:
        """Wait for something; waiting jobs that were requeued start as soon as they may."""
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f"{otherwise}\n{self.output(job)}\n{self.run('squeue')}"
            time.sleep(0.3)

    def wait_for_end(self, job: str, seconds: float = 900) -> str:
        """Until a job has ended; how (COMPLETED, FAILED, ...)."""
        at_work = ("", "PENDING", "RUNNING", "COMPLETING", "REQUEUED", "CONFIGURING")
        self.until(lambda: self.show(job, "JobState") not in at_work, seconds, f"job {job} has not ended", job)
        return self.show(job, "JobState")

    def hurry(self, job: str) -> None:
        """A job that was requeued would wait as long as SLURM's credentials last.

        It must not start in the second in which it was stopped: until then its credentials count as withdrawn.
        """
        self.until(lambda: self.show(job, "JobState") in ("PENDING", "RUNNING"), 60, "not requeued", job)
        time.sleep(2)
        if self.show(job, "JobState") == "PENDING":
            self.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def stop(self) -> None:
        self.run("scancel", "--user=root")
        for _ in range(60):
            if not self.run("squeue", "-h"):
                break
            time.sleep(0.5)
        for path in (*self.folder.glob("slurmd-*.pid"), self.folder / "slurmctld.pid", self.folder / "munged.pid"):
            end(path)


def end(path: Path) -> None:
    """End the one process that has written its id there."""
    if not path.exists():
        return
    number = int(path.read_text())
    for signal_number in (15, 9):
        try:
            os.kill(number, signal_number)
        except ProcessLookupError:
            return
        for _ in range(50):
            status = Path(f"/proc/{number}/stat")
            if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.1)


def processes_with(text: str) -> list[int]:
    """Ids of the processes of this machine that have a text in their arguments; no zombies, which have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # ended meanwhile
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def ranks_of(text: str) -> dict[int, int]:
    """The processes of train.py in tasks of SLURM that have a text in their arguments: rank to id."""
    found = {}
    for number in processes_with(text):
        with suppress(OSError):  # ended meanwhile
            command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
            ranks = [each.partition(b"=")[2] for each in environment if each.startswith(b"SLURM_PROCID=")]
            if command[:2] == [sys.executable.encode(), b"train.py"] and ranks:
                found[int(ranks[0])] = number
    return found
