"""Everything that a run logs, in one file that any program reads."""

import csv
import io
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from callbacks.unwritable import reason
from tensor_files.whole_files import whole_file

Row = dict[str, str]


class MetricsCsv(Logger):
    """Writes <folder>/metrics.csv: one row a step, one column a metric, empty where a step did not log it.

    A row is in the file as soon as it is logged, so a run that is killed loses none; what a step logs later joins its
    row.  Where the disk is full, a line on the screen says so once, and the values are lost.

    Lightning's CSVLogger deletes the file when a run goes on in its folder, keeps a hundred rows back, and begins
    another row for what is logged separately.

    Args:
        folder: of the run.

    Only rank 0 writes.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self._columns: list[str] = []
        self._newest: Row = {}
        self._start = self._end = 0  # where in the file the newest row lies
        self._has_warned = False

    @property
    def name(self) -> str:
        """Nothing that needs a folder of its own."""
        return ""

    @property
    def version(self) -> str:
        """As the name."""
        return ""

    @property
    def save_dir(self) -> str:
        """The folder of the file."""
        return str(self.path.parent)

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = {"step": str(step), **{name: repr(float(value)) for name, value in metrics.items()}}
        try:
            self._write(row)
        except OSError as error:
            if not self._has_warned:
                print(f"step {step}: {self.path} cannot be written ({reason(error)})", file=sys.stderr)
            self._has_warned = True

    @override
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """They are in config.yaml."""

    def _write(self, row: Row) -> None:
        if not self._columns and self.path.exists():
            self._take_up(read_rows(self.path))
        if row["step"] == self._newest.get("step"):
            row, start = {**self._newest, **row}, self._start
        else:
            start = self._end
        if not set(row) <= set(self._columns):
            self._take_up([*(each for each in read_rows(self.path) if each["step"] != row["step"]), row])
            return
        with self.path.open("r+b") as file:
            file.seek(start)
            file.write(as_lines([row], self._columns))
            file.truncate()
            end = file.tell()
        self._newest, self._start, self._end = row, start, end

    def _take_up(self, rows: list[Row]) -> None:
        """Write all rows anew, and go on after them."""
        self._columns = write_rows(self.path, rows)
        self._newest = rows[-1] if rows else {}
        self._end = self.path.stat().st_size
        self._start = self._end - len(as_lines(rows[-1:], self._columns))


def drop_rows_after(path: Path, step: int) -> None:
    """Forget what was logged after a step, and a row that was not written to the end."""
    if path.exists():
        write_rows(path, [row for row in read_rows(path) if int(row["step"]) <= step])


def read_rows(path: Path) -> list[Row]:
    """The rows that are whole, each with what it has."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    whole = csv.DictReader(line for line in lines if line.endswith("\n"))
    return [
        {name: value for name, value in row.items() if value}
        for row in whole
        if None not in row and None not in row.values() and row.get("step", "").isdecimal()
    ]


def write_rows(path: Path, rows: list[Row]) -> list[str]:
    """Write the file with these rows; its columns."""
    columns = ["step", *sorted({name for row in rows for name in row} - {"step"})]
    with whole_file(path) as file:
        file.write(as_lines([dict(zip(columns, columns, strict=True)), *rows], columns))
    return columns


def as_lines(rows: list[Row], columns: list[str]) -> bytes:
    """Rows as they are in the file."""
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
