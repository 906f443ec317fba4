"""Going back behind the batches that training cannot digest, a bounded number of times."""

import json
from pathlib import Path
from typing import NamedTuple

from experiment.going_on import go_back_to_intact
from experiment.one_line import UserError
from tensor_files.committed import step_of
from tensor_files.whole_files import whole_file

SKIPPED = "skipped_batches.json"


class Window(NamedTuple):
    """Batches that are left out: when the run stands at `from_step`, so many of the data's stream are passed over."""

    from_step: int
    num_batches: int
    because: str


def skipped_windows(run_folder: Path) -> list[Window]:
    """What a run leaves out, in the order in which it found out.

    Raises: UserError if the file is not as it was written: without it the run would see other batches.
    """
    path = run_folder / SKIPPED
    if not path.exists():
        return []
    try:
        windows = [Window(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
        return [Window(int(from_step), int(number), str(why)) for from_step, number, why in windows]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read; bring it back, or give another --run_folder") from error


def num_skipped_batches(run_folder: Path, step: int) -> int:
    """By how many batches the data are ahead of a step: a function of the run's record alone."""
    return sum(window.num_batches for window in skipped_windows(run_folder) if window.from_step <= step)


def roll_back(run_folder: Path, failed_step: int, because: str, allowed: int) -> str:
    """Record that the batches from the newest checkpoint to a step that failed are left out; what is done, in a line.

    Empty if it is not to be done: no more is allowed, or there is no checkpoint to go back to.  Windows that begin
    after that checkpoint are of a course that is given up.
    """
    windows = skipped_windows(run_folder)
    try:
        path, _ = go_back_to_intact(run_folder)
    except UserError:
        path = None
    if path is None or len(windows) >= allowed:
        return ""
    from_step = step_of(path)
    window = Window(from_step, failed_step - from_step, because)
    with whole_file(run_folder / SKIPPED) as file:
        kept = [each for each in windows if each.from_step <= from_step]
        file.write(json.dumps([each._asdict() for each in (*kept, window)], indent=1).encode())
    return (
        f"going back to step {from_step} and leaving out the next {window.num_batches} batches "
        f"({len(windows) + 1} of {allowed} times)"
    )
