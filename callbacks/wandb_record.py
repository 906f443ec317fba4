"""What W&B has had of a run, so that the run can go on there."""

import json
import secrets
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callbacks.unwritable import reason
from tensor_files.whole_files import whole_file


class RunRecord:
    """A W&B run's id and, for each key, the last step that was logged: a small file in the run's folder.

    A run that was killed goes on from its newest checkpoint and logs some steps again, with the same values; W&B takes
    nothing back, so they are not sent a second time.

    Args:
        path: of the file; it is made when the W&B run begins.
        id: of the run, where it is known; a file that is of another one is forgotten.
    """

    def __init__(self, path: Path, id: str | None = None) -> None:
        self.path = path
        self.id = id
        self._last_steps: dict[str, int] = {}
        self._has_begun = False

    def begin(self) -> str:
        """Read the file, or make it; the run's id."""
        if self._has_begun:
            assert self.id is not None
            return self.id
        self._has_begun = True
        kept = self._read()
        if kept and self.id in (None, kept["id"]):
            self.id, self._last_steps = kept["id"], kept["last_steps"]
        self.id = self.id or "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
        self._write()
        return self.id

    def take_note(self, values: Mapping[str, Any], step: int | None) -> dict[str, Any]:
        """Those of the values that are to be sent: not those of a step at which their key was sent before."""
        self.begin()
        if step is None:
            return dict(values)
        new = {key: value for key, value in values.items() if step > self._last_steps.get(key, -1)}
        if new:
            self._last_steps |= dict.fromkeys(new, step)
            self._write()
        return new

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            steps = {str(key): int(step) for key, step in kept["last_steps"].items()}
            return {"id": str(kept["id"]), "last_steps": steps}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        content = {"id": self.id, "last_steps": self._last_steps}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path, survives_power_loss=False) as file:
                file.write(json.dumps(content, indent=1).encode())
        except OSError as error:
            print(f"{self.path} cannot be written ({reason(error)}); W&B may get some steps twice", file=sys.stderr)
