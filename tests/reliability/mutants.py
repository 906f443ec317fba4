"""Random mutations of the configs that ship, to train.py: it takes what comes of them, or says why not in one line."""

import io
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any
from unittest.mock import patch

from tests.reliability.hostile_files import CANARY, SECRET, Watch, environment, write_payloads
from tests.reliability.mutated_configs import KINDS, given, mutant
from tests.reliability.record import Record
from tests.test_train import ROOT
from train import main as train

NAME = "mutated configs"
LONGEST = 10  # seconds of the processor for a trial; nearly all take a tenth of one
HANGING = 120  # seconds after which a trial is ended
LONGEST_LINE = 1100  # characters
MEMORY = 4 << 30  # bytes that a trial may take besides: an absurd size is to fail, not to take the machine along
SETTINGS = (
    "--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.precision", "32-true",
    "--trainer.logger", "false",
)  # fmt: skip
ROOMS = {path.name for path in ROOT.iterdir() if path.is_dir()}
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")


class ConfigWatch(Watch):
    """Notices, too, what is written outside of its folder, and modules of packages that no config has to do with."""

    def __init__(self, folder: Path) -> None:
        self.known = {name.partition(".")[0] for name in sys.modules} | ROOMS
        super().__init__(folder)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        super()._hear(event, arguments)
        if not self.is_on:
            return
        if event == "import" and str(arguments[0]).partition(".")[0] not in self.known:
            self.seen.append(f"import of {arguments[0]}")
        is_writing = event == "open" and isinstance(arguments[1], str) and not {*arguments[1]}.isdisjoint("wax+")
        if is_writing or event in CHANGES:
            path = arguments[1] if event in ("os.symlink", "os.link", "os.rename") else arguments[0]
            if not isinstance(path, int) and not str(path).startswith((str(self.folder), "/dev/null")):
                self.seen.append(f"{event} of {path}")


class Attempt:
    """All that train.py does before training.

    Attributes:
        said: on the screen.
        problem: what is wrong with how it ended; empty if it is as it should be.
    """

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self.said, self.problem = "", ""

    def __call__(self) -> str:
        said = io.StringIO()
        code: object
        start = time.process_time()
        with patch("train.train", lambda experiment: 0), redirect_stderr(said), limited():
            try:
                code = train(self.arguments)
            except BaseException as error:  # also what would end the program
                code = f"a traceback, {type(error).__name__}: {str(error)[:300]}"
        self.said = said.getvalue()
        lines = self.said.splitlines()
        is_one_line = len(lines) == 1 and lines[0].startswith("train.py: ") and len(lines[0]) <= LONGEST_LINE
        if code not in (0, 2):
            self.problem = f"it ended with {code}"
        elif code == 2 and not is_one_line:
            self.problem = f"it did not say one line, but {len(lines)} of {len(self.said)} characters"
        elif time.process_time() - start > LONGEST:
            self.problem = f"it took {time.process_time() - start:.0f} seconds of the processor"
        return self.said


@contextmanager
def limited() -> Iterator[None]:
    """Limits of time and memory for a while."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("it hangs")

    handler, limits = signal.signal(signal.SIGALRM, late), resource.getrlimit(resource.RLIMIT_AS)
    used = Path("/proc/self/statm")
    if used.exists():
        most = int(used.read_text().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    signal.alarm(HANGING)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, handler)


def prove_mutated(record: Record, folder: Path, videos: Path, times: int, seed: int) -> None:
    """Make so many trials that have not been made before; each is a function of the seed and its number alone."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    write_payloads(folder)
    # What configs load once and for all is loaded before anybody looks: TensorBoard, and where type stubs are found.
    Attempt([*given([ROOT / "conf/demo.yaml", ROOT / "conf/trainer/tensorboard.yaml"]), "--model.seed", "x"])()
    watch = ConfigWatch(folder)
    made = {line["trial"] for line in record.trials(NAME)}
    sys.path.insert(0, str(folder))
    try:
        with environment(**{CANARY: SECRET, "KINOGAN_CACHE": str(folder / "cache")}):
            for trial in range(times):
                if trial in made:
                    continue
                random, kind = Random(f"{seed} {trial}"), KINDS[trial % len(KINDS)]
                own = ["--data.root", str(videos), *SETTINGS, "--run_folder", str(folder / "runs" / str(trial))]
                attempt = Attempt(mutant(random, kind, folder, own))
                effects, _ = watch.trial(attempt)
                problem = "; ".join(filter(None, (effects, attempt.problem)))
                said = attempt.said.strip()[-300:]
                record.add(proof=NAME, trial=trial, kind=kind, ok=not problem, problem=problem, said=said)
                if problem:
                    print(f"{NAME}: trial {trial}, {kind}: {problem}", flush=True)
    finally:
        sys.path.remove(str(folder))
