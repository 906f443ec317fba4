"""Every hostile file to everything that reads files, every hostile config to everything that reads configs."""

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from callbacks.checkpoint_files import CheckpointFiles
from evaluation.array_videos import load as load_videos
from metrics.statistics_cache import StatisticsCache
from metrics.weight_files import I3D_TORCHSCRIPT
from metrics.weights import load_arrays, load_program, load_weights
from sampling.command_line import main as sample
from tensor_files.committed import committed, mark_of
from tensor_files.loading import load_checkpoint, load_tensors
from tensor_files.whole_files import sha256_of
from tests.reliability.hostile_files import (
    CANARY,
    KEYS,
    SECRET,
    Watch,
    alias_bomb,
    environment,
    hostile_files,
    hostile_names,
    hostile_values,
    unsafe,
    write_payloads,
)
from tests.reliability.record import Record
from tests.reliability.starts import start
from tests.resuming import SETTINGS
from train import main as train

NAME = "hostile files"
LONGEST = 120  # seconds of an attempt
READERS: dict[str, Callable[[Path], object]] = {
    "load_checkpoint": load_checkpoint,
    "load_tensors": load_tensors,
    "Lightning": lambda path: CheckpointFiles().load_checkpoint(path, weights_only=False),
    "load_weights": load_weights,
    "load_arrays": load_arrays,
    "statistics": StatisticsCache.read,
    "videos": load_videos,
    "a TorchScript program": lambda path: load_program(I3D_TORCHSCRIPT, path),
}
URLS = ("http://127.0.0.1:9/a.ckpt", "https://localhost/a.ckpt", "s3://bucket/a.ckpt", "file:///etc/passwd")
Attempt = tuple[str, str, Callable[[], object]]  # kind, by whom, what is done


class Attacks:
    """A run to attack, and what it is attacked with.

    Args:
        folder: of its own; `whole` in it is a run that has finished.
    """

    def __init__(self, folder: Path, videos: Path) -> None:
        self.folder, self.videos = folder, videos
        self.whole = folder / "whole"
        self.number = 0
        if not committed(self.whole / "checkpoints"):
            ended = start(self.whole, videos, SETTINGS)
            if ended.code != 0:
                raise RuntimeError(f"the run to be attacked failed, {ended.last_words}")
        self.good = committed(self.whole / "checkpoints")[-1]

    def attempts(self, marker: Path) -> Iterator[Attempt]:
        """All of them."""
        files = hostile_files(self.folder / "files", marker, self.good)
        for kind, path in files.items():
            for reader, read in {**READERS, **self.programs()}.items():
                yield f"a file: {kind}", reader, partial(read, path)
            yield f"a file: {kind}", "load_checkpoint, told to trust", partial(trusting, load_checkpoint, path)
        for url in URLS:
            for reader, read in {**READERS, "--resume": self.programs()["--resume"]}.items():
                yield f"an address: {url}", reader, partial(read, Path(url) if reader == "videos" else url)  # type: ignore[arg-type]
        names = hostile_names(self.folder, files["code in a callback"])
        for kind, value in names.items():
            for key in KEYS:
                text = yaml.safe_dump(nested(key, [value] if key == "trainer.callbacks" else value))
                yield f"a config: {kind}", f"train.py, {key}", partial(self.train_with, text)
                if key.startswith("model"):
                    yield f"a config: {kind}", f"sample.py, {key}", partial(self.sample_with, key, value)
        for kind, text in hostile_values().items():
            text = text.replace("MARKER", str(marker))
            for key in ("model.init_args.seed", "data.init_args.root", "trainer.max_steps", "model"):
                yield f"a config: {kind}", f"train.py, {key}", partial(self.train_with, indented(key, text))
                yield f"a config: {kind}", f"train.py, --{key}", partial(self.train, f"--{key}={text}")
        yield "a config: alias bomb", "train.py", partial(self.train_with, alias_bomb())

    def programs(self) -> dict[str, Callable[[Path], object]]:
        """The programs that can be told to read a file."""
        tuned = ("--model.fine_tuning", "lightning_modules.fine_tuning.FineTuning", "--model.fine_tuning.checkpoint")
        return {
            "--resume": lambda path: self.train("--resume", str(path)),
            "fine tuning": lambda path: self.train(*tuned, str(path)),
            "a run's folder": self.train_in_folder_with,
            "sample.py": lambda path: sample([str(self.whole), "--checkpoint", str(path), "--output", self.new()]),
        }

    def new(self) -> str:
        """A folder that is not there."""
        self.number += 1
        return str(self.folder / "runs" / str(self.number))

    def train(self, *more: str, folder: str | None = None) -> int:
        """train.py, in this process."""
        given = [*SETTINGS, "--data.root", str(self.videos), "--run_folder", folder or self.new()]
        return train([*given, "--trainer.max_steps", "1", *more])

    def train_with(self, text: str) -> int:
        """train.py with one more config."""
        path = self.folder / "evil.yaml"
        path.write_text(text)
        return self.train("--config", str(path))

    def train_in_folder_with(self, path: Path) -> int:
        """train.py in a run's folder, into which somebody has put the file, with a mark that vouches for it."""
        folder = Path(self.new())
        shutil.copytree(self.whole, folder, symlinks=True)
        newest = folder / "checkpoints" / "step-00000099.ckpt"
        if path.is_symlink():
            newest.symlink_to(path.resolve() if path.resolve(strict=False) != path else newest.name)
        elif path.is_file():
            shutil.copyfile(path, newest)
        else:
            newest.mkdir()
        digest = sha256_of(newest) if newest.is_file() else "0" * 64
        mark_of(newest).write_text(f"{digest}  {newest.name}\n")
        try:
            return self.train("--trainer.max_steps", "6", folder=str(folder))
        finally:
            shutil.rmtree(folder)

    def sample_with(self, key: str, value: Any) -> int:
        """sample.py of a run whose config somebody has changed."""
        folder = Path(self.new())
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").symlink_to(self.good)
        config = yaml.safe_load((self.whole / "config.yaml").read_text())
        *way, last = key.split(".")
        place = config
        for each in way:
            place = place[each]
        place[last] = value
        (folder / "config.yaml").write_text("# pytorch_lightning==2.6.6\n" + yaml.safe_dump(config))
        try:
            return sample([str(folder), "--num_videos", "1", "--output", str(folder / "videos")])
        finally:
            shutil.rmtree(folder)


def prove_hostile(record: Record, folder: Path, videos: Path, most: int | None = None) -> None:
    """Make all attempts, or `most` of them, that have not been made before."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs").mkdir(exist_ok=True)
    attacks, watch = Attacks(folder, videos), Watch(folder)
    write_payloads(folder)
    sys.path.insert(0, str(folder))
    try:
        with environment(**{CANARY: SECRET, "KINOGAN_CACHE": str(folder / "cache")}):
            attempts = list(attacks.attempts(watch.marker))
            if most is not None:  # some of every kind
                attempts = [attempts[number * len(attempts) // most] for number in range(most)]
            made = {(line["kind"], line["by"]) for line in record.trials(NAME)}
            for trial, (kind, reader, attempt) in enumerate(attempts):
                if (kind, reader) in made:
                    continue
                effects, said = watch.trial(partial(in_time, attempt))
                problem = effects or ("it ended in a traceback" if "Traceback" in said else "")
                problem = problem and f"{reader}: {problem}"
                said = said.strip().replace("\n", " ")[-300:]
                record.add(proof=NAME, trial=trial, kind=kind, by=reader, ok=not problem, problem=problem, said=said)
                if problem or (trial + 1) % 50 == 0:
                    print(f"{NAME}: {trial + 1} of {len(attempts)} {problem}", flush=True)
    finally:
        sys.path.remove(str(folder))


def trusting(read: Callable[[Path], object], path: Path) -> object:
    """Read where the environment has torch trust files."""
    with unsafe():
        return read(path)


def in_time(attempt: Callable[[], object]) -> object:
    """Make an attempt; raises TimeoutError, which counts as a traceback, if it hangs."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("Traceback: it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        return attempt()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def nested(key: str, value: Any) -> Any:
    """The config in which a dotted key has a value."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def indented(key: str, text: str) -> str:
    """The same in YAML, for a text that is YAML already."""
    names = key.split(".")
    lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(names)]
    return "\n".join(lines) + f" {text}\n"
