"""What a proof has found so far, a line of JSON each: an interrupted proof goes on from it and is reported from it."""

import json
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.test_train import ROOT

Line = dict[str, Any]
# What decides how a run goes: a reference run of another version of these is made again.
PROGRAM = (
    "train.py", "callbacks", "conf", "datamodules", "experiment", "lightning_modules", "losses", "metrics", "networks",
    "tensor_files", "video_io", "requirements.txt", "tests/resuming.py", "tests/test_train.py", "tests/reliability",
)  # fmt: skip


class Record:
    """The lines of a file; a line that an interruption has cut is left out.

    A start of the program within a course     proof, course, start, hit, kind, ...
    The end of a course                        proof, course, exact, problem; exact is null if it was given up
    A trial that is judged by itself           proof, trial, kind, ok, problem
    A start of the proof itself                session
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if len("".join(whole)) < len(text):
            path.write_text("".join(whole), encoding="utf-8")
        self.lines: list[Line] = [json.loads(line) for line in whole]

    def add(self, **line: Any) -> None:
        """Keep one."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def of(self, proof: str) -> list[Line]:
        """All of a proof."""
        return [line for line in self.lines if line.get("proof") == proof]

    def verdicts(self, proof: str) -> dict[int, Line]:
        """How its courses ended."""
        return {line["course"]: line for line in self.of(proof) if "exact" in line}

    def hits(self, proof: str) -> list[Line]:
        """The starts to which something happened that counts, without those of courses that were given up."""
        given_up = {course for course, verdict in self.verdicts(proof).items() if verdict["exact"] is None}
        hits = [line for line in self.of(proof) if line.get("hit") and not line["is_preparation"]]
        return [line for line in hits if line["course"] not in given_up]

    def trials(self, proof: str) -> list[Line]:
        """Those that are judged by themselves."""
        return [line for line in self.of(proof) if "ok" in line]


def session(seed: int) -> Line:
    """Where and with what a proof is run."""
    return {
        "seed": seed,
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git("rev-parse", "--short", "HEAD") + ("" if is_clean() else ", changed"),
        "machine": f"{cpu_name()}, {platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in ("torch", "pytorch-lightning")),
    }


def program_version() -> str:
    """Of what decides how a run goes."""
    changed = git("diff", "HEAD", "--", *PROGRAM[:-1])
    return git("log", "-1", "--format=%h", "--", *PROGRAM[:-1]) + (f"+{len(changed)}" if changed else "")


def is_clean() -> bool:
    """Whether the program is as it was committed."""
    return not git("status", "--porcelain", "--untracked-files=no", "--", *PROGRAM)


def git(*arguments: str) -> str:
    """What git says; nothing where there is no repository."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def cpu_name() -> str:
    """As Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return f"{names[0].partition(':')[2].strip()} ({len(names)} cores)" if names else platform.machine()
