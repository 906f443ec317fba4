"""Files of strangers that would run something, read something or send something: whatever reads them must not."""

import contextlib
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tensor_files.loading import UNSAFE
from video_io import child_process

CANARY = "KINOGAN_CANARY_TOKEN"  # a secret in the environment, by its name
SECRET = "canary-5d2f8a1c90b7"
# What a program does that has begun to run another's code, or to fetch something.
EVENTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "urllib.Request", "socket.connect")


class Watch:
    """Notices what a trial does besides reading: a marker that code makes, programs, connections, the secret.

    Attributes:
        marker: hostile code makes it.
        seen: the events since the last look.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = folder / "marker"
        self.seen: list[str] = []
        self.is_on = False
        sys.addaudithook(self._hear)  # for the rest of this process: there is no way to take one back

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_decoder = event == "subprocess.Popen" and child_process._BEGIN in arguments[1]  # a run's own
        if self.is_on and event.startswith(EVENTS) and not is_decoder:
            self.seen.append(f"{event} {str(arguments)[:100]}")

    def trial(self, attempt: Callable[[], object]) -> tuple[str, str]:
        """Make an attempt; its side effects, and what it said, by print, by an exception or by its result."""
        self.seen, said = [], io.StringIO()
        self.marker.unlink(missing_ok=True)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            self.is_on = True
            try:
                result: object = attempt()
            except BaseException as error:  # also what would end the program
                result = f"{type(error).__name__}: {error}"
            finally:
                self.is_on = False
        text = said.getvalue() + str(result)[:2000]
        effects = [*self.seen, *(["code was run"] if self.marker.exists() else [])]
        effects += ["the secret was told"] if SECRET in text or self._secret_is_written() else []
        return "; ".join(effects), text

    def _secret_is_written(self) -> bool:
        runs = self.folder / "runs"
        return any(SECRET.encode() in path.read_bytes() for path in runs.rglob("*") if path.is_file())


class Touch:
    """Makes the marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def hostile_files(folder: Path, marker: Path, good: Path) -> dict[str, Path]:
    """Files to be read as checkpoints or weights, by kind; `good` is one of the run that they pretend to be of.

    Each that torch can read at all would make the marker if it were read with weights_only=False.
    """
    folder.mkdir(parents=True, exist_ok=True)
    touch, content = Touch(marker), torch.load(good, map_location="cpu", weights_only=True)
    files = {
        "pickle": lambda path: path.write_bytes(pickle.dumps(touch)),
        "pickle of an old protocol": lambda path: path.write_bytes(pickle.dumps(touch, protocol=0)),
        "code in place of all": lambda path: torch.save(touch, path),
        "code in the weights": lambda path: torch.save({**content, "state_dict": {"generator.a": touch}}, path),
        "code in an optimizer": lambda path: torch.save({**content, "optimizer_states": [touch, touch]}, path),
        "code in the hyper-parameters": lambda path: torch.save({**content, "hyper_parameters": touch}, path),
        "code in a callback": lambda path: torch.save({**content, "callbacks": {"Checkpoints": touch}}, path),
        "code in the old container": lambda path: torch.save(
            {**content, "more": touch}, path, _use_new_zipfile_serialization=False
        ),
        "a class to be made": lambda path: torch.save(
            {**content, "hyper_parameters": {"_instantiator": "os.system", "_class_path": "os.system"}}, path
        ),
        "numbers as objects": lambda path: torch.save({**content, "more": np.array([touch], dtype=object)}, path),
        "a whole network": lambda path: torch.save(nn.Linear(1, 1), path),
        "TorchScript": lambda path: torch.jit.save(torch.jit.script(nn.Linear(1, 1)), str(path)),
        "zip bomb": lambda path: make_bomb(path, good),
        "zip whose parts overlap": lambda path: make_overlap(path, good),
        "zip that leaves its folder": lambda path: make_escape(path, good, marker),
        "tensor of a petabyte": lambda path: torch.save(
            {**content, "state_dict": {"generator.a": torch.zeros(1).expand(1 << 48)}}, path
        ),
        "numpy objects": lambda path: np.save(path.open("wb"), np.array([touch], dtype=object), allow_pickle=True),
        "numpy archive of objects": lambda path: np.savez(path.open("wb"), a=np.array([touch], dtype=object)),
        "link to a secret": lambda path: path.symlink_to(secret_file(folder)),
        "link without end": lambda path: path.symlink_to("/dev/zero"),
        "link to itself": lambda path: path.symlink_to(path.name),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
        "nothing": Path.touch,
        "noise": lambda path: path.write_bytes(bytes(range(256)) * 64),
    }
    paths = {}
    for number, (kind, make) in enumerate(files.items()):
        paths[kind] = folder / f"{number:02d}.ckpt"
        if not os.path.lexists(paths[kind]):
            make(paths[kind])
    return paths


def secret_file(folder: Path) -> Path:
    """One whose content must not be told."""
    path = folder / "secret.txt"
    path.write_text(SECRET)
    return path


def make_bomb(path: Path, good: Path) -> None:
    """A checkpoint that grows a thousandfold when it is read."""
    with zipfile.ZipFile(good) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in archive.infolist():
            is_data = "/data/" in entry.filename
            bomb.writestr(entry.filename, bytes(1 << 20) if is_data else archive.read(entry))


def make_overlap(path: Path, good: Path) -> None:
    """A checkpoint whose directory names the same bytes again and again."""
    path.write_bytes(good.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        for _ in range(50):
            archive.filelist.append(largest)
        archive._didModify = True  # type: ignore[attr-defined]


def make_escape(path: Path, good: Path, marker: Path) -> None:
    """A checkpoint with a part that would be written elsewhere by whoever unpacks it."""
    path.write_bytes(good.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        for name in (str(marker), "../../marker", "archive/../../marker"):
            archive.writestr(name, b"out")


# Where a config names something to be made.
KEYS = (
    "model", "model.init_args.generator", "model.init_args.discriminator", "model.init_args.objective",
    "model.init_args.generator_optimizer", "model.init_args.discriminator_scheduler", "model.init_args.augmentation",
    "model.init_args.fine_tuning", "data", "trainer.logger", "trainer.callbacks", "trainer.strategy",
    "trainer.plugins", "trainer.profiler",
)  # fmt: skip


def hostile_names(folder: Path, evil: Path) -> Mapping[str, dict[str, Any]]:
    """What a config may say in place of a class, by kind."""
    command = {"command": f"touch {folder / 'marker'}"}
    arguments = {"args": ["touch", str(folder / "marker")]}
    pickled = {"weights_only": False}
    return {
        "os.system": {"class_path": "os.system", "init_args": command},
        "subprocess.Popen": {"class_path": "subprocess.Popen", "init_args": arguments},
        "os of a trusted module": {"class_path": "callbacks.stop_signals.os.system", "init_args": command},
        "subprocess of torch": {"class_path": "torch.utils.cpp_extension.subprocess.Popen", "init_args": arguments},
        "builtins.exec": {"class_path": "builtins.exec", "init_args": {"source": f"open('{folder}/marker', 'w')"}},
        "a module nearby": {"class_path": "kinogan_payload.Thing"},
        "torch.hub.load": {
            "class_path": "torch.hub.load",
            "init_args": {"repo_or_dir": str(folder), "model": "x", "source": "local"},
        },
        "torch.load": {"class_path": "torch.load", "init_args": {"f": str(evil), **pickled}},
        "load_from_checkpoint": {
            "class_path": "lightning_modules.video_gan.VideoGAN.load_from_checkpoint",
            "init_args": {"checkpoint_path": str(evil), **pickled},
        },
        "a program of torch": {
            "class_path": "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler",
            "init_args": {
                "entrypoint": "touch", "args": [str(folder / "marker")], "env": {}, "stdout": None, "stderr": None,
                "local_rank_id": 0,
            },
        },
    }  # fmt: skip


def hostile_values() -> Mapping[str, str]:
    """Texts that a config may have in place of a value."""
    return {
        "oc.env": f"${{oc.env:{CANARY}}}",
        "oc.env in a path": f"/tmp/${{oc.env:{CANARY}}}",
        "oc.coerce": "${oc.coerce:kinogan_payload.Thing,1}",
        "oc.decode": f"${{oc.decode:'${{oc.env:{CANARY}}}'}}",
        "oc.create": f"${{oc.create:{{a: '${{oc.env:{CANARY}}}'}}}}",
        "oc.select": "${oc.select:nowhere,1}",
        "python tag": "!!python/object/apply:os.system ['touch MARKER']",
        "python name": "!!python/name:kinogan_payload.Thing",
        "python module": "!!python/module:kinogan_payload",
    }


def alias_bomb() -> str:
    """YAML of a few lines that means a billion values."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines) + "\n"


def write_payloads(folder: Path) -> None:
    """Modules that make the marker when they are imported: one to be found by name, one for torch.hub."""
    made = f"open({str(folder / 'marker')!r}, 'w').close()\n"
    (folder / "kinogan_payload.py").write_text(f"{made}class Thing: pass\n")
    (folder / "hubconf.py").write_text(f"{made}def x(): pass\n")


def would_run(path: Path, watch: Watch) -> bool:
    """Whether a file runs code in a reader that trusts it: the trap is live."""
    return "code was run" in watch.trial(lambda: torch.load(path, map_location="cpu", weights_only=False))[0]


def unsafe() -> contextlib.AbstractContextManager[None]:
    """What has torch run the code in files that are read with weights_only unset."""
    return environment(**{UNSAFE: "1"})
